"""A project with simplejwt's views, blacklist and rotation, and live tokens from before.

Its users have a UUID key and log in by e-mail address, and its serializer adds a claim.
"""

import pytest

from tests.adoption.flow import adopted, claims_of
from tests.adoption.host import PASSWORD, Host

pytestmark = pytest.mark.slow
CROSSED = True


class Project(Host):
    settings = """
INSTALLED_APPS += ["rest_framework_simplejwt.token_blacklist"]
AUTH_USER_MODEL = "shop.Person"
REST_FRAMEWORK["DEFAULT_AUTHENTICATION_CLASSES"] = [
    "rest_framework_simplejwt.authentication.JWTAuthentication"
]
SIMPLE_JWT |= {
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
    "TOKEN_OBTAIN_SERIALIZER": "shop.serializers.RoleSerializer",
}
"""
    models = """
import uuid

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin


class Person(AbstractBaseUser, PermissionsMixin):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    email = models.EmailField(unique=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)

    objects = BaseUserManager()

    USERNAME_FIELD = "email"
"""
    refresh_path = "/api/token/refresh/"
    urls = """
from rest_framework_simplejwt import views as simplejwt

urlpatterns += [
    path("api/token/", simplejwt.TokenObtainPairView.as_view()),
    path("api/token/refresh/", simplejwt.TokenRefreshView.as_view()),
    path("api/token/verify/", simplejwt.TokenVerifyView.as_view()),
    path("api/token/blacklist/", simplejwt.TokenBlacklistView.as_view()),
]
"""
    serializer = """
from {module} import TokenObtainPairSerializer


class RoleSerializer(TokenObtainPairSerializer):
    @classmethod
    def get_token(cls, user):
        token = super().get_token(user)
        token["role"] = "keeper"
        return token
"""

    def create(self) -> None:
        super().create()
        self._write_serializer("rest_framework_simplejwt.serializers")

    def adopt(self) -> None:
        """Apply the guide, which has the project's serializer subclass the app's."""
        self._write_serializer("tokens.simplejwt")
        super().adopt()
        settings = self.folder / "host/settings.py"
        named = '"TOKEN_OBTAIN_SERIALIZER": "shop.serializers.RoleSerializer"'
        theirs = '"TOKEN_OBTAIN_SERIALIZER": "tokens.simplejwt.TokenObtainPairSerializer"'
        settings.write_text(settings.read_text().replace(theirs, named))

    def leave(self) -> None:
        """Leave, with the project's serializer as it was."""
        super().leave()
        self._write_serializer("rest_framework_simplejwt.serializers")

    def _write_serializer(self, module: str) -> None:
        (self.folder / "shop/serializers.py").write_text(self.serializer.format(module=module))

    def login(self) -> dict[str, str]:
        return self.pair("/api/token/", {"email": "ada@example.com", "password": PASSWORD})


def test_project_with_live_tokens_adopts_the_app_and_leaves_it(host):
    with host.serving():
        stolen, ended = host.login(), host.login()
        host.post("/api/token/blacklist/", {"refresh": ended["refresh"]})

    with adopted(host) as staff:
        verified = host.post("/api/token/verify/", {"token": stolen["access"]})
        assert verified.status_code == 200
        assert host.renew(ended["refresh"]).status_code == 401
        jti = claims_of(stolen["refresh"])["jti"]
        assert f"/tokens/staff/tokens/{jti}/" in host.listed(staff, "tokens")
        host.revoke(staff, f"token={jti}")
        assert host.renew(stolen["refresh"]).status_code == 401

        new = host.login()
        renewed = host.refresh(new["refresh"])
        for access in (new["access"], renewed["access"]):
            assert claims_of(access)["role"] == "keeper"
            assert host.me(access) == 200
