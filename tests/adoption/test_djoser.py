"""A project whose logins are those of djoser, with a refresh view of its own, in transactions."""

import pytest

from tests.adoption.flow import adopted
from tests.adoption.host import PASSWORD, Host

pytestmark = pytest.mark.slow


class Project(Host):
    libraries = True
    settings = """
INSTALLED_APPS += ["djoser"]
DATABASES["default"]["ATOMIC_REQUESTS"] = True
REFRESH_GRACE_SECONDS = 0
SIMPLE_JWT |= {"ROTATE_REFRESH_TOKENS": True}
REST_FRAMEWORK["DEFAULT_AUTHENTICATION_CLASSES"] = [
    "rest_framework_simplejwt.authentication.JWTAuthentication"
]
"""
    views = """
from rest_framework_simplejwt.exceptions import InvalidToken, TokenError
from rest_framework_simplejwt.serializers import TokenRefreshSerializer


class Renew(APIView):
    permission_classes = []

    def post(self, request):
        serializer = TokenRefreshSerializer(data=request.data)
        try:
            serializer.is_valid(raise_exception=True)
        except TokenError as refused:
            raise InvalidToken(refused.args[0])
        return Response(serializer.validated_data)
"""
    urls = """
urlpatterns += [
    path("api/renew", views.Renew.as_view()),
    path("auth/", include("djoser.urls")), path("auth/", include("djoser.urls.jwt"))
]
"""
    refresh_path = "/auth/jwt/refresh/"

    def login(self) -> dict[str, str]:
        body = {"username": "ada@example.com", "password": PASSWORD}
        return self.pair("/auth/jwt/create/", body)


def test_project_with_djoser_adopts_the_app_and_leaves_it(host):
    with adopted(host):
        assert "tokens.W074" in host.told
        stolen = host.login()
        renewed = host.post("/api/renew", {"refresh": stolen["refresh"]}).json()
        assert host.me(renewed["access"]) == 200
        # The 401 rolls the view back, but not the end of the session.
        again = host.post("/api/renew", {"refresh": stolen["refresh"]})
        assert again.status_code == host.me(renewed["access"]) == 401
