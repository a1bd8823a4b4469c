"""The counters of login attempts (OWASP ASVS 2.2.1).

Two things are counted: the account, and the address. A stranger who hammers on an account locks
it for strangers only: an address from which the account has logged in before has a counter of
its own, so its owner always has a way in.

An attempt takes its places before the password is looked at, in the database, by one atomic
statement: twenty at once cannot share a place. Whatever touches several rows does so in the one
order account, address, known, so that no two attempts wait for each other.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_network
from math import ceil
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from tokens import audit
from tokens.models import Kind, LoginThrottle
from tokens.origin import current_origin
from tokens.selectors.statement import as_instant, fetch_all

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
    """The keys of an attempt's counters. ``address`` and ``known``, which marks the address as
    the account's own, are None where no address is known; ``known`` also where it is marked."""

    account: str
    address: str | None
    known: str | None


def reserve(*, username: str) -> Places:
    """Take a place at each counter that applies; raises `LoginLocked`."""
    now = timezone.now()
    ip = _network(current_origin().ip)
    stranger = _key("account", username)
    if ip is None:
        _take(stranger, settings.LOGIN_ATTEMPTS, username, "account", now)
        return Places(stranger, None, None)
    own, known = _key("own", username, ip), _key("known", username, ip)
    address = _key("address", ip)
    taken = _take_both(stranger, own, known, address, now)
    seen = own in taken
    if not taken & {own, stranger}:
        # At its limit, or was a moment ago: what is over it is counted, and told, by itself.
        seen = LoginThrottle.objects.filter(key=known, resets_at__gt=now).exists()
        _take(own if seen else stranger, settings.LOGIN_ATTEMPTS, username, "account", now)
    if address not in taken:
        _take(address, settings.LOGIN_ATTEMPTS * ADDRESS_FACTOR, username, "address", now)
    return Places(own, address, None) if seen else Places(stranger, address, known)


def release(places: Places) -> None:
    """A good login gives its places back, and makes the address known."""
    now = timezone.now()
    rows = [(places.account, now + _window())]
    if places.address is not None:
        rows.append((places.address, now + _window()))
    if places.known is not None:
        rows.append((places.known, now + KNOWN))
    adapt = connection.ops.adapt_datetimefield_value
    values = [value for key, ends in rows for value in (key, adapt(ends))]
    marks = ", ".join(["(%s, 0, %s)"] * len(rows))
    fetch_all(
        RELEASE.format(table=_table(), rows=marks), [*values, places.account, places.known or ""]
    )


def unlock(*, username: str, actor: Any | None, reason: str) -> bool:
    """Lift the account's lock; false where nothing was counted. Addresses are not lifted."""
    counted = LoginThrottle.objects.filter(key=_key("account", username), attempts__gt=0)
    with transaction.atomic():
        lifted = counted.update(attempts=0)
        if lifted:
            audit.record(
                kind=Kind.LOGIN_UNLOCKED, actor=actor, subject_name=username, reason=reason
            )
        return bool(lifted)


def _take(key: str, limit: int, username: str, scope: str, now: datetime) -> None:
    """Add one to a counter, from one anew where its window has ended; raises `LoginLocked` over
    the limit."""
    # The event and the counter move together: a lock that could not be written down is tried
    # again by the next attempt, which finds the counter where it was.
    with transaction.atomic():
        attempts, ends = _count(key, now)
        if attempts == limit + 1:
            audit.record(
                kind=Kind.LOGIN_LOCKED,
                subject_name=username,
                reason="too many attempts",
                data={"by": scope},
            )
    if attempts > limit:
        raise LoginLocked(max(1, ceil((ends - now).total_seconds())))


def _count(key: str, now: datetime) -> tuple[int, datetime]:
    adapt = connection.ops.adapt_datetimefield_value
    ((attempts, raw),) = fetch_all(
        COUNT.format(counted=COUNTED, table=_table()),
        [key, adapt(now + _window()), adapt(now), adapt(now)],
    )
    ends = as_instant(raw, LoginThrottle._meta.get_field("resets_at"))
    return attempts, ends or now


def _take_both(stranger: str, own: str, known: str, address: str, now: datetime) -> set[str]:
    """Add one to the account's counter and to the address's, each unless it is at its limit.
    Gives the keys of those that have moved. An account at its limit moves neither, or a client
    with an old password would lock the others of its office out."""
    limit = settings.LOGIN_ATTEMPTS
    at = connection.ops.adapt_datetimefield_value(now)
    ends = connection.ops.adapt_datetimefield_value(now + _window())
    rows = fetch_all(
        TAKE_BOTH.format(counted=COUNTED, table=_table()),
        [
            *(known, at, own, stranger),
            *(ends, address, ends, at, limit),
            *(at, at),
            *(at, address, limit * ADDRESS_FACTOR, limit),
        ],
    )
    return {key for (key,) in rows}


# From one anew where the window has ended.
COUNTED = """ON CONFLICT (key) DO UPDATE SET
    attempts = CASE WHEN t.resets_at <= %s THEN 1 ELSE t.attempts + 1 END,
    resets_at = CASE WHEN t.resets_at <= %s THEN EXCLUDED.resets_at ELSE t.resets_at END"""
COUNT = """INSERT INTO {table} AS t (key, attempts, resets_at) VALUES (%s, 1, %s)
{counted} RETURNING attempts, resets_at"""
TAKE_BOTH = """WITH account (key) AS (SELECT CASE
    WHEN EXISTS (SELECT 1 FROM {table} WHERE key = %s AND resets_at > %s) THEN %s ELSE %s END)
INSERT INTO {table} AS t (key, attempts, resets_at)
SELECT key, 1, %s FROM account
UNION ALL SELECT %s, 1, %s FROM account WHERE NOT EXISTS (
    SELECT 1 FROM {table} c WHERE c.key = account.key AND c.resets_at > %s AND c.attempts >= %s)
{counted} WHERE t.resets_at <= %s OR t.attempts < CASE WHEN t.key = %s THEN %s ELSE %s END
RETURNING key"""
RELEASE = """INSERT INTO {table} AS t (key, attempts, resets_at) VALUES {rows}
ON CONFLICT (key) DO UPDATE SET
    attempts = CASE WHEN t.key = %s OR t.attempts = 0 THEN 0 ELSE t.attempts - 1 END,
    resets_at = CASE WHEN t.key = %s THEN EXCLUDED.resets_at ELSE t.resets_at END
RETURNING key"""


def _window() -> timedelta:
    return timedelta(seconds=settings.LOGIN_WINDOW_SECONDS)


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
