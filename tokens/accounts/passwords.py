"""Check passwords, with throttling, and upgrade their hashes to the current hasher.

`tokens.accounts.backend` calls this module for the API, the admin, the pages, and any other caller
of Django's `authenticate`.
"""

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.hashers import check_password, make_password
from django.db import transaction

from tokens import audit
from tokens.accounts.lane import LoginBusy, lane
from tokens.accounts.throttle import (
    LoginLocked,
    is_known_address,
    record_attempt,
    record_success,
    unlock,
)
from tokens.accounts.upgrades import move_sessions
from tokens.db.revocation_feed import sessions_kept
from tokens.models import Kind
from tokens.models.reasons import Reason
from tokens.validation.token_context import password_mark

__all__ = ["LONGEST", "LoginBusy", "LoginLocked", "check", "unlock"]
# Characters of a password. Every way to set one and to log in has this limit.
LONGEST = 4096


def check(
    *, user: AbstractBaseUser | None, username: str, password: str, durable: bool = True
) -> bool:
    """Tell whether ``password`` is the one of an active ``user``.

    Raises `LoginLocked`, or `LoginBusy` before the attempt is counted. ``user`` is None if no
    account has the user name. The attempt is counted before the password is checked, and a refusal
    is recorded before the function returns. The hasher runs once in either case, so the response
    time does not tell whether the account exists. Not ``durable`` is for invented data, which is
    written in a transaction of the caller.
    """
    with lane.turn(known=lambda: is_known_address(username=username)):
        keys = record_attempt(username=username, durable=durable)
        if user is None:
            make_password(password)
            matches = False
        else:
            matches = _matches(user, password)
    if matches and user is not None and user.is_active:
        record_success(keys)
        return True
    audit.record(
        kind=Kind.LOGIN_REFUSED,
        subject=user,
        subject_name=audit.mask_name(username) if user is None else username,
        reason=_refusal_reason(user, matches),
    )
    return False


def _matches(user: AbstractBaseUser, raw: str) -> bool:
    """Check a password, and upgrade its hash if the hasher has changed.

    If the stored hash changed at the same time, the new one decides: another login upgraded it, or
    the password was changed.
    """
    upgrades: list[bool] = []
    matches = check_password(
        raw, user.password, lambda raw: upgrades.append(_upgrade_hash(user, raw))
    )
    if matches and upgrades == [False]:
        user.refresh_from_db(fields=["password"])
        return check_password(raw, user.password)
    return matches


def _refusal_reason(user: AbstractBaseUser | None, matches: bool) -> str:
    if user is None:
        return Reason.UNKNOWN_USER
    return Reason.INACTIVE_USER if matches else Reason.WRONG_PASSWORD


def _upgrade_hash(user: AbstractBaseUser, raw: str) -> bool:
    """Store the same password with the current hasher, without ending any session.

    It is not a password change, so no signal is sent. Returns False and stores nothing if the
    stored hash has changed.
    """
    before, mark = user.password, password_mark(user)
    user.password = make_password(raw)
    account = user._meta.model._default_manager.filter(pk=user.pk, password=before)
    with transaction.atomic(), sessions_kept(user_key=user.pk):
        if not account.update(password=user.password):
            return False
        move_sessions(user, mark=mark)
    return True
