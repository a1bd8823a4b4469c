from django.conf import settings
from django.contrib import admin
from django.templatetags.static import static
from django.urls import include, path
from django.views.generic import RedirectView

from tokens import health
from tokens.metrics import metrics


class Icon(RedirectView):
    """Where a browser shows what is no page of ours, such as JSON, it asks for this name."""

    http_method_names = ["get", "head"]

    def get_redirect_url(self, *args: object, **kwargs: object) -> str:
        return static("icon.svg")


urlpatterns = [
    path("", RedirectView.as_view(pattern_name=settings.LOGIN_REDIRECT_URL), name="home"),
    path("api/", include("tokens.api.urls")),
    path("", include("tokens.api.wellknown")),
    path("staff/", include("tokens.staff.urls")),
    path("account/", include("tokens.account.urls")),
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),
    path("favicon.ico", Icon.as_view(), name="icon"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
]

handler400 = "tokens.faults.bad_request"
handler404 = "tokens.faults.not_found"
handler500 = "tokens.faults.server_error"
