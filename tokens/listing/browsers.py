"""List the browser sessions of a user that go on."""

import uuid

from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import Exists, OuterRef, Q, QuerySet

from tokens.db import clock
from tokens.models import BrowserCutoff, BrowserSession, Cutoff
from tokens.origin import acting_browser
from tokens.validation.browser import row_id

# A user with more has a program that logs in; people don't read a longer list.
MOST = 100


def live(rows: "QuerySet[BrowserSession]") -> "QuerySet[BrowserSession]":
    """Filter for rows that have not ended. Whether a cutoff ended them is not asked here."""
    return rows.filter(revoked_at=None, ends_at__gt=clock.now())


def browser_sessions(
    *, user: AbstractBaseUser, pk: uuid.UUID | None = None
) -> list[BrowserSession]:
    """Return the browser sessions of ``user`` that go on, or the one with this id.

    The last used are first, and there are at most `MOST`.
    """
    rows = live(BrowserSession.objects.filter(user=user.pk))
    if pk is not None:
        rows = rows.filter(pk=pk)
    later = Q(not_before__gt=OuterRef("valid_from"))
    of_user = Q(user=user.pk)
    uncut = rows.exclude(
        Exists(Cutoff.objects.filter(later, of_user | Q(user=None)))
        | Exists(BrowserCutoff.objects.filter(later, of_user))
    )
    found = uncut.order_by("-last_used_at", "-pk")[:MOST]
    all_but = BrowserCutoff.objects.filter(user=None).values_list("not_before", "spared")
    cutoffs = [at for at, spared in all_but if str(user.pk) not in spared]
    # SQLite takes a row whose id is none.
    return [row for row in found if row.pk and all(row.valid_from >= at for at in cutoffs)]


def has_had(*, user: AbstractBaseUser, pk: uuid.UUID) -> bool:
    """Return whether ``pk`` is a browser session of ``user``, ended or not."""
    return BrowserSession.objects.filter(user=user.pk, pk=pk).exists()


def this_browser() -> uuid.UUID | None:
    """Return the id of the browser session of the current request; None without one."""
    browser = acting_browser()
    return row_id(browser.session) if browser is not None else None
