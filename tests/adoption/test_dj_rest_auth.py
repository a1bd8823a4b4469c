"""A project whose logins are those of dj-rest-auth."""

import pytest
import requests

from tests.adoption.flow import adopted, claims_of
from tests.adoption.host import PASSWORD, Host, recipe

pytestmark = pytest.mark.slow


class Project(Host):
    libraries = True
    settings = """
INSTALLED_APPS += ["dj_rest_auth", "rest_framework_simplejwt.token_blacklist"]
REST_AUTH = {"USE_JWT": True, "JWT_AUTH_HTTPONLY": False, "TOKEN_MODEL": None}
REST_FRAMEWORK["DEFAULT_AUTHENTICATION_CLASSES"] = [
    "rest_framework_simplejwt.authentication.JWTAuthentication"
]
"""
    urls = """
urlpatterns += [path("auth/", include("dj_rest_auth.urls"))]
"""
    cookie = """
REST_AUTH["JWT_AUTH_COOKIE"] = "access"
REST_FRAMEWORK["DEFAULT_AUTHENTICATION_CLASSES"].insert(0, "shop.cookies.CookieAuthentication")
"""
    refresh_path = "/auth/token/refresh/"

    def adopt(self) -> None:
        """Apply the guide, and its recipe for a token in a cookie."""
        super().adopt()
        (block,) = recipe("dj-rest-auth")
        (self.folder / "shop/cookies.py").write_text(block)
        with (self.folder / "host/settings.py").open("a") as settings:
            settings.write(self.cookie)

    def login(self) -> dict[str, str]:
        body = {"username": "ada@example.com", "password": PASSWORD}
        return self.pair("/auth/login/", body)


def test_project_with_dj_rest_auth_adopts_the_app_and_leaves_it(host):
    with adopted(host) as staff:
        browser = requests.Session()
        body = {"username": "ada@example.com", "password": PASSWORD}
        assert browser.post(f"{host.url}/auth/login/", json=body, timeout=20).status_code == 200
        sid = claims_of(browser.cookies["access"])["sid"]
        assert browser.get(f"{host.url}/api/me", timeout=20).status_code == 200
        host.revoke(staff, f"session={sid}")
        assert browser.get(f"{host.url}/api/me", timeout=20).status_code == 401
