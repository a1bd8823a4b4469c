from django.conf import settings
from django.contrib import admin
from django.templatetags.static import static
from django.urls import include, path
from django.views.generic import RedirectView

from portal.drain import is_draining
from tokens.web import health
from tokens.web.metrics import metrics


class Icon(RedirectView):
    """Redirect to the icon. Browsers ask for this path when they show JSON, which names none."""

    http_method_names = ["get", "head"]

    def get_redirect_url(self, *args: object, **kwargs: object) -> str:
        return static("tokens/icon.svg")


# The views that check a password, for the server, which runs them in threads of their own.
LOGINS = ("tokens_api:login", "tokens_staff:login", "tokens_account:login", "admin:login")

urlpatterns = [
    path("", RedirectView.as_view(pattern_name=settings.LOGIN_REDIRECT_URL), name="home"),
    path("api/", include("tokens.api.urls")),
    path("", include("tokens.api.jwks")),
    path("staff/", include("tokens.staff.urls")),
    path("account/", include("tokens.account.urls")),
    # The admin's own page checks the old password without the throttle.
    path(
        "admin/password_change/",
        RedirectView.as_view(
            pattern_name="tokens_account:password", http_method_names=["get", "head", "post"]
        ),
    ),
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),
    path("favicon.ico", Icon.as_view(), name="icon"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, {"is_draining": is_draining}, name="readyz"),
    path("metrics", metrics, name="metrics"),
]

handler400 = "tokens.web.errors.bad_request"
handler404 = "tokens.web.errors.not_found"
handler500 = "tokens.web.errors.server_error"
