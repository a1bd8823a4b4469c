"""Make, sign and verify tokens with simplejwt's classes and PyJWT.

simplejwt makes the tokens, so their claims are the ones that every other service of the project
knows. Whatever makes a text unacceptable ends in `Unreadable`, never in another exception: plain
simplejwt responds with status 500 to several such texts.
"""

import json
import secrets
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeGuard

import jwt
from django.core.signals import setting_changed
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from jwt.algorithms import HMACAlgorithm
from jwt.exceptions import InvalidTokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken
from rest_framework_simplejwt.tokens import Token as StockToken
from rest_framework_simplejwt.utils import get_md5_hash_password

from tokens.conf import app_settings
from tokens.jwt.claims import MAX_TOKEN_CHARS, Claims, Malformed, parse
from tokens.jwt.keys import KEY_SETTINGS, Key, KeyUnavailable, key_source

if TYPE_CHECKING:
    from jwt.types import HashlibHash, Options

ACCESS = "access"
REFRESH = "refresh"
# The header parameters of our own tokens. A token with any other (jwk, jku, x5u, crit, b64, zip)
# was not written by us, so it is refused before the parameter can mean anything (RFC 8725,
# section 3).
HEADER = frozenset({"alg", "typ", "kid"})
# The media type of an access token that names its audience (RFC 9068, section 2.1).
ACCESS_TYPE = "at+jwt"
# Claims that each token gets for itself; a successor inherits all others. The claims that
# simplejwt's JTI_CLAIM and TOKEN_TYPE_CLAIM name are two more.
PER_TOKEN = frozenset({"exp", "iat", "nbf", "jti", "iss", "aud"})
# When the session of an access token was opened, to the microsecond (seconds since 1970).
OPENED = "sid_at"
# 9999-12-31: the last instant that a datetime, and so the database, can hold.
LAST_INSTANT = 253_402_300_799


class Unreadable(Exception):
    """Raised for text that is not a token of the portal.

    ``check`` names the failing check: signature, times or type. ``message`` says why.
    """

    def __init__(self, check: str, message: str | Promise | Exception) -> None:
        super().__init__(str(message))
        self.check = check
        self.message = str(message)


class UnknownKey(Unreadable):
    """Raised for a token that names a signing key that this process does not have."""


class Token(Protocol):
    """Describe the part of simplejwt's token classes that the portal uses."""

    payload: Claims
    lifetime: timedelta
    current_time: datetime

    def set_exp(self, *, from_time: datetime, lifetime: timedelta) -> None: ...
    def set_iat(self, *, at_time: datetime) -> None: ...


class Owner(Protocol):
    """Describe an account; simplejwt's USER_ID_FIELD names the attribute that identifies it."""

    pk: object
    password: str


# simplejwt ships no types, so its classes are described by what they make.
TokenClass: TypeAlias = Callable[[], Token]
STOCK_REFRESH: TokenClass = RefreshToken


# --- Make tokens. Nothing here writes to the database.


def time_ordered_id(now: datetime) -> uuid.UUID:
    """Return a UUIDv7 (RFC 9562): the milliseconds of ``now`` since 1970, and 74 random bits.

    Rows with random ids are added all over an index. Those with ids that grow are added at its
    end, so the database changes and logs a fraction of the pages.
    """
    milliseconds, random = int(now.timestamp() * 1000), secrets.randbits(74)
    version, variant, low = 7, 0b10, (1 << 62) - 1
    rest = version << 76 | random >> 62 << 64 | variant << 62 | random & low
    return uuid.UUID(int=milliseconds << 80 | rest)


def new_refresh(
    *,
    user: Owner,
    sid: uuid.UUID,
    now: datetime,
    expires_at: datetime,
    claims: Claims,
    token_class: TokenClass = STOCK_REFRESH,
) -> Token:
    """Make the first refresh token of a session, neither stored nor signed.

    It is issued ``now``, and expires at ``expires_at`` at the latest. ``token_class`` is
    simplejwt's class or a subclass with a lifetime of its own. Raises ValueError if ``claims``
    holds a claim that the portal sets itself.
    """
    refuse_reserved(claims)
    owner: Claims = {api_settings.USER_ID_CLAIM: user_id(user), "sid": str(sid)}
    owner |= _password_claim(user)
    return _fill(token_class(), {**claims, **owner}, now, expires_at)


def _password_claim(user: Owner) -> Claims:
    """Return the claim by which other services with CHECK_REVOKE_TOKEN notice a new password."""
    if not api_settings.CHECK_REVOKE_TOKEN:
        return {}
    return {api_settings.REVOKE_TOKEN_CLAIM: get_md5_hash_password(user.password)}


def new_successor(
    *,
    claims: Claims,
    user: Owner | None,
    sid: uuid.UUID,
    now: datetime,
    expires_at: datetime,
    token_class: TokenClass = STOCK_REFRESH,
) -> Token:
    """Make the refresh token that follows the one with ``claims``. It inherits custom claims.

    The hash of the user's password may have been upgraded since.
    """
    owner = {"sid": str(sid)} | (_password_claim(user) if user is not None else {})
    return _fill(token_class(), {**_inherited(claims), **owner}, now, expires_at)


def new_access(
    *,
    refresh: Token,
    sid: uuid.UUID,
    opened: datetime,
    now: datetime,
    expires_at: datetime,
    claims: Claims | None = None,
) -> Token:
    """Make the access token of a refresh token. It expires at ``expires_at`` at the latest.

    It has the claims of the refresh token, and ``claims`` instead of those with the same names.
    ``opened`` is the login, with which services compare cutoffs.
    """
    make: TokenClass = getattr(refresh, "access_token_class", AccessToken)
    not_copied = getattr(refresh, "no_copy_claims", ())
    inherited = _inherited(refresh.payload)
    copied = {name: value for name, value in inherited.items() if name not in not_copied}
    session = {"sid": str(sid), OPENED: opened.timestamp()}
    return _fill(make(), {**copied, **(claims or {}), **session}, now, expires_at)


def address(token: Token) -> None:
    """Name the subject, the issuer and the audience of a token that is about to be signed.

    Access tokens have ``sub``: the user id as text, unless the project's own claims have one. With
    JWT_AUDIENCE, refresh tokens have no ``aud``, so no service accepts one as an access token.
    """
    payload = token.payload
    is_access = type_of(payload) == ACCESS
    if is_access and (owner := payload.get(api_settings.USER_ID_CLAIM)) is not None:
        payload.setdefault("sub", str(owner))
    if api_settings.ISSUER is not None:
        payload["iss"] = api_settings.ISSUER
    if app_settings.JWT_AUDIENCE:
        audience = app_settings.JWT_AUDIENCE if is_access else None
    else:
        audience = api_settings.AUDIENCE
    if audience is not None:
        payload["aud"] = audience


def stored_refresh(*, text: str, token_class: TokenClass = STOCK_REFRESH) -> Token:
    """Make the refresh token whose header and payload were stored.

    Raises `tokens.jwt.claims.Malformed`.
    """
    token = token_class()
    token.payload = parse(text).payload
    return token


def check_usable(claims: Claims) -> None:
    """Check claims that the project made.

    Raises ValueError for a claim that the portal sets itself, and TypeError or ValueError for a
    value that is not JSON.
    """
    refuse_reserved(claims)
    json.dumps(claims, cls=api_settings.JSON_ENCODER)


def access_lifetime() -> timedelta:
    """Return simplejwt's ACCESS_TOKEN_LIFETIME."""
    lifetime: timedelta = api_settings.ACCESS_TOKEN_LIFETIME
    return lifetime


def issuer() -> str:
    """Return simplejwt's ISSUER; empty if there is none."""
    return api_settings.ISSUER or ""


def refresh_lifetime() -> timedelta:
    """Return simplejwt's REFRESH_TOKEN_LIFETIME."""
    lifetime: timedelta = api_settings.REFRESH_TOKEN_LIFETIME
    return lifetime


def refuse_reserved(claims: Claims) -> None:
    """Raise ValueError if ``claims`` holds a claim that the portal sets itself."""
    if taken := (_per_token() | {api_settings.USER_ID_CLAIM, "sid", OPENED}) & claims.keys():
        raise ValueError(f"The portal sets these claims itself: {', '.join(sorted(taken))}")


def _per_token() -> frozenset[str]:
    return PER_TOKEN | {api_settings.JTI_CLAIM, api_settings.TOKEN_TYPE_CLAIM}


def _inherited(claims: Claims) -> Claims:
    own = _per_token()
    return {name: value for name, value in claims.items() if name not in own}


def issue_at(token: Token, now: datetime) -> None:
    """Set the times of a new token. simplejwt has set them by the host's clock."""
    token.current_time = now
    token.set_exp(from_time=now, lifetime=token.lifetime)
    token.set_iat(at_time=now)


def _fill(token: Token, claims: Claims, now: datetime, expires_at: datetime) -> Token:
    issue_at(token, now)
    payload = token.payload
    # A project's own class may make ids of its own.
    if getattr(type(token), "set_jti", None) is StockToken.set_jti:
        payload[api_settings.JTI_CLAIM] = time_ordered_id(now).hex
    payload.update(claims)
    payload["exp"] = min(payload["exp"], int(expires_at.timestamp()))
    address(token)
    return token


def sign(token: Token) -> str:
    """Sign a token and return it in compact form (RFC 7515).

    Raises ValueError if the text would be longer than `parse` accepts, and
    `tokens.jwt.keys.KeyUnavailable` if no key signs.
    """
    key = key_source().ring().signing
    if key is None:
        raise KeyUnavailable("No key of the ring signs.")
    headers = {"kid": key.kid}
    if app_settings.JWT_AUDIENCE and type_of(token.payload) == ACCESS:
        headers["typ"] = ACCESS_TYPE
    signed = _pyjwt().encode(
        token.payload,
        key.signing,
        algorithm=key.algorithm.name,
        headers=headers,
        json_encoder=api_settings.JSON_ENCODER,
    )
    if len(signed) > MAX_TOKEN_CHARS:
        raise ValueError(f"The token would be {len(signed)} characters long")
    return signed


def refresh_start(*, kid: str, algorithm: str) -> str:
    """Return how every refresh token begins that a key signed: its header, and a dot."""
    header = json.dumps({"alg": algorithm, "kid": kid, "typ": "JWT"}, separators=(",", ":"))
    return urlsafe_b64encode(header.encode()).decode().rstrip("=") + "."


# --- Verify tokens.

# A client presents its access token with every call, and a signature that was valid once stays
# valid as long as its key verifies: these are the claims of verified access tokens and the ids of
# their keys, by the digest of the token's text. Nothing that can change (the time, or what
# `tokens.validation` asks) is ever taken from here.
_verified: dict[bytes, tuple[str, Claims]] = {}
VERIFIED_AT_MOST = 4096


def _forget_verified(*, setting: str, **_: object) -> None:
    if setting in KEY_SETTINGS | {"JWT_AUDIENCE"}:
        _verified.clear()


setting_changed.connect(_forget_verified)


def read(token: str) -> Claims:
    """Verify signature and form of a token, and return its claims.

    Raises `Unreadable`. `tokens.validation` decides whether the token is still accepted, and
    compares its times with the database's clock.
    """
    digest = sha256(token.encode(errors="surrogatepass")).digest()
    kid, claims = _verified.get(digest, ("", {}))
    if kid not in key_source().ring().by_kid:
        kid, claims = _verify(token)
        if type_of(claims) == ACCESS:
            if len(_verified) >= VERIFIED_AT_MOST:
                _verified.clear()
            _verified[digest] = kid, claims
    return claims.copy()


def _verify(token: str) -> tuple[str, Claims]:
    """Return the id of the key that verifies a token, and the claims."""
    try:
        parts = parse(token)
    except Malformed as error:
        raise Unreadable("signature", error) from error
    header = parts.header
    if not header.keys() <= HEADER or not isinstance(header.get("kid", ""), str):
        raise Unreadable("signature", _("The header holds parameters that we never issue."))
    key, claims = _decode(token, header, _expected_audience(parts.payload))
    _check_form(claims)
    return key.kid, claims


def _expected_audience(claims: Claims) -> object:
    """Return the audience that a token must name; None if it needs none."""
    wanted = app_settings.JWT_AUDIENCE
    if wanted and type_of(claims) == REFRESH and "aud" not in claims:
        return None
    return wanted or api_settings.AUDIENCE


def _decode(token: str, header: Claims, audience: Any) -> tuple[Key, Claims]:
    failure: Exception | None = None
    for key in _keys_for(header.get("kid")):
        try:
            claims = _pyjwt().decode(
                token,
                key.verifying,
                algorithms=[key.algorithm.name],
                audience=audience,
                issuer=api_settings.ISSUER,
                options=_options(audience),
            )
        except (InvalidTokenError, ValueError, TypeError, OverflowError, RecursionError) as error:
            failure = error
        else:
            return key, claims
    raise Unreadable("signature", _("Token is invalid")) from failure


def _keys_for(kid: str | None) -> list[Key]:
    """Return the keys that may have signed a token whose header names the key ``kid``."""
    ring = key_source().ring()
    if kid is None:
        # Another service on the same key and tables writes no key id into its tokens.
        return list(ring.by_kid.values())
    if kid not in ring.by_kid and kid not in ring.retired:
        ring = key_source().ring_with(kid)
    if kid in ring.by_kid:
        return [ring.by_kid[kid]]
    if kid in ring.retired:
        raise Unreadable("signature", _("The key that its header names is retired."))
    raise UnknownKey("signature", _("The portal has no key with the id in its header."))


def leeway() -> float:
    """Return simplejwt's LEEWAY in seconds."""
    given: timedelta | float | None = api_settings.LEEWAY
    if given is None:
        return 0
    return given.total_seconds() if isinstance(given, timedelta) else given


def _options(audience: object) -> "Options":
    required = ["exp", api_settings.JTI_CLAIM]
    if api_settings.ISSUER is not None:
        required.append("iss")
    if audience is not None:
        required.append("aud")
    return {
        "require": required,
        "verify_aud": audience is not None,
        # By the host's clock. `is_expired` and `is_early` decide by the database's.
        "verify_exp": False,
        "verify_nbf": False,
        "verify_iat": False,
    }


def _check_form(claims: Claims) -> None:
    """Check the types of the claims: another service may sign with the same key."""
    for name in ("exp", "iat", "nbf"):
        if not _is_instant(claims.get(name, 0)):
            raise Unreadable("times", _("Token is invalid"))
    # A clock may have been ahead when the token was issued, but not by a whole lifetime.
    if claims.get("iat", 0) > claims["exp"]:
        raise Unreadable("times", _("Token is invalid"))
    jti = claims[api_settings.JTI_CLAIM]
    if not isinstance(jti, str) or not 0 < len(jti) <= 255 or not jti.isprintable():
        raise Unreadable("type", _("Token has no usable id"))
    # Compared with a tuple, because the claim may be a list, which is in no set.
    if type_of(claims) not in (ACCESS, REFRESH):
        raise Unreadable("type", _("Token has wrong type"))


class _CachedKeyHMAC(HMACAlgorithm):
    """Verify with HMAC, and examine each key once.

    PyJWT examines with every token whether the secret is a public key or a JWK by mistake, which
    takes as long as the signature.
    """

    def __init__(self, hash_alg: "HashlibHash") -> None:
        super().__init__(hash_alg)
        self.prepare_key = lru_cache(maxsize=16)(super().prepare_key)  # type: ignore[method-assign]


@lru_cache(maxsize=1)
def _pyjwt() -> jwt.PyJWT:
    signatures = jwt.PyJWS()
    for bits in ("256", "384", "512"):
        signatures.unregister_algorithm(f"HS{bits}")
        digest = getattr(HMACAlgorithm, f"SHA{bits}")
        signatures.register_algorithm(f"HS{bits}", _CachedKeyHMAC(digest))
    library = jwt.PyJWT()
    library._jws = signatures
    return library


# --- Interpret claims.


def is_expired(claims: Claims, now: datetime) -> bool:
    """Tell whether a token is expired."""
    return _seconds(claims, "exp") <= now.timestamp() - leeway()


def is_early(claims: Claims, now: datetime) -> bool:
    """Tell whether a token is not valid yet (``nbf``)."""
    return _seconds(claims, "nbf") > now.timestamp() + leeway()


def _seconds(claims: Claims, name: str) -> int:
    """Return a NumericDate claim; 0 if it is missing, or is no instant in a stored token."""
    value = claims.get(name)
    return int(value) if _is_instant(value) else 0


def jti_of(claims: Claims) -> str:
    """Return the id of a token that `read` has accepted."""
    jti: str = claims[api_settings.JTI_CLAIM]
    return jti


def type_of(claims: Claims) -> object:
    """Return the type of a token: ``access`` or ``refresh`` if `read` has accepted it."""
    return claims.get(api_settings.TOKEN_TYPE_CLAIM)


def session_id(claims: Claims) -> uuid.UUID | None:
    """Return the ``sid`` claim; None if it is missing or not a UUID."""
    value = claims.get("sid")
    try:
        return uuid.UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def speaks_for(claims: Claims, user: Owner) -> bool:
    """Tell whether the ``user_id`` claim names ``user``, as text or as a number."""
    value = claims.get(api_settings.USER_ID_CLAIM)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return False
    return str(value) == user_id(user)


def owner_lookup(claims: Claims) -> dict[str, int | str] | None:
    """Return the lookup of the account that a token names; None if it names none."""
    value = claims.get(api_settings.USER_ID_CLAIM)
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    return {api_settings.USER_ID_FIELD: value}


def simplejwt_records_successors() -> bool:
    """Tell whether simplejwt records the refresh token that its own rotation issues."""
    return hasattr(RefreshToken, "outstand")


def has_password_claim(claims: Claims, user: Owner) -> bool:
    """Tell whether simplejwt's CHECK_REVOKE_TOKEN is off, or its claim fits the user's password."""
    if not api_settings.CHECK_REVOKE_TOKEN:
        return True
    return bool(claims.get(api_settings.REVOKE_TOKEN_CLAIM) == get_md5_hash_password(user.password))


def passes_rule(user: Owner) -> bool:
    """Tell whether simplejwt's USER_AUTHENTICATION_RULE lets the user log in and refresh."""
    return bool(api_settings.USER_AUTHENTICATION_RULE(user))


def datetime_claim(claims: Claims, name: str) -> datetime | None:
    """Return a NumericDate claim as a datetime in UTC; None if it is missing or out of range."""
    value = claims.get(name)
    return datetime.fromtimestamp(value, UTC) if _is_instant(value) else None


def _is_instant(value: object) -> TypeGuard[float]:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and 0 <= value <= LAST_INSTANT
    )


def names_primary_key(key: str) -> bool:
    """Tell whether tokens name an account by its primary key, which is named ``key``."""
    return api_settings.USER_ID_FIELD in ("pk", key)


def user_id(user: Owner) -> str:
    """Return what the user id claim and ``sub`` name the account by."""
    return str(getattr(user, api_settings.USER_ID_FIELD))
