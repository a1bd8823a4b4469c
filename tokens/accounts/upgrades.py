"""Keep the sessions of an account when Django upgrades the hash of its password.

If the stored hash is outdated, Django's `check_password` stores the same password with the current
hasher. To `tokens.signals`, that save looks like a changed password, which ends all sessions.

An upgrade is recognised by where it happens, not by how the save looks: a project that assigns a
hash also saves with ``update_fields=["password"]`` and without a raw password. So the app replaces
`AbstractBaseUser.check_password` with a version that does the same, and only the save within it is
an upgrade. It runs after the password was verified against the hash that the database still has,
and stores a hash of that same password. Everything else is a change: a hash that is assigned, even
one of the same password, a hash that a receiver replaces on the way, and an upgrade by a user model
whose `check_password` does not call Django's.

A caller who can make an upgrade happen knows the password. No ended session comes back: only the
password mark of sessions with the verified hash moves, and a revoked session stays revoked.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.hashers import check_password as verify
from django.db import transaction

from tokens.db.revocation_feed import sessions_kept
from tokens.models import Session
from tokens.validation.token_context import password_mark

# The account whose hash is being upgraded, with the new hash.
_upgrading: ContextVar[tuple[AbstractBaseUser, str] | None] = ContextVar(
    "tokens_upgrading", default=None
)
_stock_check, _stock_acheck = AbstractBaseUser.check_password, AbstractBaseUser.acheck_password


def watch_upgrades() -> None:
    """Replace the two methods of Django with which an account checks a password."""
    AbstractBaseUser.check_password = _check_password  # type: ignore[assignment,method-assign]
    AbstractBaseUser.acheck_password = _acheck_password  # type: ignore[assignment,method-assign]


def is_upgrade(user: AbstractBaseUser) -> bool:
    """Tell whether the save of ``user`` that is under way stores an upgraded hash."""
    upgrade = _upgrading.get()
    return upgrade is not None and upgrade[0] is user and upgrade[1] == user.password


def move_sessions(user: AbstractBaseUser, *, mark: str) -> None:
    """Give the sessions of ``user`` with that password mark the mark of the hash stored now.

    The caller has stored the hash in the same transaction, which locks the account's row: a login
    with the old hash that was under way has committed its session by then.
    """
    Session.objects.filter(user=user.pk, password_mark=mark).update(
        password_mark=password_mark(user)
    )


def _check_password(self: AbstractBaseUser, raw_password: str) -> bool:
    """Check a password like Django, and keep the account's sessions if its hash is upgraded."""
    if not isinstance(self, get_user_model()):
        return _stock_check(self, raw_password)
    return verify(raw_password, self.password, lambda raw: _upgrade(self, raw))


async def _acheck_password(self: AbstractBaseUser, raw_password: str) -> bool:
    """Check a password in a thread: a transaction cannot span asynchronous calls."""
    if not isinstance(self, get_user_model()):
        return await _stock_acheck(self, raw_password)
    return await sync_to_async(_check_password)(self, raw_password)


def _upgrade(user: AbstractBaseUser, raw: str) -> None:
    """Store the hash as Django does, unless the stored one has changed since it was loaded."""
    verified, mark = user.password, password_mark(user)
    account = user._meta.model._base_manager.filter(pk=user.pk, password=verified)
    with transaction.atomic():
        # Locks the row: SQLite has no other lock that can wait for another transaction.
        if not account.update(password=verified):
            return
        user.set_password(raw)
        user._password = None  # type: ignore[attr-defined]  # no validator is told of a change
        with sessions_kept(user_key=user.pk):
            with _upgrade_under_way(user):
                user.save(update_fields=["password"])
            move_sessions(user, mark=mark)


@contextmanager
def _upgrade_under_way(user: AbstractBaseUser) -> Iterator[None]:
    before = _upgrading.set((user, user.password))
    try:
        yield
    finally:
        _upgrading.reset(before)
