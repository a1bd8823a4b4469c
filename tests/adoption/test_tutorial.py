"""A project as in the tutorials: a login view that calls `RefreshToken.for_user`, and no more."""

import pytest
import requests

from tests.adoption.flow import adopted, claims_of
from tests.adoption.host import PASSWORD, Host

pytestmark = pytest.mark.slow


class Project(Host):
    settings = """
del PASSWORD_HASHERS  # Django's own
REST_FRAMEWORK["DEFAULT_AUTHENTICATION_CLASSES"] = [
    "rest_framework_simplejwt.authentication.JWTAuthentication"
]
"""
    views = """
from django.contrib.auth import authenticate
from rest_framework_simplejwt.tokens import RefreshToken


class Login(APIView):
    permission_classes = []

    def post(self, request):
        user = authenticate(username=request.data["username"], password=request.data["password"])
        if user is None:
            return Response({"detail": "No."}, status=401)
        refresh = RefreshToken.for_user(user)
        return Response({"refresh": str(refresh), "access": str(refresh.access_token)})
"""
    urls = """
urlpatterns += [path("api/login", views.Login.as_view())]
"""

    # Of the app: the project has no view that refreshes.
    refresh_path = "/tokens/api/refresh"

    def login(self) -> dict[str, str]:
        body = {"username": "ada@example.com", "password": PASSWORD}
        return self.pair("/api/login", body)


def test_tutorial_project_adopts_the_app_and_leaves_it(host):
    with adopted(host):
        new = host.login()
        sessions = f"{host.url}/tokens/api/sessions"
        bearer = {"Authorization": f"Bearer {new['access']}"}
        listed = requests.get(sessions, headers=bearer, timeout=20).json()["results"]
        assert claims_of(new["access"])["sid"] in {own["id"] for own in listed}

        outdated = session_with_an_outdated_hash(host)
        assert host.me(outdated) == 200
        host.login()
        assert host.me(outdated) == 200
        assert "\nquickstart\n" not in host.manage("help", "--commands")
    assert "tokens" not in host.manage("showmigrations")
    host.manage("remove_stale_contenttypes", "--include-stale-apps", "--noinput")
    assert (
        host.shell("""
        from django.contrib.contenttypes.models import ContentType
        print(ContentType.objects.filter(app_label="tokens").count())
    """).split()[-1]
        == "0"
    )


def session_with_an_outdated_hash(host):
    """Open a session of Ada, whose hash is from an earlier Django; return the access token."""
    return host.shell(f"""
        from django.contrib.auth.hashers import PBKDF2PasswordHasher
        from django.contrib.auth.models import User
        from rest_framework_simplejwt.tokens import RefreshToken
        ada = User.objects.get(username="ada@example.com")
        ada.password = PBKDF2PasswordHasher().encode({PASSWORD!r}, "salt", iterations=1000)
        User.objects.filter(pk=ada.pk).update(password=ada.password)
        print(RefreshToken.for_user(ada).access_token)
    """).split()[-1]
