"""Passwords: checked, throttled, and upgraded to the current hasher.

Every road to a password (API, admin, staff pages, any caller of `authenticate`) comes through
`tokens.backends`, and so through here. Attempts are counted before the password is looked at, in
the database, by one atomic statement for each counter: twenty at once cannot share a place.

Two things are counted (OWASP ASVS 2.2.1): the address, and the account. A stranger who hammers
on an account locks it for strangers only: an address from which the account has logged in
before has a counter of its own, so its owner always has a way in.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_network
from math import ceil
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import check_password, make_password
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from tokens import audit
from tokens.models import Kind, LoginThrottle, Session
from tokens.origin import current_origin
from tokens.selectors.standing import password_mark

# How long an address counts as the account's own after its last login there.
KNOWN = timedelta(days=90)
# One address may serve many people: an office, a campus.
ADDRESS_FACTOR = 10


class LoginLocked(Exception):
    """Too many attempts. ``retry_after`` is in whole seconds. It is raised alike for accounts
    that exist and for those that do not."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Too many attempts; try again in {retry_after} s")
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Places:
    """The counters that an attempt took a place at; ``known`` whether the account has logged
    in from this address before."""

    account: str
    address: str | None
    known: bool


def check(*, user: Any | None, username: str, password: str) -> bool:
    """Whether ``password`` opens ``user``'s account (None: there is none). Raises `LoginLocked`.

    The counters move before the password is looked at, and a refusal is written down before
    the answer is known outside. The hasher runs once whether or not there is an account, so
    that time does not tell them apart.
    """
    places = _reserve(username)
    if user is None:
        make_password(password)
        matches = False
    else:
        matches = _matches(user, password)
    if matches and user is not None and user.is_active:
        _release(username, places)
        return True
    audit.record(
        kind=Kind.LOGIN_REFUSED,
        subject=user,
        subject_name=username,
        reason=_why(user, matches),
    )
    return False


def _matches(user: Any, raw: str) -> bool:
    """Whether ``raw`` is the password now: where it was changed at this very moment, or another
    login upgraded its hasher first, what stands there by then is what counts."""
    upgraded: list[bool] = []
    matches = check_password(raw, user.password, lambda raw: upgraded.append(_upgrade(user, raw)))
    if matches and upgraded == [False]:
        user.refresh_from_db(fields=["password"])
        return check_password(raw, user.password)
    return matches


def _why(user: Any | None, matches: bool) -> str:
    if user is None:
        return "unknown user"
    return "inactive user" if matches else "wrong password"


def unlock(*, username: str, actor: Any | None, reason: str) -> bool:
    """Lift the account's lock; false where there was none. Addresses are not lifted."""
    with transaction.atomic():
        lifted, _ = LoginThrottle.objects.filter(key=_key("account", username)).delete()
        if lifted:
            audit.record(
                kind=Kind.LOGIN_UNLOCKED, actor=actor, subject_name=username, reason=reason
            )
        return bool(lifted)


def _upgrade(user: Any, raw: str) -> bool:
    """A better hasher, the same password: not a password change, so nothing ends by it, and no
    signal is sent. False, and nothing done, where somebody else was faster."""
    before, mark = user.password, password_mark(user)
    user.password = make_password(raw)
    account = type(user)._default_manager.filter(pk=user.pk, password=before)
    with transaction.atomic():
        if not account.update(password=user.password):
            return False
        Session.objects.filter(user=user, password_mark=mark).update(
            password_mark=password_mark(user)
        )
    return True


def _reserve(username: str) -> Places:
    """Take a place at each counter that applies, or raise `LoginLocked`."""
    now = timezone.now()
    ip = _network(current_origin().ip)
    seen = LoginThrottle.objects.filter(key=_key("known", username, ip or ""), resets_at__gt=now)
    known = ip is not None and seen.exists()
    account = _key("own", username, ip or "") if known else _key("account", username)
    address = _key("address", ip) if ip else None
    _take(account, settings.LOGIN_ATTEMPTS, username, "account", now)
    if address:
        _take(address, settings.LOGIN_ATTEMPTS * ADDRESS_FACTOR, username, "address", now)
    return Places(account, address, known)


def _take(key: str, limit: int, username: str, scope: str, now: datetime) -> None:
    """Add one to a counter, from one anew where its window has ended; raises `LoginLocked` over
    the limit."""
    # The event and the counter move together: a lock that could not be written down is tried
    # again by the next attempt, which finds the counter where it was.
    with transaction.atomic():
        attempts = _count(key, now)
        if attempts == limit + 1:
            audit.record(
                kind=Kind.LOGIN_LOCKED,
                subject_name=username,
                reason="too many attempts",
                data={"by": scope},
            )
    if attempts > limit:
        ends = LoginThrottle.objects.filter(pk=key).values_list("resets_at", flat=True).first()
        raise LoginLocked(max(1, ceil(((ends or now) - now).total_seconds())))


def _count(key: str, now: datetime) -> int:
    window = now + timedelta(seconds=settings.LOGIN_WINDOW_SECONDS)
    adapt = connection.ops.adapt_datetimefield_value
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {_table()} AS t (key, attempts, resets_at) VALUES (%s, 1, %s) "  # noqa: S608
            "ON CONFLICT (key) DO UPDATE SET "
            "attempts = CASE WHEN t.resets_at <= %s THEN 1 ELSE t.attempts + 1 END, "
            "resets_at = CASE WHEN t.resets_at <= %s THEN EXCLUDED.resets_at ELSE t.resets_at END "
            "RETURNING attempts",
            [key, adapt(window), adapt(now), adapt(now)],
        )
        return int(cursor.fetchone()[0])


def _release(username: str, places: Places) -> None:
    """A good login gives its places back, and makes the address known."""
    LoginThrottle.objects.filter(key=places.account).delete()
    if places.address is None:
        return
    LoginThrottle.objects.filter(key=places.address, attempts__gt=0).update(
        attempts=F("attempts") - 1
    )
    if not places.known:
        LoginThrottle.objects.update_or_create(
            key=_key("known", username, _network(current_origin().ip) or ""),
            defaults={"resets_at": timezone.now() + KNOWN},
        )


def _network(ip: str | None) -> str | None:
    """What counts as one address: of IPv6 the /64, which is one site's to draw addresses from
    at will (RFC 4291, section 2.5.4; RFC 8981)."""
    if ip is None or ":" not in ip:
        return ip
    return str(ip_network((ip, 64), strict=False))


def _table() -> str:
    return connection.ops.quote_name(LoginThrottle._meta.db_table)


def _key(*parts: str) -> str:
    """A digest, so that the table of counters is no list of accounts and addresses."""
    text = "\0".join(part.casefold() for part in parts)
    return hmac.new(settings.SECRET_KEY.encode(), text.encode(), hashlib.sha256).hexdigest()
