"""A project with allauth: its own login page, base.html, 404.html, `home`, views under /api/."""

import pytest
import requests

from tests.adoption.flow import adopted
from tests.adoption.host import PASSWORD, Host

pytestmark = pytest.mark.slow


class Project(Host):
    libraries = True
    settings = """
INSTALLED_APPS += ["allauth", "allauth.account", "allauth.headless"]
HEADLESS_TOKEN_STRATEGY = "allauth.headless.tokens.strategies.jwt.JWTTokenStrategy"
MIDDLEWARE += ["allauth.account.middleware.AccountMiddleware"]
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
LOGIN_URL = "account_login"
REST_FRAMEWORK["DEFAULT_AUTHENTICATION_CLASSES"] = [
    "rest_framework_simplejwt.authentication.JWTAuthentication"
]
"""
    views = """
from rest_framework_simplejwt.tokens import RefreshToken


class Tokens(APIView):
    permission_classes = []

    def post(self, request):
        from django.contrib.auth import authenticate

        user = authenticate(request, **request.data)
        refresh = RefreshToken.for_user(user)
        return Response({"refresh": str(refresh), "access": str(refresh.access_token)})
"""
    urls = """
from rest_framework_simplejwt.views import TokenRefreshView

urlpatterns += [
    path("accounts/", include("allauth.urls")),
    path("_allauth/", include("allauth.headless.urls")),
    path("api/tokens", views.Tokens.as_view()),
    path("api/refresh", TokenRefreshView.as_view()),
]
"""
    refresh_path = "/api/refresh"
    pages = ["/accounts/login/", "/accounts/signup/"]

    def login(self) -> dict[str, str]:
        body = {"username": "ada@example.com", "password": PASSWORD}
        return self.pair("/api/tokens", body)

    def staff(self) -> requests.Session:
        """Log in on the page of allauth, where the staff pages send a visitor."""
        browser = requests.Session()
        page = browser.get(f"{self.url}/tokens/staff/", timeout=20)
        assert page.url == f"{self.url}/accounts/login/?next=/tokens/staff/"
        sent = {
            "login": "boss@example.com",
            "password": PASSWORD,
            "csrfmiddlewaretoken": browser.cookies["csrftoken"],
            "next": "/tokens/staff/",
        }
        entered = browser.post(page.url, sent, timeout=20)
        assert entered.url == f"{self.url}/tokens/staff/", entered.text
        return browser


def test_project_with_allauth_adopts_the_app_and_leaves_it(host):
    with adopted(host):
        assert "HEADLESS_TOKEN_STRATEGY" in host.told
