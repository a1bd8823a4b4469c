"""Passwords: checked, throttled, and upgraded to the current hasher.

Every road to a password (API, admin, staff pages, any caller of `authenticate`) comes through
`tokens.backends`, and so through here.
"""

from typing import Any

from django.contrib.auth.hashers import check_password, make_password
from django.db import transaction

from tokens import audit
from tokens.logins.places import LoginLocked, release, reserve, unlock
from tokens.models import Kind, Session
from tokens.selectors.standing import password_mark

__all__ = ["LoginLocked", "check", "unlock"]


def check(*, user: Any | None, username: str, password: str) -> bool:
    """Whether ``password`` opens ``user``'s account (None: there is none). Raises `LoginLocked`.

    The counters move before the password is looked at, and a refusal is written down before
    the answer is known outside. The hasher runs once whether or not there is an account, so
    that time does not tell them apart.
    """
    places = reserve(username=username)
    if user is None:
        make_password(password)
        matches = False
    else:
        matches = _matches(user, password)
    if matches and user is not None and user.is_active:
        release(places)
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
