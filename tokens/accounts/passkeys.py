"""Passkeys (WebAuthn), with Yubico's ``fido2``, which checks challenge, origin and signature.

A passkey belongs to the host name under which it was registered. ``state`` is what the library
needs of the first step in the second; it is kept in the browser session, and used once.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.base_user import AbstractBaseUser
from fido2.rpid import verify_rp_id
from fido2.server import Fido2Server
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    RegistrationResponse,
    UserVerificationRequirement,
)

from tokens.models import Factor

State = dict[str, Any]
# What a browser sends is much shorter.
LONGEST_RESPONSE = 16 * 1024


class PasskeyRefused(Exception):
    """Raised for a response that no known passkey has given to the options."""


def begin_registration(
    *, host: str, site: str, user: AbstractBaseUser, known: Iterable[Factor]
) -> tuple[Mapping[str, Any], State]:
    """Return the options for the browser, as JSON, and the state."""
    name = user.get_username()
    entity = PublicKeyCredentialUserEntity(id=str(user.pk).encode(), name=name, display_name=name)
    options, state = _server(host, site).register_begin(
        entity, _credentials(known), user_verification=UserVerificationRequirement.PREFERRED
    )
    return dict(options), state


def finish_registration(*, host: str, state: State, response: str) -> tuple[bytes, int]:
    """Return the public key to store, and its counter. Raises `PasskeyRefused`."""
    with _refusing():
        registration = RegistrationResponse.from_dict(_read(response))
        found = _server(host).register_complete(state, registration)
        return bytes(found.credential_data or b""), found.counter


def begin_login(*, host: str, known: Iterable[Factor]) -> tuple[Mapping[str, Any], State]:
    """Return the options for the browser, as JSON, and the state."""
    options, state = _server(host).authenticate_begin(
        _credentials(known), UserVerificationRequirement.PREFERRED
    )
    return dict(options), state


def used_factor(
    *, host: str, state: State, response: str, known: Iterable[Factor]
) -> tuple[Factor, int]:
    """Return the passkey that signed the response, and its counter. Raises `PasskeyRefused`."""
    factors = list(known)
    with _refusing():
        answer = AuthenticationResponse.from_dict(_read(response))
        used = _server(host).authenticate_complete(state, _credentials(factors), answer)
        (factor,) = [one for one in factors if bytes(one.credential) == bytes(used)]
        return factor, answer.response.authenticator_data.counter


def _server(host: str, site: str = "") -> Fido2Server:
    """Return the server for one host name. Its subdomains are other sites."""
    entity = PublicKeyCredentialRpEntity(id=host, name=site or host)
    return Fido2Server(entity, verify_origin=lambda origin: _is_of(host, origin))


def _is_of(host: str, origin: str) -> bool:
    return urlsplit(origin).hostname == host and verify_rp_id(host, origin)


def _credentials(factors: Iterable[Factor]) -> list[AttestedCredentialData]:
    """Return the stored credentials that can be read."""
    found = []
    for factor in factors:
        with suppress(PasskeyRefused), _refusing():
            found.append(AttestedCredentialData(bytes(factor.credential)))
    return found


@contextmanager
def _refusing() -> Iterator[None]:
    """Refuse what can't be read: the library's parsers raise many kinds of errors."""
    try:
        yield
    except Exception as error:
        raise PasskeyRefused from error


def _read(response: str) -> Any:
    if len(response) > LONGEST_RESPONSE:
        raise ValueError("The response is too long.")
    return json.loads(response)
