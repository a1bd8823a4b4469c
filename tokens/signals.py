"""End the tokens of an account that changes, and record logins and logouts of browsers.

The receivers run for every change that sends Django's signals: the admin, `changepassword`, a
project's own views. A change by plain SQL sends none: `tokens.validation.validator` refuses the
tokens of a changed password, and a trigger (`tokens.revocation.deactivation`) ends those of a
deactivated account.

The tokens end before the account is saved. If the event cannot be written, the account stays as it
is. A login that commits in between carries the mark of the old password, so its tokens are refused.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.contrib.sessions.backends.base import SessionBase
from django.db import Error, transaction
from django.db.models import Model
from django.db.models.signals import class_prepared, post_save, pre_delete, pre_save
from django.dispatch import receiver
from django.http import HttpRequest

from tokens import audit
from tokens.accounts.last_login import update_last_login
from tokens.accounts.upgrades import is_upgrade
from tokens.listing.status import has_field, unended
from tokens.models import Kind, Session
from tokens.models.reasons import Reason
from tokens.notices.language import note_language
from tokens.origin import current_actor
from tokens.revocation import revoke_user
from tokens.revocation.browsers import end_browser_session, end_replaced_browser
from tokens.sessions.browsers import open_browser_session
from tokens.validation.browser import belongs_to

WATCHED = frozenset({"password", "is_active"})
# Distinguishes a browser's login from the opening of a session with tokens.
BROWSER = {"what": "browser session"}


def _end(user: AbstractBaseUser, kind: Kind, *, reason: str) -> None:
    revoke_user(user=user, actor=current_actor(), reason=reason, kind=kind)


def end_tokens_of_changed_user(
    sender: type[Model],
    instance: Model,
    raw: bool,
    update_fields: Collection[str] | None,
    **_: object,
) -> None:
    """Revoke everything of a user whose password changes or who is deactivated."""
    if not isinstance(instance, AbstractBaseUser):
        return
    if raw or instance._state.adding:
        return
    if update_fields is not None and not WATCHED & set(update_fields):
        return
    # The base manager: the default one may hide accounts.
    columns = [name for name in WATCHED if has_field(name)]
    before = sender._base_manager.filter(pk=instance.pk).values(*columns).first()
    if before is None:
        return
    if before["password"] != instance.password and not is_upgrade(instance):
        _end(instance, Kind.PASSWORD_CHANGED, reason=Reason.PASSWORD_CHANGED)
    if before.get("is_active") and not instance.is_active:
        _end(instance, Kind.USER_DEACTIVATED, reason=Reason.USER_DEACTIVATED)


def end_late_logins_of_inactive_user(
    sender: type[Model], instance: Model, created: bool, raw: bool, **_: object
) -> None:
    """Revoke a session that was opened just before the account was deactivated.

    Otherwise it would be live again once the account is reactivated. `end_tokens_of_changed_user`
    has written the event of the deactivation; this writes one only if it finds a session.
    """
    if not isinstance(instance, AbstractBaseUser):
        return
    if created or raw or instance.is_active:
        return
    if unended(Session.objects.filter(user=instance.pk)).exists():
        _end(instance, Kind.USER_DEACTIVATED, reason=Reason.USER_DEACTIVATED)


def end_tokens_of_deleted_user(sender: type[Model], instance: Model, **_: object) -> None:
    """Revoke everything of a user who is deleted."""
    # Deleting a row of a child table sends the signal for the parent too; a proxy sends only one.
    same_table = sender._meta.concrete_model is get_user_model()._meta.concrete_model
    if same_table and isinstance(instance, AbstractBaseUser):
        _end(instance, Kind.USER_DELETED, reason=Reason.USER_DELETED)


@receiver(class_prepared)
def watch_user_model(sender: type[Model], **_: object) -> None:
    """Connect the receivers above to the user model, its proxies and its child models.

    Connected without a sender, they would run whenever any model is saved.
    """
    if issubclass(sender, get_user_model()):
        pre_save.connect(end_tokens_of_changed_user, sender=sender)
        post_save.connect(end_late_logins_of_inactive_user, sender=sender)
        pre_delete.connect(end_tokens_of_deleted_user, sender=sender)


for _model in apps.get_models():
    watch_user_model(_model)


@receiver(user_logged_in)
def note_opening(
    sender: type[Model], request: HttpRequest | None, user: AbstractBaseUser, **_: object
) -> None:
    """Note that a browser session was opened. Some APIs send the signal without a session."""
    session = getattr(request, "session", None)
    if session is not None and belongs_to(session, user):
        with _ended_by_fault(session), transaction.atomic():
            if former := end_replaced_browser(session=session, user=user):
                audit.record(kind=Kind.LOGOUT, actor=former, subject=former, data=BROWSER)
            open_browser_session(session=session, user=user)


@contextmanager
def _ended_by_fault(session: SessionBase) -> Iterator[None]:
    """End the session that Django has just begun if the database fails inside the block."""
    try:
        yield
    except Error:
        session.flush()
        raise


# A project may have disconnected Django's receiver, or its user model may have no such column.
if user_logged_in.disconnect(dispatch_uid="update_last_login"):
    user_logged_in.connect(update_last_login, dispatch_uid="update_last_login")


@receiver(user_logged_in)
def record_login(
    sender: type[Model], request: HttpRequest | None, user: AbstractBaseUser, **_: object
) -> None:
    """Record a browser's login, and the language of its page."""
    if request is None or request.method is None:
        return  # a test or a script made itself a session, without a request
    with _ended_by_fault(request.session), transaction.atomic():
        audit.record(kind=Kind.LOGIN, actor=user, subject=user, data=BROWSER)
        note_language(user)


@receiver(user_logged_out)
def record_logout(
    sender: type[Model], request: HttpRequest | None, user: AbstractBaseUser | None, **_: object
) -> None:
    """End a browser session, before Django does, and record it. If that fails, it stays."""
    if user is None or request is None:
        return
    with transaction.atomic():
        end_browser_session(session=request.session, user=user)
        if request.method is not None:
            audit.record(kind=Kind.LOGOUT, actor=user, subject=user, data=BROWSER)
