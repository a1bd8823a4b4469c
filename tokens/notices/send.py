"""Send the mails that are due.

A mail is `WAITING` until everything but its end is at the server, then `HANDED_OVER`, and `SENT`
once the server has taken it. An attempt first moves ``due_at``, so that no other process makes one
at the same time, and a process that was killed delays the mail by `LEASE`.
"""

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from functools import partial

from django.db.models import Count, Q, QuerySet

from tokens.audit.record import clean_text
from tokens.db import clock
from tokens.models import Notice, NoticeState
from tokens.notices.mail import address_of, build
from tokens.notices.transport import ANSWER_SECONDS, NotSent, Transport, Unconfirmed

LEASE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=1)
# How long a mail is tried. Later it is no news.
TRIED_FOR = timedelta(days=2)
# Rows are kept so long: longer than links work, and the cap counts.
KEPT = timedelta(days=7)
ERROR_LENGTH = 200
ANSWERED_IN = timedelta(seconds=ANSWER_SECONDS)


class TakenOver(Exception):
    """Another process has made an attempt since."""


class ServerFault(Exception):
    """The mail server can't be reached, or takes no mail."""


def send_due() -> Iterator[NoticeState]:
    """Send the mails that are due, each at most once in a run, and yield how each of them went.

    Raises `ServerFault` at the first sign that no mail can be sent. The rest stays due.
    """
    with closing(Transport()) as transport:
        while (notice := _next()) is not None:
            yield _send(notice, transport)


def counts() -> dict[str, int]:
    """Count the mails that wait, that are unconfirmed, and that failed."""
    rows = Notice.objects.exclude(state=NoticeState.SENT).values_list("state")
    found = Counter(dict(rows.annotate(number=Count("pk"))))
    return {
        "waiting": found[NoticeState.WAITING],
        "unconfirmed": found[NoticeState.HANDED_OVER],
        "failed": found[NoticeState.FAILED],
    }


def try_again() -> int:
    """Let mails that failed, or that are unconfirmed, be sent again. Return their number."""
    now = clock.now()
    # A process may still wait for the answer to a later one.
    silent = Q(state=NoticeState.HANDED_OVER, handed_over_at__lt=now - 2 * ANSWERED_IN)
    again = Notice.objects.filter(silent | Q(state=NoticeState.FAILED))
    return again.update(state=NoticeState.WAITING, created_at=now, due_at=now, error="")


def _next() -> Notice | None:
    """Return the mail that is due for the longest time, which no other process then tries."""
    while True:
        now = clock.now()
        due = Notice.objects.filter(state=NoticeState.WAITING, due_at__lte=now)
        notice = due.select_related("user").order_by("due_at", "pk").first()
        if notice is None:
            return None
        attempt = notice.attempts + 1
        if _waiting(notice).update(attempts=attempt, due_at=now + LEASE):
            # It may have been given another event before the update, and not after it.
            notice.refresh_from_db(fields=["events", "left_out", "attempts", "due_at"])
            return notice


def _waiting(notice: Notice) -> "QuerySet[Notice]":
    """Return the row, if no other process has made an attempt since it was read."""
    rows = Notice.objects.filter(pk=notice.pk, state=NoticeState.WAITING)
    return rows.filter(attempts=notice.attempts)


def _send(notice: Notice, transport: Transport) -> NoticeState:
    to = address_of(notice.user)
    if not to:
        return _set(notice, NoticeState.FAILED, "The account has no address, or is inactive.")
    try:
        transport.send(build(notice, to=to), hand_over=partial(_hand_over, notice))
    except TakenOver:
        return NoticeState.WAITING
    except Unconfirmed as error:
        return _set(notice, NoticeState.HANDED_OVER, str(error))
    except NotSent as error:
        state = _set_not_sent(notice, error)
        if error.server:
            raise ServerFault(str(error)) from error
        return state
    return _set(notice, NoticeState.SENT)


def _hand_over(notice: Notice) -> None:
    changed = {"state": NoticeState.HANDED_OVER, "handed_over_at": clock.now()}
    if not _waiting(notice).update(**changed):
        raise TakenOver


def _set(notice: Notice, state: NoticeState, error: str = "") -> NoticeState:
    row = Notice.objects.filter(pk=notice.pk, attempts=notice.attempts)
    row.update(state=state, error=clean_text(error, ERROR_LENGTH))
    return state


def _set_not_sent(notice: Notice, error: NotSent) -> NoticeState:
    now = clock.now()
    if error.for_good or now - notice.created_at > TRIED_FOR:
        return _set(notice, NoticeState.FAILED, str(error))
    pause = min(LONGEST_PAUSE, timedelta(seconds=15 * 2 ** min(notice.attempts, 12)))
    # Half of the pause is random, so that mails don't all come back at the same moment.
    due_at = now + pause * (0.5 + random.random() / 2)  # noqa: S311
    Notice.objects.filter(pk=notice.pk, attempts=notice.attempts).update(due_at=due_at)
    return _set(notice, NoticeState.WAITING, str(error))
