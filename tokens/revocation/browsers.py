"""End one browser session, or those of users with everything else that they have.

The row of one says that it has ended. Cutoffs end those of users; the rest of this module is for
the acts that set none, and lets the browser session in which an act is done go on: people who log
out all of their devices stay on the page.
"""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction

from tokens import audit
from tokens.db import clock
from tokens.listing.search import UserKey
from tokens.listing.selection import Selection, selected_browser_users, selected_users
from tokens.listing.status import has_field
from tokens.listing.users import superusers
from tokens.models import BrowserCutoff, BrowserSession, Kind
from tokens.origin import Actor, acting_browser
from tokens.revocation.instants import cutoff_instant
from tokens.revocation.reviews import require
from tokens.revocation.sessions import Revocation
from tokens.validation.browser import ROW, latest_cutoff, row_id, spare, valid_from
from tokens.validation.legacy import transition_over


def revoke_browser_session(
    *, browser: BrowserSession, user: AbstractBaseUser, actor: Actor, reason: str
) -> Revocation:
    """End one browser session of ``user``: its next request is anonymous.

    Raises PermissionDenied for a superuser's session if the actor is staff without
    ``revoke_superuser``.
    """
    require(actor=actor, user=user)
    with transaction.atomic():
        if not _end(browser.pk, user):
            return Revocation()
        audit.record(
            kind=Kind.REVOKE_BROWSERS,
            actor=actor,
            subject=user,
            reason=reason,
            count=0,
            data={"browser": str(browser.pk)},
        )
    return Revocation(users=1, browsers=True)


def end_browser_session(*, session: SessionBase, user: AbstractBaseUser) -> None:
    """End the browser session of ``user`` in this cookie session, which is left.

    No copy of its cookie opens it again.
    """
    if ROW in session:
        _end(row_id(session), user)


def end_replaced_browser(*, session: SessionBase, user: AbstractBaseUser) -> Actor:
    """End what another user had open in the cookie session in which ``user`` has just logged in.

    Return that user, or None. Django has emptied the session, but that ends no copy of its cookie.
    """
    browser = acting_browser()
    if browser is None or browser.session is not session or browser.user.pk == user.pk:
        return None
    return browser.user if _end(browser.row, browser.user) else None


def _end(row: UUID, user: AbstractBaseUser) -> bool:
    """Return whether ``user`` had such a browser session, and it had not ended before."""
    unended = BrowserSession.objects.filter(pk=row, user=user.pk, revoked_at=None)
    return bool(unended.update(revoked_at=clock.now()))


def may_have_browser_sessions(*, user: AbstractBaseUser) -> bool:
    """Tell whether a revocation of ``user`` may end a browser session.

    Call it before the cutoff is set. A user who has never logged in has no browser session. If the
    user acts in one, and the last login was before the latest cutoff, there is no other.
    """
    last_login: datetime | None = getattr(user, "last_login", None)
    if last_login is None:
        return not has_field("last_login")
    browser = acting_browser()
    own = browser is not None and browser.user.pk == user.pk
    return not own or last_login > latest_cutoff(user)


def keep_acting_browser(*, not_before: datetime, user: AbstractBaseUser | None = None) -> None:
    """Let the acting browser session survive a cutoff for ``user``, or for everybody."""
    browser = acting_browser()
    if browser is None or (user is not None and browser.user.pk != user.pk):
        return
    if valid_from(browser.session) < not_before:
        spare(browser.session, until=not_before)
        row = BrowserSession.objects.filter(pk=row_id(browser.session))
        row.update(valid_from=not_before)


def cut_off_browsers(*, users: Collection[UserKey], not_before: datetime) -> None:
    """End the browser sessions of ``users`` that were opened before ``not_before``."""
    BrowserCutoff.objects.bulk_create(
        BrowserCutoff(user_id=key, not_before=not_before) for key in users
    )


def end_browsers(*, selection: Selection, actor: Actor, reason: str) -> Revocation:
    """End the browser sessions of a selection of whole users, with an event for each user.

    If it selects everybody, there is one event, which names no user.
    """
    if not selection.whole_users:
        return Revocation()
    not_before = cutoff_instant(wanted=selection.issued_before)
    users = selected_browser_users(selection=selection)
    with transaction.atomic():
        if not selection.users:
            return _end_everybodys(selection, not_before, actor=actor, reason=reason)
        hit = [user for user in users.order_by("pk") if may_have_browser_sessions(user=user)]
        ended = {user.pk for user in hit}
        if not transition_over():
            # The row also ends legacy access tokens, and refresh tokens that have no row.
            ended |= {*selected_users(selection=selection).values_list("pk", flat=True)}
        cut_off_browsers(users=sorted(ended), not_before=not_before)
        for user in hit:
            keep_acting_browser(not_before=not_before, user=user)
            audit.record(
                kind=Kind.REVOKE_BROWSERS, actor=actor, subject=user, reason=reason, count=0
            )
    return Revocation(browsers=bool(hit))


def _end_everybodys(
    selection: Selection, not_before: datetime, *, actor: Actor, reason: str
) -> Revocation:
    spared = superusers().values_list("pk", flat=True) if selection.spare_superusers else ()
    BrowserCutoff.objects.create(not_before=not_before, spared=[str(key) for key in spared])
    keep_acting_browser(not_before=not_before)
    if not selected_browser_users(selection=selection).exists():
        return Revocation()
    audit.record(
        kind=Kind.REVOKE_BROWSERS, actor=actor, reason=reason, count=0, data={"everybody": True}
    )
    return Revocation(browsers=True)
