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


def hint(number):
    (message,) = (m for m in run_checks(tags=["tokens"]) if m.id == f"tokens.{number}")
    return message.hint


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
def test_signing_key_must_be_long_and_unpublished(settings, key, expected):
    set_key(settings, key)
    assert found() == expected


def test_retired_key_must_be_as_strong_as_the_signing_key(settings):
    settings.JWT_RETIRED_KEYS = ["short-Zr8vQ2mX9kLw"]
    assert found() == {"tokens.E004"}


def test_debug_allows_weak_keys_but_not_missing_or_shared_ones(settings):
    settings.DEBUG = True
    set_key(settings, "short")
    assert found() == set()
    set_key(settings, settings.SECRET_KEY)
    assert found() == {"tokens.E003"}
    set_key(settings, "")
    assert found() == {"tokens.E001"}


@pytest.mark.parametrize("algorithm", ["none", "HS1", ""])
def test_unknown_algorithm_fails_the_check(settings, algorithm):
    jwt(settings, ALGORITHM=algorithm)
    assert "tokens.E002" in found()


def test_secret_instead_of_a_private_key_fails_the_check(settings):
    jwt(settings, ALGORITHM="RS256")
    assert "tokens.E006" in found()


def test_weak_secret_key_fails_the_check(settings):
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
def test_simplejwt_setting_that_breaks_a_guarantee_fails_the_check(settings, change):
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
def test_lifetimes_that_do_not_grow_fail_the_check(settings, access, refresh, session, expected):
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
        ("MAX_SESSIONS", -1, "tokens.E035"),
        ("BROWSER_HOURS", -1, "tokens.E035"),
        ("BROWSER_IDLE_MINUTES", -1, "tokens.E035"),
        ("LOGIN_WINDOW_SECONDS", 0, "tokens.E032"),
    ],
)
def test_number_out_of_its_range_fails_the_check(settings, name, value, expected):
    setattr(settings, name, value)
    assert found() == {expected}


def test_portal_needs_an_audit_key_and_a_host_project_is_warned(settings):
    settings.AUDIT_KEY = ""
    assert found() == {"tokens.E010"}
    settings.AUDIT_KEY_REQUIRED = False
    assert found() == {"tokens.W010"}


@pytest.fixture
def host(settings):
    """Return the settings of a host project, whose weak keys are warnings."""
    settings.STRICT_CHECKS = settings.AUDIT_KEY_REQUIRED = False
    return settings


def test_hint_for_a_shared_key_keeps_users_logged_in(host):
    set_key(host, host.SECRET_KEY)
    assert "JWT_RETIRED_KEYS" in hint("W003")


def test_retired_key_that_is_the_secret_key_has_a_hint_of_its_own(host):
    host.JWT_RETIRED_KEYS = [host.SECRET_KEY]
    assert "expired" in hint("W003")


def test_hint_for_the_audit_key_names_nothing_that_a_host_project_lacks(host):
    host.AUDIT_KEY = ""
    assert "secrets.token_urlsafe" in hint("W010")
    assert "make" not in hint("W010")


@pytest.mark.parametrize(
    "change",
    [
        {"CHECK_USER_IS_ACTIVE": False},
        {"JWK_URL": "https://example.com/jwks"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_simplejwt_setting_of_a_host_project_has_a_hint(host, change):
    jwt(host, **change)
    assert hint("W020").endswith(".")


def test_browser_sessions_need_the_middleware_that_ends_them(settings):
    ours = "tokens.web.middleware.RequestContextMiddleware"
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != ours]
    assert found() == {"tokens.W060"}
    settings.MIDDLEWARE = []
    assert found() == set()


@pytest.mark.parametrize("engine", ["db", "cached_db"])
def test_engine_that_stores_the_keys_of_cookies_is_named(settings, engine):
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    assert found() == {"tokens.I061"}
    (message,) = (one.msg for one in run_checks(tags=["tokens"]))
    assert engine in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("engine", "cache", "expected"),
    [
        ("cache", "db.DatabaseCache", {"tokens.I061"}),
        ("cache", "locmem.LocMemCache", set()),
        ("signed_cookies", "db.DatabaseCache", set()),
    ],
)
def test_cache_in_the_database_stores_the_keys_of_cookies(settings, engine, cache, expected):
    settings.CACHES = {
        "default": {"BACKEND": f"django.core.cache.backends.{cache}", "LOCATION": "entries"}
    }
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    assert found() == expected
