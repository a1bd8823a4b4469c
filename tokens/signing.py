"""simplejwt's tokens, as this portal issues and reads them.

One of the few modules that import simplejwt. Its classes make and check the tokens; what they
leave open is closed here: every way in which text can fail to be one of our tokens ends in
`Unreadable`, never in another exception (plain simplejwt answers 500 to several).
"""

import time
import uuid
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any

import jwt
from django.core.signals import setting_changed
from django.utils.translation import gettext_lazy as _
from jwt.algorithms import HMACAlgorithm
from jwt.exceptions import ExpiredSignatureError, ImmatureSignatureError, InvalidTokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken
from rest_framework_simplejwt.tokens import Token as Token

from tokens.claims import MAX_TOKEN_CHARS, Malformed, parse, redact
from tokens.keys import key_ring

ACCESS = "access"
REFRESH = "refresh"
# All that our own headers hold. Anything else (jwk, jku, x5u, crit, b64, zip …) was not
# written by us, so it is refused before it can mean anything (RFC 8725, section 3).
HEADER = frozenset({"alg", "typ", "kid"})
# Claims that are each token's own; a successor gets new ones.
OWN = frozenset({"exp", "iat", "nbf", "jti", "token_type", "iss", "aud"})
RESERVED = OWN | {"user_id", "sid"}
# 9999-12-31: the last instant that a datetime, and so the database, can hold.
LAST_INSTANT = 253_402_300_799


class Unreadable(Exception):
    """The text is not a token of ours. ``check`` is the check that fails (signature, times or
    type); the message says why, in words for a person."""

    def __init__(self, check: str, message: Any) -> None:
        super().__init__(str(message))
        self.check = check
        self.message = str(message)


class PortalAccessToken(AccessToken):  # type: ignore[misc]  # simplejwt ships no types
    """An access token; nothing here writes to the database."""


class PortalRefreshToken(RefreshToken):  # type: ignore[misc]
    access_token_class = PortalAccessToken


def new_refresh(
    *, user: Any, sid: uuid.UUID, expires_at: datetime, claims: dict[str, Any]
) -> Token:
    """A refresh token of ``user`` that has been neither stored nor signed. Raises ValueError
    for a custom claim that is the portal's own."""
    if taken := RESERVED & claims.keys():
        raise ValueError(f"These claims are the portal's own: {', '.join(sorted(taken))}")
    owner = {
        api_settings.USER_ID_CLAIM: str(getattr(user, api_settings.USER_ID_FIELD)),
        "sid": str(sid),
    }
    return _fill(PortalRefreshToken(), {**claims, **owner}, expires_at)


def successor(*, claims: dict[str, Any], expires_at: datetime) -> Token:
    """The next refresh token of the session of ``claims``: custom claims go along."""
    return _fill(PortalRefreshToken(), _lasting(claims), expires_at)


def access_for(*, refresh: Token, expires_at: datetime) -> Token:
    """The access token that goes with ``refresh``; it never outlives ``expires_at``."""
    return _fill(PortalAccessToken(), _lasting(refresh.payload), expires_at)


def stored(*, text: str) -> Token:
    """A refresh token as it was issued, from what was kept of it; raises
    `tokens.claims.Malformed`."""
    token = PortalRefreshToken()
    token.payload = parse(text).payload
    return token


def _lasting(claims: dict[str, Any]) -> dict[str, Any]:
    """The claims that a token hands on: all but those that are its own."""
    return {name: value for name, value in claims.items() if name not in OWN}


def _fill(token: Token, claims: dict[str, Any], expires_at: datetime) -> Token:
    token.payload.update(claims)
    token.payload["exp"] = min(token.payload["exp"], int(expires_at.timestamp()))
    if api_settings.ISSUER is not None:
        token.payload["iss"] = api_settings.ISSUER
    if api_settings.AUDIENCE is not None:
        token.payload["aud"] = api_settings.AUDIENCE
    return token


def sign(token: Token) -> str:
    """The token as a client gets it (RFC 7515, compact form). Raises ValueError where it would be
    too long to be read again."""
    ring = key_ring()
    signed = _jwt().encode(
        token.payload,
        ring.current.signing,
        algorithm=ring.algorithm,
        headers={"kid": ring.current.kid},
    )
    if len(signed) > MAX_TOKEN_CHARS:
        raise ValueError(f"The token would be {len(signed)} characters long")
    return signed


def at_rest(signed: str) -> str:
    """What may be stored of a token: header and payload, without the signature."""
    return redact(signed)


# Access tokens come again with every call of their client, and a signature that was good once
# stays so: by the digest of the token's text, the claims of those that have been checked. What
# can change (the time, and all that `tokens.verdict` asks) is never answered from here.
_checked: dict[bytes, dict[str, Any]] = {}
CHECKED_AT_MOST = 4096


def _forget(*, setting: str, **_: Any) -> None:
    if setting in {"SIMPLE_JWT", "JWT_SIGNING_KEY", "JWT_RETIRED_KEYS"}:
        _checked.clear()


setting_changed.connect(_forget)


def read(token: str) -> dict[str, Any]:
    """The claims of a token that was signed by us and is in time; raises `Unreadable`.

    Whether it is still good is for `tokens.verdict` to say.
    """
    digest = sha256(token.encode(errors="surrogatepass")).digest()
    claims = _checked.get(digest)
    if claims is None:
        claims = _check(token)
        if claims[api_settings.TOKEN_TYPE_CLAIM] == ACCESS:
            if len(_checked) >= CHECKED_AT_MOST:
                _checked.clear()
            _checked[digest] = claims
    elif int(claims["exp"]) <= time.time():
        raise Unreadable("times", _("Token is expired"))
    return claims.copy()


def _check(token: str) -> dict[str, Any]:
    try:
        header = parse(token).header
    except Malformed as error:
        raise Unreadable("signature", error) from error
    if not header.keys() <= HEADER or not isinstance(header.get("kid", ""), str):
        raise Unreadable("signature", _("The header holds parameters that we never issue."))
    return _sane(_decode(token, header))


def _decode(token: str, header: dict[str, Any]) -> dict[str, Any]:
    ring = key_ring()
    kid = header.get("kid")
    if kid is None:
        # A token of another service on the same key and tables: it knows of no key ids.
        keys = list(ring.by_kid.values())
    elif kid in ring.by_kid:
        keys = [ring.by_kid[kid]]
    else:
        raise Unreadable("signature", _("The key it names is not one of ours."))
    failure: Exception | None = None
    for key in keys:
        try:
            return _jwt().decode(
                token,
                key.verifying,
                algorithms=[ring.algorithm],
                audience=api_settings.AUDIENCE,
                issuer=api_settings.ISSUER,
                leeway=0,
                options=_options(),
            )
        except ExpiredSignatureError as error:
            raise Unreadable("times", _("Token is expired")) from error
        except ImmatureSignatureError as error:
            raise Unreadable("times", _("Token is not yet valid")) from error
        except (InvalidTokenError, ValueError, TypeError, OverflowError, RecursionError) as error:
            failure = error
    raise Unreadable("signature", _("Token is invalid")) from failure


def _options() -> Any:
    required = ["exp", "jti"]
    if api_settings.ISSUER is not None:
        required.append("iss")
    if api_settings.AUDIENCE is not None:
        required.append("aud")
    return {"require": required, "verify_aud": api_settings.AUDIENCE is not None}


class _ExaminedOnce(HMACAlgorithm):
    """HMAC, its key examined once. PyJWT asks with each token whether a secret is not rather a
    public key or a JWK, which takes as long as the signature."""

    def __init__(self, hash_alg: Any) -> None:
        super().__init__(hash_alg)
        self.prepare_key = lru_cache(maxsize=16)(super().prepare_key)  # type: ignore[method-assign]


@lru_cache(maxsize=1)
def _jwt() -> jwt.PyJWT:
    signatures = jwt.PyJWS()
    for bits in ("256", "384", "512"):
        signatures.unregister_algorithm(f"HS{bits}")
        digest = getattr(HMACAlgorithm, f"SHA{bits}")
        signatures.register_algorithm(f"HS{bits}", _ExaminedOnce(digest))
    ours = jwt.PyJWT()
    ours._jws = signatures
    return ours


def _sane(claims: dict[str, Any]) -> dict[str, Any]:
    """Correctly signed is not yet sane: another service may hold the key too."""
    for name in ("exp", "iat", "nbf"):
        value = claims.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Unreadable("times", _("Token is invalid"))
        if not 0 <= value <= LAST_INSTANT:
            raise Unreadable("times", _("Token is invalid"))
    jti = claims["jti"]
    if not isinstance(jti, str) or not 0 < len(jti) <= 255 or not jti.isprintable():
        raise Unreadable("type", _("Token has no usable id"))
    # A tuple: what is compared may be a list, which no set takes.
    if claims.get(api_settings.TOKEN_TYPE_CLAIM) not in (ACCESS, REFRESH):
        raise Unreadable("type", _("Token has wrong type"))
    return claims


def session_id(claims: dict[str, Any]) -> uuid.UUID | None:
    """The ``sid`` claim, or None where it is missing or no UUID."""
    value = claims.get("sid")
    try:
        return uuid.UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def speaks_for(claims: dict[str, Any], user: Any) -> bool:
    """Whether the ``user_id`` claim names ``user``, whatever type another issuer gave it."""
    value = claims.get(api_settings.USER_ID_CLAIM)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return False
    return str(value) == str(getattr(user, api_settings.USER_ID_FIELD))


def instant(claims: dict[str, Any], name: str) -> datetime | None:
    """A NumericDate claim (seconds since 1970, RFC 7519 section 2) as a datetime in UTC."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not 0 <= value <= LAST_INSTANT:
        return None
    return datetime.fromtimestamp(value, UTC)
