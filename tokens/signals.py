"""What happens to an account happens to its tokens, whichever code does it: admin,
`changepassword`, a project's own views. (Plain SQL is caught at the next use of a token, by
`tokens.verdict`.) And who comes and goes with a browser is written down.

The tokens end before the account is saved: where the event cannot be written the account stays
as it is, and a login in between carries the mark of the old password, which opens nothing.
"""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db import Error
from django.db.models.signals import post_save, pre_delete, pre_save
from django.dispatch import receiver

from tokens import audit
from tokens.models import Kind, Session
from tokens.origin import current_actor
from tokens.revocation import revoke_user
from tokens.selectors.status import live

WATCHED = frozenset({"password", "is_active"})
REASONS = {
    Kind.PASSWORD_CHANGED: "password changed",
    Kind.USER_DEACTIVATED: "user deactivated",
    Kind.USER_DELETED: "user deleted",
}
# What tells the login of a person with a browser from the opening of a session with tokens.
BROWSER = {"what": "browser session"}


def _end(user: Any, kind: Kind) -> None:
    revoke_user(user=user, actor=current_actor(), reason=REASONS[kind], kind=kind)


@receiver(pre_save)
def before_save(sender: type[Any], instance: Any, raw: bool, update_fields: Any, **_: Any) -> None:
    if sender is not get_user_model() or raw or instance._state.adding:
        return
    if update_fields is not None and not WATCHED & set(update_fields):
        return
    before = sender._default_manager.filter(pk=instance.pk).values(*WATCHED).first()
    if before is None:
        return
    if before["password"] != instance.password:
        _end(instance, Kind.PASSWORD_CHANGED)
    if before["is_active"] and not instance.is_active:
        _end(instance, Kind.USER_DEACTIVATED)


@receiver(post_save)
def after_save(sender: type[Any], instance: Any, created: bool, **_: Any) -> None:
    """A login that slipped in just before the account was deactivated must not come back with
    it later; the first call has written the event, and this one writes one only if it found
    such a login."""
    if sender is not get_user_model() or created or instance.is_active:
        return
    if live(Session.objects.filter(user=instance)).exists():
        revoke_user(user=instance, actor=current_actor(), reason=REASONS[Kind.USER_DEACTIVATED])


@receiver(pre_delete)
def before_delete(sender: type[Any], instance: Any, **_: Any) -> None:
    if sender is get_user_model():
        _end(instance, Kind.USER_DELETED)


@receiver(user_logged_in)
def after_login(sender: type[Any], request: Any, user: Any, **_: Any) -> None:
    """Somebody came in with a browser, through whichever page. Where that cannot be written
    down they are out again: the answer would carry the session that Django has just begun."""
    if getattr(request, "method", None) is None:
        return  # no request: a test or a script made itself a session
    try:
        audit.record(kind=Kind.LOGIN, actor=user, subject=user, data=BROWSER)
    except Error:
        request.session.flush()
        raise


@receiver(user_logged_out)
def before_logout(sender: type[Any], request: Any, user: Any | None, **_: Any) -> None:
    """Sent before the browser's session ends; an error here leaves it as it is."""
    if user is not None and getattr(request, "method", None) is not None:
        audit.record(kind=Kind.LOGOUT, actor=user, subject=user, data=BROWSER)
