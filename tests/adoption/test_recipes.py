"""The recipes of docs/adding.md, each code block applied as it is."""

import re
import textwrap
import time
from copy import copy

import pytest
import requests

from tests.adoption.flow import claims_of
from tests.adoption.host import PASSWORD, Host, recipe

pytestmark = pytest.mark.slow
ADA = {"username": "ada@example.com", "password": PASSWORD}


def indented(block: str) -> str:
    return textwrap.indent(block, " " * 8)


VIEWS = """
from django.contrib.auth import authenticate, get_user_model
from rest_framework_simplejwt.tokens import RefreshToken


class Login(APIView):
    permission_classes = []

    def post(self, request):
        user = authenticate(**request.data)
        if user is None:
            return Response(status=401)
{for_user}

class Opened(APIView):
    permission_classes = []

    def post(self, request):
        user = authenticate(**request.data)
{open_session}
        return Response({{"refresh": pair.refresh, "access": pair.access}})


class Auth(APIView):
    permission_classes = [IsAuthenticated]

    def get(self, request):
        session = request.auth.validation.session
        found = {{name: request.auth.get(name) for name in ("role", "tenant", "missing")}}
        same = request.auth["sid"] == request.auth.payload["sid"] == str(session.pk)
        return Response({{**found, "same": same}})


class Outside(APIView):
    permission_classes = []

    def post(self, request):
        text = request.data["token"]
{outside}
        return Response({{"user": user.get_username()}})


class Leave(APIView):
    permission_classes = [IsAuthenticated]

    def post(self, request):
        user = get_user_model().objects.get(username=request.data["username"])
{revoke}
        return Response()
"""


class Project(Host):
    """A service with views of its own; another one with the same tables stays on simplejwt."""

    settings = """
INSTALLED_APPS += ["rest_framework_simplejwt.token_blacklist"]
AUTH_USER_MODEL = "shop.Person"
REST_FRAMEWORK["DEFAULT_AUTHENTICATION_CLASSES"] = [
    "rest_framework_simplejwt.authentication.JWTAuthentication"
]
SIMPLE_JWT |= {"ROTATE_REFRESH_TOKENS": True, "BLACKLIST_AFTER_ROTATION": True}
"""
    models = """
from django.contrib.auth.models import AbstractUser


class Person(AbstractUser):
    role = models.CharField(max_length=20, default="keeper")
"""
    urls = """
from rest_framework_simplejwt import views as simplejwt

urlpatterns += [
    path("api/token/", simplejwt.TokenObtainPairView.as_view()),
    path("api/token/refresh/", simplejwt.TokenRefreshView.as_view()),
    path("api/login", views.Login.as_view()),
    path("api/opened", views.Opened.as_view()),
    path("api/auth", views.Auth.as_view()),
    path("api/outside", views.Outside.as_view()),
    path("api/leave", views.Leave.as_view()),
]
"""
    refresh_path = "/api/token/refresh/"

    def create(self) -> None:
        """Write the project, whose login view is the one of the guide."""
        self.for_user, self.open_session = recipe("A view of your own")
        (self.revoke_user,) = recipe("Revoking from your code")
        (self.outside,) = recipe("Tokens outside of views")
        before = "        raise NotImplementedError"
        self.views = VIEWS.format(
            for_user=indented(self.for_user), open_session=before, revoke=before, outside=before
        )
        super().create()
        for name in ("settings", "urls"):
            text = (self.folder / f"host/{name}.py").read_text()
            text = text.replace("host.urls", "host.other_urls")
            (self.folder / f"host/other_{name}.py").write_text(text)

    def adopt(self) -> None:
        """Apply the guide and its recipes to the first service."""
        super().adopt()
        views = VIEWS.format(
            for_user=indented(self.for_user),
            open_session=indented(self.open_session),
            revoke=indented(self.revoke_user),
            outside=indented(self.outside),
        )
        path = self.folder / "shop/views.py"
        path.write_text(path.read_text().replace(self.views, views))
        (claims,), (backend,) = recipe("Claims"), recipe("Settings")
        _, settings, module, function = re.split(r"^# (\S+\.py)\n", claims, flags=re.MULTILINE)[1:]
        with (self.folder / "host/settings.py").open("a") as file:
            file.write(f"{settings}\n{backend}\nLOGIN_ATTEMPTS = 2\n")
        (self.folder / module).parent.mkdir()
        (self.folder / module).write_text(function)

    def other(self) -> "Project":
        """Return the service that stays on simplejwt."""
        found = copy(self)
        found.env = {**self.env, "DJANGO_SETTINGS_MODULE": "host.other_settings"}
        return found

    def login(self) -> dict[str, str]:
        return self.pair("/api/login", ADA)


def test_code_of_the_recipes_works_as_it_is(host):
    host.adopt()
    with host.serving():
        own, opened = host.login(), host.pair("/api/opened", ADA)
        boss = host.pair("/api/login", {**ADA, "username": "boss@example.com"})
        for pair, tenant in ((own, None), (opened, "north")):
            assert auth(host, pair) == {
                "role": "keeper",
                "tenant": tenant,
                "missing": None,
                "same": True,
            }
            assert "role" not in claims_of(pair["refresh"])
        renewed = host.refresh(opened["refresh"])
        assert auth(host, renewed)["tenant"] == "north"

        outside = {"token": own["access"]}
        assert host.post("/api/outside", outside).json() == {"user": ADA["username"]}

        bearer = {"Authorization": f"Bearer {boss['access']}"}
        assert host.post("/api/leave", {"username": ADA["username"]}, **bearer).status_code == 200
        assert host.me(own["access"]) == host.me(renewed["access"]) == 401
        assert host.me(boss["access"]) == 200
        assert host.post("/api/outside", outside).status_code == 401

        wrong = {**ADA, "password": "wrong"}
        assert [host.post("/api/login", wrong).status_code for _ in range(2)] == [401, 401]
        for path in ("/api/login", "/api/opened", "/api/token/"):
            locked = host.post(path, ADA)
            assert locked.status_code == 429, path
            assert int(locked.headers["Retry-After"]) > 0
            assert "Too many attempts" in locked.json()["detail"]


def auth(host, pair):
    bearer = {"Authorization": f"Bearer {pair['access']}"}
    return requests.get(f"{host.url}/api/auth", headers=bearer, timeout=20).json()


def test_service_that_stays_on_simplejwt_shares_what_was_revoked(host):
    other = host.other()
    with other.serving():
        before = other.login()
    host.adopt()
    with host.serving(), other.serving():
        ours, theirs = host.login(), other.login()
        for pair in (before, ours, theirs):
            assert host.me(pair["access"]) == other.me(pair["access"]) == 200
        staff = host.staff()
        host.revoke(staff, f"session={claims_of(ours['access'])['sid']}")
        host.revoke(staff, f"token={claims_of(theirs['refresh'])['jti']}")
        for pair in (ours, theirs):
            assert other.renew(pair["refresh"]).status_code == 401
            assert host.renew(pair["refresh"]).status_code == 401
            # Until it expires, as the guide says.
            assert other.me(pair["access"]) == 200
        assert host.me(ours["access"]) == 401

        again = host.login()
        host.revoke(staff, f"user={host.key}")
        for pair in (before, again):
            assert other.renew(pair["refresh"]).status_code == 401
            assert host.me(pair["access"]) == 401

        # simplejwt's tokens have whole seconds: one of the revocation's second ends with it.
        time.sleep(1)
        # The app goes on with a login of the other service, but not the other way round.
        moved = other.login()
        for service in (other, host, host):
            moved = service.refresh(moved["refresh"])
            assert host.me(moved["access"]) == other.me(moved["access"]) == 200
        rotated = other.refresh(moved["refresh"])
        for pair in (moved, rotated):
            assert host.me(pair["access"]) == host.renew(pair["refresh"]).status_code == 401
        assert other.me(rotated["access"]) == 200
