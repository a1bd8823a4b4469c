"""Add, promote and retire the signing keys of the ring, and encrypt them again.

Each act is one transaction with its event. It locks the ring against other acts, never against
those who read it, and it can be repeated: the second time, it changes nothing.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import connection, transaction

from tokens import audit
from tokens.conf import app_settings
from tokens.db import clock
from tokens.jwt.algorithms import ALGORITHMS, Algorithm
from tokens.jwt.keys import DATABASE, JWKS_SECONDS, configured_algorithm, make_key
from tokens.jwt.signing import access_lifetime, leeway, refresh_lifetime
from tokens.keyring.following import FOLLOW_SECONDS, database_ring, retired_in_trail
from tokens.keyring.protection import NotAuthentic, protect, reveal
from tokens.listing.sessions import SessionQuery
from tokens.models import Kind, SigningKey
from tokens.models.readable import after
from tokens.models.signing_key import KeyState
from tokens.revocation import Revocation, Selection, revoke_in_batches

FOLLOW = timedelta(seconds=FOLLOW_SECONDS)


class KeyRefused(ValueError):
    """Raised if an act would fail calls, or if there is no such key; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Change:
    """Hold a key after an act, and whether the act changed anything.

    ``successor`` is the key that signs in its place, if it was the one that signed.
    """

    key: SigningKey
    changed: bool = True
    successor: SigningKey | None = None


# --- When a key may pass on.


def may_sign_from(key: SigningKey) -> datetime:
    """Return the instant from which every client has had an upcoming key in its key set."""
    return after(key.added_at, timedelta(seconds=JWKS_SECONDS) + FOLLOW)


def last_token_expires(key: SigningKey) -> datetime | None:
    """Return the instant by which every token of a key has expired; None while it may sign."""
    if key.verifying_at is None:
        return None
    longest = max(access_lifetime(), refresh_lifetime())
    return after(key.verifying_at, FOLLOW + longest + timedelta(seconds=leeway()))


def has_live_sessions(key: SigningKey) -> bool:
    """Tell whether a live session has a refresh token that a key signed."""
    return SessionQuery(signing_key=key.kid).live_sessions().exists()


# --- The acts.


@transaction.atomic
def add_key(*, algorithm: Algorithm) -> Change:
    """Add a new key. It is upcoming, or signs at once if no other key does."""
    ring = _locked_ring()
    for key in ring:
        if key.state == KeyState.UPCOMING and key.algorithm == algorithm.name:
            return Change(key, changed=False)
    return Change(_add(ring, _generate(algorithm), algorithm, KeyState.UPCOMING))


@transaction.atomic
def add_from_environment() -> list[Change]:
    """Add the keys that JWT_SIGNING_KEY and JWT_RETIRED_KEYS hold.

    JWT_SIGNING_KEY is upcoming, or signs if no other key does. The retired keys verify. Raises
    `KeyRefused` if another upcoming key has the same algorithm, and for a key that the ring has
    with another algorithm, or that can't be read.
    """
    ring, algorithm = _locked_ring(), configured_algorithm()
    changes = []
    states = {app_settings.JWT_SIGNING_KEY: KeyState.UPCOMING}
    for material in app_settings.JWT_RETIRED_KEYS:
        states.setdefault(material, KeyState.VERIFYING)
    over = retired_in_trail()
    for material, state in states.items():
        name = "JWT_SIGNING_KEY" if state == KeyState.UPCOMING else "JWT_RETIRED_KEYS"
        try:
            kid = make_key(material=material, algorithm=algorithm).kid
        except ValueError as error:
            raise KeyRefused(f"{name} holds no key for {algorithm.name}.") from error
        known = next((key for key in ring if key.kid == kid), None)
        if kid in over and state == KeyState.UPCOMING:
            raise KeyRefused(f"{name} is a retired key of the ring: set it to a new one.")
        if known is not None and known.algorithm != algorithm.name:
            raise KeyRefused(
                f"The key {kid} of {name} is {known.algorithm} in the ring: set it to a new one."
            )
        if known is None:
            if kid not in over:
                changes.append(Change(_add(ring, material, algorithm, state)))
        else:
            changes.append(Change(known, changed=False))
    return changes


@transaction.atomic
def promote_key(*, kid: str = "", at_once: bool = False) -> Change:
    """Let an upcoming key sign; the one that signed only verifies from then on.

    Without ``kid``, it is the only upcoming key. Raises `KeyRefused` before `may_sign_from`, except
    ``at_once``.
    """
    ring = _locked_ring()
    key = _named(ring, kid) if kid else _next(ring)
    if key.state == KeyState.SIGNING:
        return Change(key, changed=False)
    if key.state != KeyState.UPCOMING:
        raise KeyRefused(f"The key {key.kid} is {key.state}: only an upcoming key can be promoted.")
    if not at_once and clock.ask() < may_sign_from(key):
        raise KeyRefused(
            f"Clients may not have the key {key.kid} yet. Promote it from "
            f"{_shown(may_sign_from(key))} on, or with --now."
        )
    _promote(ring, key)
    return Change(key)


@transaction.atomic
def retire_key(*, kid: str) -> Change:
    """Retire a key that no live token needs. Raises `KeyRefused` for any other."""
    key = _named(_locked_ring(), kid)
    if key.state == KeyState.RETIRED:
        return Change(key, changed=False)
    if key.state == KeyState.SIGNING:
        raise KeyRefused(f"The key {kid} signs: promote another key first.")
    until = last_token_expires(key)
    if until is not None and clock.ask() < until:
        raise KeyRefused(
            f"Tokens of the key {kid} may be live until {_shown(until)}. Retire it then, or with "
            "--emergency, which ends them."
        )
    if has_live_sessions(key):
        raise KeyRefused(f"There are live sessions of the key {kid}; --emergency ends them.")
    _retire(key)
    return Change(key)


def retire_due_keys() -> list[SigningKey]:
    """Retire the verifying keys whose last token has expired, and return them."""
    retired = []
    for key in SigningKey.objects.filter(state=KeyState.VERIFYING).order_by("pk"):
        try:
            retired.append(retire_key(kid=key.kid).key)
        except KeyRefused:
            continue
    return retired


@transaction.atomic
def retire_in_emergency(*, kid: str, reason: str) -> Change:
    """Retire a key at once: every token that it signed is refused from now on.

    If it signs, the upcoming key that was added first takes its place, or a new one of the same
    algorithm. `end_sessions_of` ends its sessions afterwards.
    """
    ring = _locked_ring()
    key = _named(ring, kid)
    if key.state == KeyState.RETIRED:
        return Change(key, changed=False)
    signed = key.state == KeyState.SIGNING
    _retire(key, reason=reason, emergency=True)
    return Change(key, successor=_succeed(ring, key) if signed else None)


def end_sessions_of(*, kid: str, reason: str) -> Iterator[Revocation]:
    """End the live sessions whose refresh token a retired key signed, in batches that commit.

    A process that has not followed yet still signs with the key. So this waits until all have
    followed, and ends what they have signed since.
    """
    selection = Selection(matching=SessionQuery(signing_key=kid))
    yield from revoke_in_batches(selection=selection, actor=None, reason=reason)
    retired = SigningKey.objects.get(kid=kid).retired_at
    if retired is not None and (wait := retired + FOLLOW - clock.ask()) > timedelta(0):
        time.sleep(wait.total_seconds())
        yield from revoke_in_batches(selection=selection, actor=None, reason=reason)


@transaction.atomic
def encrypt_again() -> int:
    """Encrypt every key with the current SIGNING_KEYS_SECRET, and return their number.

    Raises `KeyRefused` if the row of a key that is not retired is not authentic.
    """
    ring = _locked_ring()
    for key in ring:
        _write(key, "" if key.state == KeyState.RETIRED else _material(key))
    return len(ring)


# --- Steps of an act.


def _locked_ring() -> list[SigningKey]:
    """Return the rows, which no other act can change until the end of the transaction."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE tokens_signingkey IN SHARE ROW EXCLUSIVE MODE")
    return list(SigningKey.objects.order_by("pk"))


def _named(ring: list[SigningKey], kid: str) -> SigningKey:
    for key in ring:
        if key.kid == kid:
            return key
    raise KeyRefused(f"The ring has no key {kid}.")


def _in_state(ring: list[SigningKey], state: KeyState) -> list[SigningKey]:
    return [key for key in ring if key.state == state]


def _next(ring: list[SigningKey]) -> SigningKey:
    """Return the only upcoming key, or the one that signs if none is upcoming."""
    upcoming = _in_state(ring, KeyState.UPCOMING)
    if len(upcoming) > 1:
        kids = ", ".join(f"{key.kid} ({key.algorithm})" for key in upcoming)
        raise KeyRefused(f"Name the key to promote: {kids} are upcoming.")
    if found := upcoming or _in_state(ring, KeyState.SIGNING):
        return found[0]
    raise KeyRefused("The ring has no key: add one first.")


def _material(key: SigningKey) -> str:
    command = f"signing_keys retire {key.kid} --emergency"
    if key.kid in retired_in_trail():
        raise KeyRefused(
            f"The audit trail says that the key {key.kid} was retired. Repeat: {command}"
        )
    try:
        return reveal(key)
    except NotAuthentic as error:
        raise KeyRefused(
            f"The key {key.kid} can't be decrypted: SIGNING_KEYS_SECRET is another one, or its "
            f"row was changed. If the secret is right, retire it with: {command}"
        ) from error


def _generate(algorithm: Algorithm) -> str:
    """Return a new key. A command line can name it: its id does not begin like an option."""
    while True:
        material = algorithm.generate()
        if not make_key(material=material, algorithm=algorithm).kid.startswith("-"):
            return material


def _add(
    ring: list[SigningKey], material: str, algorithm: Algorithm, state: KeyState
) -> SigningKey:
    """Write a new key. An upcoming one signs at once if no other key does.

    Raises `KeyRefused` if the key that signs can't be decrypted: the other processes, which have
    another secret, could not use the new one.
    """
    for signed in _in_state(ring, KeyState.SIGNING):
        _material(signed)
    made = make_key(material=material, algorithm=algorithm)
    if state == KeyState.UPCOMING:
        if not _in_state(ring, KeyState.SIGNING):
            state = KeyState.SIGNING
        for other in _in_state(ring, state):
            if other.algorithm == algorithm.name:
                raise KeyRefused(f"Promote or retire the upcoming key {other.kid} first.")
    key = SigningKey(
        kid=made.kid,
        algorithm=algorithm.name,
        public="" if made.jwk is None else json.dumps(dict(made.jwk), sort_keys=True),
        added_at=clock.ask(),
    )
    if state != KeyState.UPCOMING:
        _set_state(key, state, at=key.added_at)
    else:
        key.state = state
    _write(key, material)
    ring.append(key)
    _record(Kind.KEY_ADDED, key, {"state": state.value})
    return key


def _promote(ring: list[SigningKey], key: SigningKey) -> None:
    """Let a key sign, in place of the one that does."""
    material, now, before = _material(key), clock.ask(), ""
    for signed in _in_state(ring, KeyState.SIGNING):
        before, secret = signed.kid, _material(signed)
        _set_state(signed, KeyState.VERIFYING, at=now)
        _write(signed, secret)
    _set_state(key, KeyState.SIGNING, at=now)
    _write(key, material)
    _record(Kind.KEY_PROMOTED, key, {"before": before})


def _retire(key: SigningKey, *, reason: str = "", emergency: bool = False) -> None:
    """Retire a key and forget its private half."""
    _set_state(key, KeyState.RETIRED, at=clock.ask())
    _write(key, "")
    _record(Kind.KEY_RETIRED, key, {"emergency": emergency}, reason)


def _succeed(ring: list[SigningKey], retired: SigningKey) -> SigningKey:
    """Let another key sign in place of one that was retired."""
    for key in _in_state(ring, KeyState.UPCOMING):
        try:
            _promote(ring, key)
        except KeyRefused:  # its row is not authentic
            continue
        return key
    algorithm = ALGORITHMS.get(retired.algorithm) or configured_algorithm()
    return _add(ring, _generate(algorithm), algorithm, KeyState.SIGNING)


def _set_state(key: SigningKey, state: KeyState, *, at: datetime) -> None:
    key.state = state
    setattr(key, f"{state.value}_at", at)


def _write(key: SigningKey, material: str) -> None:
    """Save a row, whose columns are final, with its private key."""
    protect(key, material)
    key.save()
    transaction.on_commit(database_ring.forget)


def _record(kind: Kind, key: SigningKey, data: dict[str, object], reason: str = "") -> None:
    facts = {"kid": key.kid, "alg": key.algorithm, "ring": DATABASE, **data}
    audit.record(kind=kind, reason=reason, data=facts)


def _shown(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
