"""Keep the rows of browser sessions: one login in one browser each.

Django's cookie session is the session; its row lists it, and ends it. The session engine of a
project may have no rows at all, so nothing here depends on it.
"""

from contextlib import suppress
from datetime import datetime
from functools import partial
from uuid import UUID, uuid4

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.sessions.backends.base import SessionBase
from django.db import Error, transaction
from django.db.models import Q

from tokens.db import clock
from tokens.models import BrowserSession
from tokens.origin import after_view, current_origin
from tokens.revocation.browsers import end_browser_session
from tokens.validation.browser import (
    OPENED,
    ROW,
    VALID_FROM,
    WRITTEN_EVERY,
    end_of,
    last_use,
    latest_cutoff,
    mark_opened,
    mark_proved,
    opened_at,
    row_id,
    valid_from,
)


def open_browser_session(*, session: SessionBase, user: AbstractBaseUser) -> None:
    """Add the row of a browser session that begins with a login. Another one in it ends."""
    now = clock.ask()
    end_browser_session(session=session, user=user)
    # A cutoff that was set while the database's clock was ahead may be later.
    mark_opened(session, at=max(now, latest_cutoff(user)))
    session[ROW] = str(uuid4())
    mark_proved(session, at=now)
    _add_row(session, user, opened=now, now=now)
    # The project may set the expiry of its cookie after the login.
    after_view(partial(_note_use, session, row_id(session), now))


def keep_browser_session(*, session: SessionBase, user: AbstractBaseUser) -> None:
    """Write the news of a browser session (`has_news`), and the row of one that has none yet.

    Where the database takes no writes, the session goes on without.
    """
    now, row, used = clock.now(), row_id(session), last_use(user)
    opened = opened_at(session) or now
    if used is None:
        try:
            with transaction.atomic():
                _add_row(session, user, opened=opened, now=now)
        except Error:
            return
    elif used < now - WRITTEN_EVERY:
        after_view(partial(_note_use, session, row, opened))
    if ROW not in session:
        kept = {ROW: str(row), OPENED: opened.isoformat()}
        kept[VALID_FROM] = valid_from(session).isoformat()
        # A rollback of the view's transaction would take the row away, but not these.
        transaction.on_commit(partial(session.update, kept))


def _add_row(
    session: SessionBase, user: AbstractBaseUser, *, opened: datetime, now: datetime
) -> None:
    origin = current_origin().columns
    row = BrowserSession(
        id=row_id(session),
        user_id=user.pk,
        opened_at=opened,
        valid_from=valid_from(session),
        last_used_at=now,
        ends_at=end_of(session, opened=opened, now=now),
        ip=origin["ip"],
        user_agent=origin["user_agent"],
    )
    # Two first requests of one browser may arrive at once.
    BrowserSession.objects.bulk_create([row], ignore_conflicts=True)


def _note_use(session: SessionBase, row: UUID, opened: datetime) -> None:
    """Write when and where from the session was used, unless the row says almost the same."""
    now, origin = clock.now(), current_origin().columns
    end = end_of(session, opened=opened, now=now)
    stale = Q(last_used_at__lt=now - WRITTEN_EVERY) | Q(ends_at__lt=end - WRITTEN_EVERY)
    with suppress(Error):
        BrowserSession.objects.filter(stale, pk=row, revoked_at=None).update(
            last_used_at=now, ends_at=end, ip=origin["ip"], user_agent=origin["user_agent"]
        )
