from django.contrib.auth.views import LoginView
from django.urls import reverse


class StaffLoginView(LoginView):
    """Django's own login (it changes the session's key, and checks ``next``), through the
    throttle in `tokens.backends`."""

    template_name = "staff/login.html"
    # Django would take a PUT for a form that was sent.
    http_method_names = ["get", "head", "post", "options"]

    def get_default_redirect_url(self) -> str:
        if self.request.user.is_authenticated and not self.request.user.is_staff:
            return reverse("account:sessions")
        return super().get_default_redirect_url()
