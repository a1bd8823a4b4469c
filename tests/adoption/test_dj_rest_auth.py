"""A project whose logins are those of dj-rest-auth."""

import pytest

from tests.adoption.flow import adopted
from tests.adoption.host import PASSWORD, Host

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
    refresh_path = "/auth/token/refresh/"

    def login(self) -> dict[str, str]:
        body = {"username": "ada@example.com", "password": PASSWORD}
        return self.pair("/auth/login/", body)


def test_project_with_dj_rest_auth_adopts_the_app_and_leaves_it(host):
    with adopted(host):
        pass
