"""Do what the links of mails ask for. They can only end things, and ask for a new password."""

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.hashers import make_password
from django.db import transaction

from tokens.models import Kind, Notice
from tokens.models.reasons import Reason
from tokens.notices.links import take
from tokens.revocation import revoke_user
from tokens.revocation.sessions import lock_user


def report_not_me(*, notice: Notice) -> bool:
    """End everything of the user, and the password with it. Return False for a link already used.

    A mail to choose a new one follows, unless the user logs in elsewhere and has no password here.
    """
    with transaction.atomic():
        if not take(notice):
            return False
        user = notice.user
        revoke_user(user=user, actor=None, reason=Reason.NOT_ME, kind=Kind.NOT_ME)
        _end_password(user)
    return True


def _end_password(user: AbstractBaseUser) -> None:
    """Make the password unusable; no password opens the account until its owner chooses one.

    Saving the account would record a changed password, and tell its owner of it.
    """
    accounts = get_user_model()._base_manager.filter(pk=user.pk)
    # The revocation has locked the row.
    user.refresh_from_db(fields=["password"])
    if user.has_usable_password() and accounts.update(password=make_password(None)):
        Notice.objects.create(user_id=user.pk, for_password=True)


def choose_password(*, notice: Notice, password: str) -> bool:
    """Set a new password. Return False for a link that was used already."""
    with transaction.atomic():
        lock_user(user=notice.user)
        if not take(notice):
            return False
        notice.user.set_password(password)
        notice.user.save(update_fields=["password"])
    return True
