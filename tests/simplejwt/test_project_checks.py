"""`manage.py check` in a project that used simplejwt before: its own settings are not errors."""

from datetime import timedelta

import pytest

from tests.test_checks import GOOD, found, jwt, set_key


@pytest.fixture(autouse=True)
def _good_secret(settings):
    settings.SECRET_KEY = GOOD[::-1] + GOOD


@pytest.fixture
def host(settings):
    settings.STRICT_CHECKS = False
    return settings


def test_project_may_sign_with_its_secret_key_and_is_warned(host):
    set_key(host, host.SECRET_KEY)
    assert found() == {"tokens.W003"}
    host.SECRET_KEY = "django-insecure-" + GOOD
    set_key(host, host.SECRET_KEY)
    assert found() == {"tokens.W003", "tokens.W005"}
    set_key(host, "short-Zr8vQ2mX9kLw")
    assert found() == {"tokens.W004"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"LEEWAY": 30}, set()),
        ({"JTI_CLAIM": "id", "TOKEN_TYPE_CLAIM": "kind", "USER_ID_CLAIM": "sub"}, set()),
        ({"AUTH_HEADER_NAME": "HTTP_X_TOKEN", "BLACKLIST_AFTER_ROTATION": False}, set()),
        ({"JTI_CLAIM": None}, {"tokens.E020"}),
        ({"TOKEN_TYPE_CLAIM": None}, {"tokens.E020"}),
        ({"ROTATE_REFRESH_TOKENS": False}, set()),
        ({"CHECK_USER_IS_ACTIVE": False}, {"tokens.W020"}),
        ({"JWK_URL": "https://example.com/jwks"}, {"tokens.W020"}),
        (
            {"AUTH_TOKEN_CLASSES": ["rest_framework_simplejwt.tokens.SlidingToken"]},
            {"tokens.W021"},
        ),
    ],
)
def test_simplejwt_settings_of_the_project_are_its_own(host, change, expected):
    jwt(host, **change)
    assert found() == expected


def test_long_refresh_tokens_of_the_project_are_kept(host):
    jwt(host, REFRESH_TOKEN_LIFETIME=timedelta(days=90))
    assert found() == {"tokens.W030"}
    del host.SESSION_DAYS
    assert found() == set()


@pytest.mark.parametrize(
    ("access", "expected"), [(7, set()), (8, {"tokens.E030"})], ids=["one lifetime", "longer"]
)
def test_access_tokens_of_the_project_may_last_as_long_as_its_refresh_tokens(
    host, access, expected
):
    days = timedelta(days=1)
    jwt(host, ACCESS_TOKEN_LIFETIME=access * days, REFRESH_TOKEN_LIFETIME=7 * days)
    assert found() == expected


@pytest.mark.parametrize(("until", "expected"), [("soon", {"tokens.E033"}), ("2026-12-31", set())])
def test_end_of_the_transition_must_be_an_instant(settings, until, expected):
    settings.LEGACY_UNTIL = until
    assert found() == expected


@pytest.mark.parametrize("path", ["missing", "missing.function", "tokens.conf.missing", "sys.path"])
def test_claims_must_be_a_function(settings, path):
    settings.CLAIMS = path
    assert found() == {"tokens.E034"}
