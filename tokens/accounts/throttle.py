"""Throttle login attempts by account and by address (OWASP ASVS 2.2.1).

An address from which the account has logged in before has a counter of its own. So an attacker who
fails on an account locks it for other addresses only, and its owner can still log in.

An attempt is counted before the password is checked, by one atomic statement: concurrent attempts
cannot share a count. A statement that writes several counters does so in the order account,
address, known address, so that attempts do not deadlock.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from unicodedata import normalize

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ObjectDoesNotExist
from django.db import connection, transaction
from django.db.models import Q
from django.utils.encoding import force_bytes

from tokens import audit
from tokens.conf import app_settings
from tokens.counted import LOCKED, login_stopped
from tokens.db import clock
from tokens.db.statements import fetch_all, read_datetime
from tokens.models import Kind, LoginThrottle
from tokens.models.reasons import Reason
from tokens.origin import client_network, current_origin

# How long an address stays known after the account's last login from there.
KNOWN_FOR = timedelta(days=90)
# Many people may share one address: an office, a campus.
ADDRESS_FACTOR = 10
# Hexadecimal digits of half a digest: 128 bits.
HALF = 32


class LoginLocked(Exception):
    """Raised after too many attempts, for accounts that exist and for those that don't.

    ``retry_after`` is in whole seconds.
    """

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Too many attempts; try again in {retry_after} s")
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class AttemptKeys:
    """Hold the keys of the counters that an attempt was counted at.

    ``address`` is None if the client's address is unknown. ``new_address`` is the key that marks
    the address as known; None if there is no address or it is marked already.
    """

    account: str
    address: str | None
    new_address: str | None


def record_attempt(*, username: str, durable: bool = True) -> AttemptKeys:
    """Count an attempt at the account and at the address. Raises `LoginLocked` over a limit.

    Not ``durable`` is for invented data only: if the caller rolls back, the attempt is not counted.
    """
    ip = client_network(current_origin().ip)
    any_address = _key("account", username)
    if ip is None:
        _count_or_lock(any_address, app_settings.LOGIN_ATTEMPTS, username, "account", durable)
        return AttemptKeys(any_address, None, None)
    this_address, known = _own_key(username, ip), _key("known", username, ip)
    address = _key("address", ip)
    counted = _count_below_limits(any_address, this_address, known, address)
    is_known = this_address in counted
    if not counted & {this_address, any_address}:
        # The account is at its limit, or was a moment ago. Attempts over the limit are counted one
        # by one, so that exactly one of them records the lock.
        is_known = LoginThrottle.objects.filter(key=known, resets_at__gt=clock.now()).exists()
        account = this_address if is_known else any_address
        _count_or_lock(account, app_settings.LOGIN_ATTEMPTS, username, "account", durable)
    if address not in counted:
        limit = app_settings.LOGIN_ATTEMPTS * ADDRESS_FACTOR
        _count_or_lock(address, limit, username, "address", durable)
    if is_known:
        return AttemptKeys(this_address, address, None)
    return AttemptKeys(any_address, address, known)


def is_known_address(*, username: str) -> bool:
    """Tell whether the account has logged in from the current address before."""
    ip = client_network(current_origin().ip)
    if ip is None:
        return False
    known = _key("known", username, ip)
    return LoginThrottle.objects.filter(key=known, resets_at__gt=clock.now()).exists()


def record_success(keys: AttemptKeys) -> None:
    """Take a successful attempt off its counters, and mark its address as known."""
    window, known = clock.sql(plus=_window()), clock.sql(plus=KNOWN_FOR)
    ends = ((keys.account, window), (keys.address, window), (keys.new_address, known))
    rows = {key: f"(%s, 0, {end})" for key, end in ends if key is not None}
    sql = UNCOUNT.format(table=_table(), rows=", ".join(rows.values()))
    fetch_all(sql, [*rows, keys.account, keys.new_address or ""])


def record_code_attempt(*, username: str) -> None:
    """Count an attempt to give a second factor. Raises `LoginLocked` over the limit.

    Only those who know the password get here. A counter of its own keeps them from starting again
    with each right password.
    """
    _count_or_lock(
        _key("code", username), app_settings.LOGIN_ATTEMPTS, username, "second factor", durable=True
    )


def record_code_success(*, username: str) -> None:
    """Start the count of attempts to give a second factor again."""
    LoginThrottle.objects.filter(key=_key("code", username)).update(attempts=0)


def unlock(*, username: str, actor: AbstractBaseUser | None, reason: str) -> int:
    """Reset the account's counters, also those at its known addresses.

    The counters of addresses alone stay. Returns the number of counters that were not at zero.
    """
    by_name = [_key("account", username), _key("code", username)]
    of_account = Q(key__in=by_name) | Q(key__startswith=_account_part(username))
    with transaction.atomic():
        reset: int = LoginThrottle.objects.filter(of_account, attempts__gt=0).update(attempts=0)
        if reset:
            audit.record(
                kind=Kind.LOGIN_UNLOCKED, actor=actor, subject_name=username, reason=reason
            )
        return reset


def _count_or_lock(key: str, limit: int, username: str, scope: str, durable: bool) -> None:
    """Count an attempt at one counter. Raises `LoginLocked` over the limit."""
    # The count must outlive the request that is refused, and commits together with the event: if
    # the event cannot be written, the next attempt finds the counter as it was.
    with transaction.atomic(durable=durable):
        attempts, left = _count(key)
        if attempts == limit + 1:
            account = _account(username)
            audit.record(
                kind=Kind.LOGIN_LOCKED,
                subject=account,
                subject_name=audit.mask_name(username) if account is None else username,
                reason=Reason.TOO_MANY_ATTEMPTS,
                data={"by": scope},
            )
    if attempts > limit:
        login_stopped.send_robust(sender=None, outcome=LOCKED)
        raise LoginLocked(max(1, ceil(left.total_seconds())))


def _count(key: str) -> tuple[int, timedelta]:
    """Add one to a counter, and return its count and the rest of its window."""
    ((attempts, raw, time),) = fetch_all(COUNT.format(**_words()), [key])
    now = clock.read(time)
    ends = read_datetime(raw, LoginThrottle._meta.get_field("resets_at"))
    return attempts, (ends or now) - now


def _count_below_limits(any_address: str, this_address: str, known: str, address: str) -> set[str]:
    """Add one to the account's and the address's counter, unless it is at its limit.

    Returns the keys of the counters that were below. If the account is at its limit, the address is
    not counted: otherwise a client with an old password would lock out its whole office.
    """
    limit = app_settings.LOGIN_ATTEMPTS
    rows = fetch_all(
        COUNT_BELOW_LIMITS.format(**_words()),
        [
            *(known, this_address, any_address),
            *(address, limit),
            *(address, limit * ADDRESS_FACTOR, limit),
        ],
    )
    return {key for (key,) in rows}


# One reading of the time for the whole statement, so that all of its comparisons agree.
INSTANTS = "clock (now, ends) AS ({instants})"
NOW = "(SELECT now FROM clock)"
# Start again at one if the window has ended.
COUNT_AGAIN = f"""ON CONFLICT (key) DO UPDATE SET
    attempts = CASE WHEN t.resets_at <= {NOW} THEN 1 ELSE t.attempts + 1 END,
    resets_at = CASE WHEN t.resets_at <= {NOW} THEN EXCLUDED.resets_at ELSE t.resets_at END"""
COUNT = f"""WITH {INSTANTS}
INSERT INTO {{table}} AS t (key, attempts, resets_at) SELECT %s, 1, ends FROM clock WHERE true
{COUNT_AGAIN} RETURNING attempts, resets_at, {{read}}"""  # noqa: S608
COUNT_BELOW_LIMITS = f"""WITH {INSTANTS}, account (key) AS (SELECT CASE
    WHEN EXISTS (SELECT 1 FROM {{table}} WHERE key = %s AND resets_at > {NOW}) THEN %s ELSE %s END)
INSERT INTO {{table}} AS t (key, attempts, resets_at)
SELECT key, 1, ends FROM account, clock
UNION ALL SELECT %s, 1, ends FROM account, clock WHERE NOT EXISTS (SELECT 1 FROM {{table}} c
    WHERE c.key = account.key AND c.resets_at > now AND c.attempts >= %s)
{COUNT_AGAIN} WHERE t.resets_at <= {NOW} OR t.attempts < CASE WHEN t.key = %s THEN %s ELSE %s END
RETURNING key"""  # noqa: S608
UNCOUNT = """INSERT INTO {table} AS t (key, attempts, resets_at) VALUES {rows}
ON CONFLICT (key) DO UPDATE SET
    attempts = CASE WHEN t.key = %s OR t.attempts = 0 THEN 0 ELSE t.attempts - 1 END,
    resets_at = CASE WHEN t.key = %s THEN EXCLUDED.resets_at ELSE t.resets_at END
RETURNING key"""


def _words() -> dict[str, str]:
    """Return the parts of a statement that counts."""
    return {
        "table": _table(),
        "instants": clock.now_and(plus=_window()),
        # SQLite has no clock that `clock.read` would take.
        "read": NOW if connection.vendor == "postgresql" else "NULL",
    }


def _window() -> timedelta:
    return timedelta(seconds=app_settings.LOGIN_WINDOW_SECONDS)


def _table() -> str:
    return connection.ops.quote_name(LoginThrottle._meta.db_table)


def _key(*parts: str) -> str:
    """Return a digest, so that the table does not list accounts and addresses.

    Other spellings of a name, in case, width or composition, have no counter of their own.
    """
    text = "\0".join(normalize("NFKC", part.casefold()) for part in parts)
    return hmac.new(force_bytes(settings.SECRET_KEY), text.encode(), hashlib.sha256).hexdigest()


def _own_key(username: str, ip: str) -> str:
    """Return the key of the account's counter at one address, which starts as all of its own do."""
    return _account_part(username) + _key("own", username, ip)[HALF:]


def _account_part(username: str) -> str:
    return _key("own", username)[:HALF]


def _account(username: str) -> AbstractBaseUser | None:
    """Return the account with this user name; None if there is none. Called once for each lock."""
    try:
        found: AbstractBaseUser = get_user_model()._default_manager.get_by_natural_key(username)
    except (ObjectDoesNotExist, ValueError):
        return None
    return found
