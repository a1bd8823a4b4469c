"""Settings of a project in SIMPLE_JWT go on working from login to logout."""

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import RefreshToken
from rest_framework_simplejwt.utils import get_md5_hash_password

from tests.support.users import PASSWORD
from tokens.jwt.claims import parse

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.simplejwt.host")]


@pytest.fixture
def post(api):
    return lambda path, **body: api.post(path, body, format="json")


def who(api, access):
    return api.get("/who/", headers={"authorization": f"Bearer {access}"}).status_code


@pytest.mark.parametrize(
    "given",
    [
        {"UPDATE_LAST_LOGIN": True},
        {"CHECK_REVOKE_TOKEN": True, "REVOKE_TOKEN_CLAIM": "pw"},
        {"AUDIENCE": ["app", "shop"], "ISSUER": "https://app"},
        {"ROTATE_REFRESH_TOKENS": False, "BLACKLIST_AFTER_ROTATION": True},
        {"ROTATE_REFRESH_TOKENS": True, "BLACKLIST_AFTER_ROTATION": False},
        {"CHECK_USER_IS_ACTIVE": False},
    ],
    ids=lambda given: " ".join(given),
)
def test_setting_of_the_project_works_from_login_to_logout(api, post, alice, monkeypatch, given):
    for name, value in given.items():
        monkeypatch.setattr(api_settings, name, value)
    first = post("/jwt/", username="alice", password=PASSWORD).json()
    second = {**first, **post("/jwt/refresh/", refresh=first["refresh"]).json()}
    for pair in (first, second):
        assert who(api, pair["access"]) == 200
        for token in (pair["access"], second["refresh"]):
            assert post("/jwt/verify/", token=token).status_code == 200
    assert (User.objects.get().last_login is not None) is ("UPDATE_LAST_LOGIN" in given)
    assert post("/jwt/blacklist/", refresh=second["refresh"]).status_code == 200
    assert who(api, first["access"]) == who(api, second["access"]) == 401
    assert post("/jwt/refresh/", refresh=second["refresh"]).status_code == 401


def test_successor_has_the_claim_of_an_upgraded_hash(post, alice, settings, monkeypatch):
    """Other services of the project compare the claim with the stored hash."""
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
    monkeypatch.setattr(api_settings, "CHECK_REVOKE_TOKEN", True)
    User.objects.update(password=make_password(PASSWORD, hasher="pbkdf2_sha1"))
    refresh = str(RefreshToken.for_user(User.objects.get()))
    post("/jwt/", username="alice", password=PASSWORD)
    current = get_md5_hash_password(User.objects.get().password)
    assert parse(refresh).payload[api_settings.REVOKE_TOKEN_CLAIM] != current
    for token in post("/jwt/refresh/", refresh=refresh).json().values():
        assert parse(token).payload[api_settings.REVOKE_TOKEN_CLAIM] == current
