"""Start-up checks (`manage.py check`): keys that protect nothing, and simplejwt settings that
would break an invariant."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from rest_framework_simplejwt import settings as simplejwt_settings

from tokens.keys import is_symmetric, make_key

# RFC 7518, section 3.2: a key of the hash's own size or larger.
MIN_SECRET_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}
PUBLISHED = (
    "secret",
    "changeme",
    "change-me",
    "password",
    "your-256-bit-secret",
    "your-secret-key",
    "django-insecure",
    "insecure",
    "example",
    "a-string-secret-at-least",
)
ASYMMETRIC = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)


def _published(text: str) -> bool:
    return any(known in text.lower() for known in PUBLISHED) or len(set(text)) < 8


@register("tokens")
def keys(**_: Any) -> list[CheckMessage]:
    """E001–E006: what a key must be. Under DEBUG weak keys are let pass, missing ones never."""
    algorithm = settings.SIMPLE_JWT["ALGORITHM"]
    key = settings.JWT_SIGNING_KEY
    found: list[CheckMessage] = []
    if not settings.SECRET_KEY or not key:
        hint = "`make run` writes both into .env; docs/deploying.md says how to make them."
        return [Error("SECRET_KEY and JWT_SIGNING_KEY must be set.", hint=hint, id="tokens.E001")]
    if algorithm not in MIN_SECRET_BYTES.keys() | ASYMMETRIC:
        return [Error(f"JWT_ALGORITHM {algorithm!r} is none we sign with.", id="tokens.E002")]
    if settings.SECRET_KEY in {key, *settings.JWT_RETIRED_KEYS}:
        found.append(
            Error(
                "JWT_SIGNING_KEY is SECRET_KEY: whoever learns one forges with the other.",
                id="tokens.E003",
            )
        )
    if is_symmetric(algorithm):
        # A key that only verifies any more forges just as well.
        secrets = (key, *settings.JWT_RETIRED_KEYS)
        shortest = min(len(secret.encode()) for secret in secrets)
        if not settings.DEBUG and shortest < MIN_SECRET_BYTES[algorithm]:
            found.append(
                Error(
                    f"JWT_SIGNING_KEY or a retired key is shorter than the "
                    f"{MIN_SECRET_BYTES[algorithm]} bytes that {algorithm} needs "
                    "(RFC 7518, section 3.2).",
                    id="tokens.E004",
                )
            )
        if not settings.DEBUG and any(_published(secret) for secret in secrets):
            found.append(
                Error(
                    "JWT_SIGNING_KEY or a retired key is, or resembles, a published example.",
                    id="tokens.E005",
                )
            )
    for text in (key, *settings.JWT_RETIRED_KEYS):
        try:
            make_key(material=text, algorithm=algorithm)
        except (ValueError, TypeError, AttributeError):
            found.append(
                Error(f"A key is not a PEM private key fit for {algorithm}.", id="tokens.E006")
            )
            break
    if not settings.DEBUG and (len(settings.SECRET_KEY) < 50 or _published(settings.SECRET_KEY)):
        found.append(
            Error("SECRET_KEY is short, or resembles a published example.", id="tokens.E007")
        )
    return found


@register("tokens")
def simplejwt(**_: Any) -> list[CheckMessage]:
    """E020: simplejwt's settings that an invariant of the portal rests on."""
    required = {
        "LEEWAY": (0, "a leeway brings expired tokens back"),
        "JTI_CLAIM": ("jti", "outstanding tokens are known by it"),
        "TOKEN_TYPE_CLAIM": ("token_type", "without it a refresh token passes for an access token"),
        "USER_ID_CLAIM": ("user_id", "other services read the user there"),
        "CHECK_USER_IS_ACTIVE": (True, "a deactivated user keeps his tokens otherwise"),
        "JWK_URL": (None, "keys are never fetched"),
        "ROTATE_REFRESH_TOKENS": (True, "each refresh token is used once"),
        "BLACKLIST_AFTER_ROTATION": (True, "a used-up token must be known as such"),
        "AUTH_HEADER_NAME": ("HTTP_AUTHORIZATION", "tokens are taken from nowhere else"),
        "ALGORITHM": (settings.SIMPLE_JWT["ALGORITHM"], "it is read once, from JWT_ALGORITHM"),
        "SIGNING_KEY": (settings.JWT_SIGNING_KEY, "it is read once, from JWT_SIGNING_KEY"),
    }
    return [
        Error(f"SIMPLE_JWT[{name!r}] must be {_shown(name, value)}: {why}.", id="tokens.E020")
        for name, (value, why) in required.items()
        if getattr(simplejwt_settings.api_settings, name) != value
    ]


def _shown(name: str, value: Any) -> str:
    return "JWT_SIGNING_KEY" if name == "SIGNING_KEY" else repr(value)


@register("tokens")
def lifetimes(**_: Any) -> list[CheckMessage]:
    """E030: times in an order that makes sense."""
    access = settings.SIMPLE_JWT["ACCESS_TOKEN_LIFETIME"]
    refresh = settings.SIMPLE_JWT["REFRESH_TOKEN_LIFETIME"]
    found: list[CheckMessage] = []
    if not timedelta(0) < access < refresh or refresh.days > settings.SESSION_DAYS:
        found.append(
            Error(
                "ACCESS_TOKEN_MINUTES, REFRESH_TOKEN_DAYS and SESSION_DAYS must grow in that "
                "order.",
                id="tokens.E030",
            )
        )
    if not 0 <= settings.REFRESH_GRACE_SECONDS <= 60:
        found.append(Error("REFRESH_GRACE_SECONDS must lie between 0 and 60.", id="tokens.E031"))
    if settings.LOGIN_ATTEMPTS < 1 or settings.LOGIN_WINDOW_SECONDS < 1:
        found.append(
            Error("LOGIN_ATTEMPTS and LOGIN_WINDOW_SECONDS must be positive.", id="tokens.E032")
        )
    return found
