from django.contrib.auth.views import LoginView
from django.urls import reverse


class AccountLoginView(LoginView):
    """For everybody with an account; the password goes the way of every other
    (`tokens.backends`), throttle included."""

    template_name = "account/login.html"
    # Django would take a PUT for a form that was sent.
    http_method_names = ["get", "head", "post", "options"]
    redirect_authenticated_user = True

    def get_default_redirect_url(self) -> str:
        return reverse("account:sessions")
