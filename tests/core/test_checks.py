"""`manage.py check` names keys that protect nothing and settings that break an invariant."""

from datetime import timedelta

import pytest
from django.core.checks import run_checks

GOOD = "Zr8vQ2mX9kLw4TnB7cHy5JpD1sFg6AeUo3RiVtNxKb0MqWzS"


@pytest.fixture(autouse=True)
def _good_secret(settings):
    settings.SECRET_KEY = GOOD[::-1] + GOOD


def found():
    return {message.id for message in run_checks(tags=["tokens"])}


def jwt(settings, **changes):
    settings.SIMPLE_JWT = settings.SIMPLE_JWT | changes


def set_key(settings, key):
    settings.JWT_SIGNING_KEY = key
    jwt(settings, SIGNING_KEY=key)


def test_good_settings_pass():
    assert found() == set()


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("", {"tokens.E001"}),
        ("short-Zr8vQ2mX9kLw", {"tokens.E004"}),
        ("your-256-bit-secret-your-256-bit-secret", {"tokens.E005"}),
        ("a" * 64, {"tokens.E005"}),
        ("django-insecure-" + GOOD, {"tokens.E005"}),
        (GOOD, set()),
    ],
)
def test_a_signing_key_must_be_long_and_nobodys_example(settings, key, expected):
    set_key(settings, key)
    assert found() == expected


def test_a_retired_key_is_held_to_the_same(settings):
    settings.JWT_RETIRED_KEYS = ["short-Zr8vQ2mX9kLw"]
    assert found() == {"tokens.E004"}


def test_debug_lets_a_weak_key_pass_but_no_missing_or_shared_one(settings):
    settings.DEBUG = True
    set_key(settings, "short")
    assert found() == set()
    set_key(settings, settings.SECRET_KEY)
    assert found() == {"tokens.E003"}
    set_key(settings, "")
    assert found() == {"tokens.E001"}


@pytest.mark.parametrize("algorithm", ["none", "HS1", ""])
def test_an_algorithm_we_do_not_sign_with(settings, algorithm):
    jwt(settings, ALGORITHM=algorithm)
    assert "tokens.E002" in found()


def test_a_secret_where_a_private_key_belongs(settings):
    jwt(settings, ALGORITHM="RS256")
    assert "tokens.E006" in found()


def test_a_weak_secret_key(settings):
    settings.SECRET_KEY = "django-insecure-" + GOOD
    assert found() == {"tokens.E007"}


@pytest.mark.parametrize(
    "change",
    [
        {"LEEWAY": 30},
        {"JTI_CLAIM": "id"},
        {"TOKEN_TYPE_CLAIM": None},
        {"USER_ID_CLAIM": "sub"},
        {"CHECK_USER_IS_ACTIVE": False},
        {"JWK_URL": "https://example.com/jwks"},
        {"ROTATE_REFRESH_TOKENS": False},
        {"BLACKLIST_AFTER_ROTATION": False},
        {"AUTH_HEADER_NAME": "HTTP_X_TOKEN"},
        {"SIGNING_KEY": GOOD},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_setting_of_simplejwt_that_an_invariant_rests_on(settings, change):
    jwt(settings, **change)
    assert found() == {"tokens.E020"}


@pytest.mark.parametrize(
    ("access", "refresh", "session", "expected"),
    [
        (5, 7 * 1440, 30, set()),
        (0, 7 * 1440, 30, {"tokens.E030"}),
        (1440, 1440, 30, {"tokens.E030"}),
        (5, 31 * 1440, 30, {"tokens.E030"}),
    ],
)
def test_lifetimes_grow(settings, access, refresh, session, expected):
    settings.SESSION_DAYS = session
    jwt(
        settings,
        ACCESS_TOKEN_LIFETIME=timedelta(minutes=access),
        REFRESH_TOKEN_LIFETIME=timedelta(minutes=refresh),
    )
    assert found() == expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("REFRESH_GRACE_SECONDS", 61, "tokens.E031"),
        ("REFRESH_GRACE_SECONDS", -1, "tokens.E031"),
        ("LOGIN_ATTEMPTS", 0, "tokens.E032"),
        ("LOGIN_WINDOW_SECONDS", 0, "tokens.E032"),
    ],
)
def test_numbers_in_their_range(settings, name, value, expected):
    setattr(settings, name, value)
    assert found() == {expected}
