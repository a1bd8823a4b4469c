"""Check the settings when the project starts.

The checks find keys that protect nothing, and simplejwt settings that would break a guarantee.
"""

import base64
from collections.abc import Collection, Iterator
from datetime import timedelta
from importlib import import_module
from inspect import signature
from ipaddress import ip_network
from urllib.parse import urlsplit

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.conf import settings
from django.contrib.sessions.backends import cache, cached_db, db
from django.core.cache import caches
from django.core.cache.backends.db import DatabaseCache
from django.core.checks import CheckMessage, Error, Info, register
from django.core.checks import Warning as CheckWarning
from django.db import DEFAULT_DB_ALIAS, connection
from django.db import Error as DatabaseError
from django.utils.module_loading import import_string
from rest_framework_simplejwt import settings as simplejwt
from rest_framework_simplejwt.settings import DEFAULTS

from tokens.accounts import factors
from tokens.conf import AppSettings, app_settings, key_text
from tokens.db.unfinished_move import is_unfinished
from tokens.jwt.algorithms import ALGORITHMS, Algorithm
from tokens.jwt.keys import make_key
from tokens.jwt.signing import ACCESS
from tokens.jwt.strength import is_weak
from tokens.validation.legacy import transition_end

MIN_SECRET_KEY_CHARS = 50
MAX_GRACE_SECONDS = 60
CONSOLE = "django.core.mail.backends.console.EmailBackend"
SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"
SESSION_STORE = "tokens.web.session_store"
REQUEST_CONTEXT = "tokens.web.middleware.RequestContextMiddleware"


RANDOM_TEXT = (
    'what `python -c "import secrets; print(secrets.token_urlsafe(48))"` prints, kept out of '
    "version control"
)
# What replaces a key that can be guessed, or is too short.
NEW_KEY = f"Use {RANDOM_TEXT}."
# How to replace the signing key without logging anyone out.
ROTATE = (
    "Sign with a random secret of its own, and keep the old key in JWT_RETIRED_KEYS until its "
    "tokens have expired."
)


NAME_PROXY = "Name the address that requests of the proxy come from."
# Bits of a network that one operator can have: 10.0.0.0/8 and fc00::/7.
SHORTEST_PREFIX = 7
# What to do about the settings of simplejwt that are a warning in a host project.
NOT_USED = "Remove it: it has no effect."
HINTS = {
    "CHECK_USER_IS_ACTIVE": NOT_USED,
    "JWK_URL": NOT_USED,
}


def _named(variable: str, name: str) -> str:
    """Name a setting of simplejwt; the portal reads it from a variable."""
    return variable if app_settings.STRICT_CHECKS else f"SIMPLE_JWT[{name!r}]"


def _weakness(message: str, number: int, *, hint: str = "") -> CheckMessage:
    """Return an error if STRICT_CHECKS is on, and a warning otherwise."""
    if app_settings.STRICT_CHECKS:
        return Error(message, hint=hint or None, id=f"tokens.E{number:03}")
    return CheckWarning(message, hint=hint or None, id=f"tokens.W{number:03}")


@register("tokens")
def check_keys(**_: object) -> list[CheckMessage]:
    """Check SECRET_KEY and the signing keys (E001 to E007, E009).

    With DEBUG, weak keys pass and missing keys don't. Without STRICT_CHECKS, weak keys are
    warnings, and SECRET_KEY is left to Django's own check.
    """
    if not settings.SECRET_KEY or not app_settings.JWT_SIGNING_KEY:
        hint = f"Set each to {RANDOM_TEXT}."
        return [Error("SECRET_KEY and JWT_SIGNING_KEY must be set.", hint=hint, id="tokens.E001")]
    if simplejwt.api_settings.ALGORITHM not in ALGORITHMS:
        name = simplejwt.api_settings.ALGORITHM
        supported = ", ".join(ALGORITHMS)
        message = f"{_named('JWT_ALGORITHM', 'ALGORITHM')} {name!r} is not supported."
        return [Error(message, hint=f"Choose one of {supported}.", id="tokens.E002")]
    found = [*_signing_key_errors()]
    return [*found, *_secret_key_errors()] if app_settings.STRICT_CHECKS else found


def _signing_key_errors() -> Iterator[CheckMessage]:
    # A retired key still verifies, so a forger can use it like the current one.
    own = AppSettings.JWT_SIGNING_KEY.given
    name = "JWT_SIGNING_KEY" if own else "SIMPLE_JWT['SIGNING_KEY']"
    materials = [(name, app_settings.JWT_SIGNING_KEY, ROTATE)]
    materials += [
        (f"JWT_RETIRED_KEYS, entry {number},", material, "Remove it once its tokens have expired.")
        for number, material in enumerate(app_settings.JWT_RETIRED_KEYS, start=1)
    ]
    for name, material, hint in materials:
        if material == key_text(settings.SECRET_KEY):
            message = f"{name} is SECRET_KEY: a leak of one gives away the other."
            yield _weakness(message, 3, hint=hint)
        yield from _key_errors(name, material, hint, ALGORITHMS[simplejwt.api_settings.ALGORITHM])


def _key_errors(
    name: str, material: str, hint: str, algorithm: Algorithm
) -> Iterator[CheckMessage]:
    """Load a key, sign and verify with it, and measure it."""
    if algorithm.symmetric and "-----BEGIN" in material:
        message = f"{name} is a PEM key, but {algorithm.name} signs with a secret."
        yield Error(message, hint=NEW_KEY, id="tokens.E006")
        return
    try:
        bits = algorithm.bits(material.replace("\\n", "\n"))
        key = make_key(material=material, algorithm=algorithm)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        message = f"{name} is not a PEM private key for {algorithm.name}."
        advice = "Set it to the whole key, from its BEGIN line to its END line."
        yield Error(message, hint=advice, id="tokens.E006")
        return
    if bits < algorithm.minimum_bits:
        if not (settings.DEBUG and algorithm.symmetric):
            message = (
                f"{name} is shorter than the {algorithm.minimum_bits} bits that {algorithm.name} "
                "needs (RFC 7518, section 3)."
            )
            yield _weakness(message, 4, hint=hint)
        return
    if algorithm.symmetric and not settings.DEBUG and is_weak(material):
        message = f"{name} can be guessed, or is a published example."
        yield _weakness(message, 5, hint=hint)
    try:
        signed = jwt.encode({"check": name}, key.signing, algorithm=algorithm.name)
        jwt.decode(signed, key.verifying, algorithms=[algorithm.name])
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        message = f"{name} cannot sign with {algorithm.name}: {type(error).__name__}."
        yield Error(message, hint="Replace it with a key of that algorithm.", id="tokens.E009")


def _secret_key_errors() -> Iterator[CheckMessage]:
    key = key_text(settings.SECRET_KEY)
    if not settings.DEBUG and (len(key) < MIN_SECRET_KEY_CHARS or is_weak(key)):
        message = (
            f"SECRET_KEY is shorter than {MIN_SECRET_KEY_CHARS} characters, can be guessed, or is "
            "a published example."
        )
        yield Error(message, hint=NEW_KEY, id="tokens.E007")


@register("tokens")
def check_audit_keys(**_: object) -> list[CheckMessage]:
    """Check that strong keys of its own seal the audit trail (E008, and E010 or W010)."""
    keys = [("AUDIT_KEY", app_settings.AUDIT_KEY)]
    keys += [("AUDIT_RETIRED_KEYS", key) for key in app_settings.AUDIT_RETIRED_KEYS]
    found: list[CheckMessage] = [
        Error(f"{name} can be guessed.", hint=NEW_KEY, id="tokens.E008")
        for name, key in keys
        if key and not settings.DEBUG and not _is_private_key(key) and is_weak(key)
    ]
    others = {settings.SECRET_KEY, key_text(app_settings.JWT_SIGNING_KEY)}
    if app_settings.AUDIT_KEY and app_settings.AUDIT_KEY in others and not settings.DEBUG:
        message = "AUDIT_KEY is also the key that signs tokens, or SECRET_KEY."
        found.append(Error(message, hint=NEW_KEY, id="tokens.E008"))
    if not app_settings.AUDIT_KEY:
        message = "AUDIT_KEY is empty: the key that signs tokens can also forge the audit trail."
        hint = f"Set it to {RANDOM_TEXT}."
        if app_settings.AUDIT_KEY_REQUIRED:
            found.append(Error(message, hint=hint, id="tokens.E010"))
        else:
            found.append(CheckWarning(message, hint=hint, id="tokens.W010"))
    return found


def _is_private_key(text: str) -> bool:
    """Tell whether a text is a PEM private key, which sealed the trail without AUDIT_KEY."""
    try:
        load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


@register("tokens")
def check_webhook(**_: object) -> list[CheckMessage]:
    """Check the address, the secret and the format of the webhook (E040 to E042)."""
    found: list[CheckMessage] = []
    url, secret = app_settings.WEBHOOK_URL, app_settings.WEBHOOK_SECRET
    if url and not _is_web_address(url):
        message = "WEBHOOK_URL is not an http:// or https:// address."
        hint = "Set it to the address that receives the events, or leave it empty."
        found.append(Error(message, hint=hint, id="tokens.E040"))
    try:
        base64.b64decode(secret.removeprefix("whsec_") if secret.startswith("whsec_") else "")
    except ValueError:
        message = "WEBHOOK_SECRET begins with whsec_, but the rest is not base64."
        hint = "Set it to the whole secret that your receiver shows."
        found.append(Error(message, hint=hint, id="tokens.E041"))
    if app_settings.WEBHOOK_FORMAT not in ("events", "caep"):
        message = "WEBHOOK_FORMAT is neither events nor caep."
        hint = "Set it to one of the two."
        found.append(Error(message, hint=hint, id="tokens.E042"))
    return found


@register("tokens")
def check_notices(**_: object) -> list[CheckMessage]:
    """Check what mails to owners need (E043 to E045, W046)."""
    found: list[CheckMessage] = []
    url = app_settings.PORTAL_URL.rstrip("/")
    if url and not (
        _is_web_address(url) and url == "{0.scheme}://{0.netloc}".format(urlsplit(url))
    ):
        message = "PORTAL_URL is not an address without a path, such as https://portal.example.com."
        hint = "Set it to what people type to reach the site, or leave it empty."
        found.append(Error(message, hint=hint, id="tokens.E043"))
    if url and settings.EMAIL_BACKEND == CONSOLE and not settings.DEBUG:
        message = "EMAIL_BACKEND prints mails, and with them the links that end sessions."
        hint = "Set EMAIL_URL in the portal, or EMAIL_BACKEND in a project, to a mail server."
        found.append(CheckWarning(message, hint=hint, id="tokens.W046"))
    if app_settings.NOTICES_PER_DAY < 0:
        found.append(Error("NOTICES_PER_DAY must be 0 or more.", id="tokens.E044"))
    path = app_settings.NOTICE_LANGUAGE
    if path and (wrong := _function_problem(path, "user")):
        message = f"NOTICE_LANGUAGE is {path!r}, which {wrong}."
        hint = "Name a function by its path, such as accounts.models.language_of."
        found.append(Error(message, hint=hint, id="tokens.E045"))
    return found


def _is_web_address(url: str) -> bool:
    if not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


@register("tokens")
def check_proxies(**_: object) -> list[CheckMessage]:
    """Check that every trusted proxy is an address, a network or ``unix`` (E050)."""
    found: list[CheckMessage] = []
    for proxy in app_settings.TRUSTED_PROXIES:
        if proxy == "unix":
            continue
        try:
            network = ip_network(proxy, strict=False)
        except ValueError:
            message = (
                f'TRUSTED_PROXIES has {proxy[:60]!r}, which is no IP address, network or "unix".'
            )
            found.append(Error(message, hint=NAME_PROXY, id="tokens.E050"))
            continue
        if network.prefixlen < SHORTEST_PREFIX:
            message = f"TRUSTED_PROXIES has {proxy[:60]!r}: anyone could be that proxy."
            found.append(Error(message, hint=NAME_PROXY, id="tokens.E050"))
    return found


@register("tokens")
def check_simplejwt(**_: object) -> list[CheckMessage]:
    """Check the simplejwt settings on which a guarantee of the app depends (E020 to E022).

    The portal sets all of them. A project's own names of claims, header and leeway are its own.
    """
    required: dict[str, tuple[object, str]] = {
        "SIGNING_KEY": (app_settings.JWT_SIGNING_KEY, "the key is set in one place"),
    }
    for name, why in (
        ("JTI_CLAIM", "outstanding tokens are found by it"),
        ("TOKEN_TYPE_CLAIM", "without it a refresh token passes for an access token"),
    ):
        default = DEFAULTS[name]
        if app_settings.STRICT_CHECKS or not getattr(simplejwt.api_settings, name):
            required[name] = (default, why)
    if app_settings.STRICT_CHECKS:
        required |= {
            "LEEWAY": (0, "a leeway accepts expired tokens"),
            "USER_ID_CLAIM": ("user_id", "other services read the user id there"),
            "ROTATE_REFRESH_TOKENS": (True, "otherwise no reuse of a stolen token is noticed"),
            "BLACKLIST_AFTER_ROTATION": (True, "a used-up token must be recognised"),
            "AUTH_HEADER_NAME": ("HTTP_AUTHORIZATION", "tokens are read from that header only"),
        }
    wanted: dict[str, tuple[object, str]] = {
        "CHECK_USER_IS_ACTIVE": (True, "tokens of a deactivated user are always refused"),
        "JWK_URL": (None, "keys are never fetched, so it is not used"),
    }
    return [
        *(Error(message, id="tokens.E020") for _name, message in _differing(required)),
        *(_weakness(message, 20, hint=HINTS[name]) for name, message in _differing(wanted)),
        *_token_class_errors(),
    ]


def _differing(wanted: dict[str, tuple[object, str]]) -> list[tuple[str, str]]:
    """Return the names of the settings that differ, each with a message."""
    return [
        (name, f"SIMPLE_JWT[{name!r}] must be {_shown(name, value)}: {why}.")
        for name, (value, why) in wanted.items()
        if _given(name) != value
    ]


def _given(name: str) -> object:
    value = getattr(simplejwt.api_settings, name)
    return key_text(value) if name == "SIGNING_KEY" else value


def _shown(name: str, value: object) -> str:
    return "JWT_SIGNING_KEY" if name == "SIGNING_KEY" else repr(value)


def _token_class_errors() -> Iterator[CheckMessage]:
    """Find token classes whose tokens belong to no session, such as sliding tokens."""
    for token_class in simplejwt.api_settings.AUTH_TOKEN_CLASSES:
        if token_class.token_type != ACCESS:
            message = (
                f"AUTH_TOKEN_CLASSES has {token_class.__name__}: only access tokens are accepted."
            )
            hint = "Remove it: no revocation reaches sliding tokens."
            yield _weakness(message, 21, hint=hint)


@register("tokens")
def check_transition(**_: object) -> list[CheckMessage]:
    """Check that LEGACY_UNTIL is an instant and CLAIMS a function (E033, E034)."""
    found: list[CheckMessage] = []
    try:
        transition_end()
    except (ValueError, TypeError):
        message = "LEGACY_UNTIL is neither a datetime nor ISO 8601 text such as 2026-12-31."
        hint = "Write a date, or an instant with its time zone."
        found.append(Error(message, hint=hint, id="tokens.E033"))
    if app_settings.CLAIMS and (wrong := _function_problem(app_settings.CLAIMS, "user", "session")):
        message = f"CLAIMS is {app_settings.CLAIMS!r}, which {wrong}."
        hint = "Name a function by its path, such as accounts.tokens.claims."
        found.append(Error(message, hint=hint, id="tokens.E034"))
    return found


def _function_problem(path: str, *arguments: str) -> str:
    """Say why the function that a setting names can't be called; "" if it can."""
    try:
        function = import_string(path)
    except ImportError:
        function = None
    if not callable(function):
        return "is no function that can be imported"
    try:
        signature(function).bind(*arguments)
    except TypeError:
        return f"does not take a {' and a '.join(arguments)}"
    except ValueError:
        return "is no function of Python"
    return ""


@register("tokens")
def check_lifetimes(**_: object) -> list[CheckMessage]:
    """Check lifetimes, and numbers of logins and of proofs (E030 to E032, E035 to E038)."""
    access = simplejwt.api_settings.ACCESS_TOKEN_LIFETIME
    refresh = simplejwt.api_settings.REFRESH_TOKEN_LIFETIME
    found: list[CheckMessage] = []
    # Many a project has one lifetime for both.
    strict = app_settings.STRICT_CHECKS
    message = (
        f"{_named('ACCESS_TOKEN_MINUTES', 'ACCESS_TOKEN_LIFETIME')} must be "
        f"{'shorter' if strict else 'no longer'} than "
        f"{_named('REFRESH_TOKEN_DAYS', 'REFRESH_TOKEN_LIFETIME')}, and those no longer than "
        "SESSION_DAYS."
    )
    if not timedelta(0) < access <= refresh or (strict and access == refresh):
        found.append(Error(message, id="tokens.E030"))
    elif AppSettings.SESSION_DAYS.given and refresh.days > app_settings.SESSION_DAYS:
        found.append(_weakness(message, 30))
    if not 0 <= app_settings.REFRESH_GRACE_SECONDS <= MAX_GRACE_SECONDS:
        message = f"REFRESH_GRACE_SECONDS must be between 0 and {MAX_GRACE_SECONDS}."
        found.append(Error(message, id="tokens.E031"))
    if app_settings.LOGIN_ATTEMPTS < 1 or app_settings.LOGIN_WINDOW_SECONDS < 1:
        message = "LOGIN_ATTEMPTS and LOGIN_WINDOW_SECONDS must be positive."
        found.append(Error(message, id="tokens.E032"))
    found += [
        Error(f"{name} must be 0 or more.", id="tokens.E035")
        for name in ("MAX_SESSIONS", "BROWSER_HOURS", "BROWSER_IDLE_MINUTES")
        if getattr(app_settings, name) < 0
    ]
    if app_settings.STAFF_MFA not in factors.MODES:
        message = f"STAFF_MFA must be one of {', '.join(factors.MODES)}."
        found.append(Error(message, id="tokens.E036"))
    if min(app_settings.STEP_UP_OVER, app_settings.STEP_UP_MINUTES) < 0:
        message = "STEP_UP_OVER and STEP_UP_MINUTES must be 0 or more."
        found.append(Error(message, id="tokens.E037"))
    if app_settings.TWO_PERSON_OVER < 0:
        found.append(Error("TWO_PERSON_OVER must be 0 or more.", id="tokens.E038"))
    return found


@register("tokens")
def check_browser_sessions(**_: object) -> list[CheckMessage]:
    """Check that browser sessions end with their user, and that no row opens one (W060, I061)."""
    found: list[CheckMessage] = []
    if SESSIONS not in settings.MIDDLEWARE:
        return found
    if REQUEST_CONTEXT not in settings.MIDDLEWARE:
        message = f"MIDDLEWARE has no {REQUEST_CONTEXT}: browser sessions outlive a revocation."
        found.append(CheckWarning(message, hint="Add it.", id="tokens.W060"))
    if _database_holds_cookies():
        message = (
            f"SESSION_ENGINE {settings.SESSION_ENGINE} stores the keys of cookies in the database: "
            "who reads it can log in."
        )
        hint = f"Use {SESSION_STORE}, which stores a digest, and run migrate."
        found.append(Info(message, hint=hint, id="tokens.I061"))
    return found


def _database_holds_cookies() -> bool:
    """Return whether a row of the session engine, or of its cache, opens a browser session."""
    store = import_module(settings.SESSION_ENGINE).SessionStore
    if issubclass(store, cache.SessionStore | cached_db.SessionStore):
        holder = caches[settings.SESSION_CACHE_ALIAS]
        if isinstance(holder, DatabaseCache):
            return True
    digested = any(base.__module__ == SESSION_STORE for base in store.__mro__)
    return issubclass(store, db.SessionStore) and not digested


@register("tokens")
def check_move(*, databases: Collection[str] | None = None, **_: object) -> list[CheckMessage]:
    """Check that `move_database` is not still filling the database (E082).

    A database that is away is no mistake of the settings.
    """
    if DEFAULT_DB_ALIAS not in (databases or ()):
        return []
    try:
        unfinished = is_unfinished(connection)
    except DatabaseError:
        return []
    if not unfinished:
        return []
    message = "The database is the target of a move that has not ended."
    hint = (
        "Set DATABASE_URL, or DATABASES in a project, to the source again, and run move_database "
        "until it has ended."
    )
    return [Error(message, hint=hint, id="tokens.E082")]
