"""Review a revocation: count what it would end, and decide whether the actor may revoke it.

Every page, the admin, the API and the jobs ask here. `CUT_OFF` is needed for whatever reaches
everybody, and `REVOKE_SUPERUSER` for superusers. The system (actor None) and users who end their
own sessions need neither.
"""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.db.models import Count, F, Q, QuerySet

from tokens import audit
from tokens.conf import app_settings
from tokens.db import clock
from tokens.jwt.signing import access_lifetime
from tokens.listing.search import UserKey
from tokens.listing.selection import (
    Selection,
    existing,
    selected_browser_users,
    selected_foreign_tokens,
    selected_sessions,
)
from tokens.listing.status import has_field
from tokens.listing.users import superusers
from tokens.models import Kind, OutstandingToken, Session
from tokens.origin import Actor, acting_browser, may
from tokens.permissions import CUT_OFF, REVOKE_SUPERUSER, VIEW_SESSIONS
from tokens.validation.browser import CUTOFF, has_fresh_proof, with_browser_cutoff
from tokens.validation.legacy import transition_over

# Naming this many rows is a choice of these rows, even if no one else is logged in.
FEW = 25
SAMPLE = 10
# A review counts up to this many sessions. A larger number would change no decision.
CAP = 10_000
# A job revokes more than this many sessions and tokens without a session, so that the request
# doesn't wait for them.
LONG = 1000
# Above this many sessions, the number must be typed, so that one click can't revoke too many.
TYPED_ABOVE = 25


@dataclass(frozen=True, slots=True)
class Preview:
    """Hold the numbers that a review shows.

    ``last_used_at`` is the last use of any of these sessions. ``sample`` holds the most recently
    used ones, ``owners`` the keys of the users. ``more`` says that the count stopped at `CAP`,
    ``spares_superusers`` that the selection leaves out sessions of superusers, and ``browsers``
    that browser sessions, which are not counted, may end too.
    """

    tokens: int
    sessions: int
    users: int
    last_used_at: datetime | None
    sample: tuple[Session, ...]
    owners: frozenset[UserKey] = frozenset()
    more: bool = False
    spares_superusers: bool = False
    browsers: bool = False

    def __bool__(self) -> bool:
        return bool(self.sessions or self.tokens or self.browsers)

    @property
    def unlisted(self) -> int:
        """Return the number of counted sessions that are not in ``sample``."""
        return self.sessions - len(self.sample)

    @property
    def last_access(self) -> datetime | None:
        """Return until when a service that verifies tokens by itself may accept an access token.

        None if that instant has passed.
        """
        if self.last_used_at is None:
            return None
        until = self.last_used_at + access_lifetime()
        return until if until > clock.now() else None


def preview(*, selection: Selection) -> Preview:
    """Count what `revoke_matching` would end now, up to `CAP` sessions.

    Each live session has one token that ends with it.
    """
    sessions = selected_sessions(selection=selection).order_by()
    # One query reads the sessions; some selections have to look through all of them.
    rows = list(sessions.values_list("last_used_at", "pk", "user_id")[: CAP + 1])
    more, rows = len(rows) > CAP, rows[:CAP]
    newest = [pk for _used, pk, _user in heapq.nlargest(SAMPLE, rows, key=lambda row: row[:2])]
    # Among so many sessions, the most recently used ones are found quickly.
    named = sessions if more else Session.objects.filter(pk__in=newest)
    sample = tuple(named.select_related("user").order_by("-last_used_at")[:SAMPLE])
    foreign = selected_foreign_tokens(selection=selection).order_by()
    of_foreign = list(foreign.values_list("user_id", flat=True)[:CAP])
    owners = frozenset((*of_foreign, *(user for _used, _pk, user in rows))) - {None}
    return Preview(
        tokens=len(rows) + len(of_foreign),
        sessions=len(rows),
        users=len(owners),
        owners=owners,
        last_used_at=sample[0].last_used_at if sample else None,
        sample=sample,
        more=more,
        spares_superusers=_spares_superusers(selection),
        browsers=selection.whole_users
        and (bool(rows or of_foreign) or may_end_browsers(selection=selection)),
    )


def review(*, selection: Selection, actor: Actor, found: Preview) -> Preview:
    """Return as much of a preview as ``actor`` may see, and record who looked.

    ``found`` is the preview of ``selection``. What was named but does not exist is not recorded,
    and a review that shows nothing else writes no event. Names and devices need `VIEW_SESSIONS`;
    without it only the counts are shown.
    """
    if known := existing(selection=selection):
        audit.record(
            kind=Kind.CLAIMS_VIEWED,
            actor=actor,
            session=known.sessions[0] if len(selection.sessions) == 1 else None,
            jti=known.jtis[0] if len(selection.jtis) == 1 else "",
            count=found.sessions,
            data={"review": known.as_json()},
        )
    return found if may_see_rows(actor) else replace(found, sample=())


def may_see_rows(actor: Actor) -> bool:
    """Return whether ``actor`` may see whose sessions they are."""
    return actor is None or may(actor, VIEW_SESSIONS)


def count_all(*, selection: Selection) -> Preview:
    """Count without a limit and without a sample, for a caller that works through everything."""
    sessions = selected_sessions(selection=selection).order_by()
    foreign = selected_foreign_tokens(selection=selection).order_by()
    counted = sessions.aggregate(sessions=Count("pk"), users=Count("user", distinct=True))
    tokens = counted["sessions"]
    if without_session := foreign.count():
        tokens += without_session
        owners = foreign.exclude(user=None).values_list("user_id", flat=True)
        of_sessions = sessions.exclude(user=None).values_list("user_id", flat=True)
        counted["users"] = of_sessions.union(owners).count()
    return Preview(**counted, tokens=tokens, last_used_at=None, sample=())


def _spares_superusers(selection: Selection) -> bool:
    """Return whether the selection would hold sessions of superusers if it did not spare them."""
    if not selection.spare_superusers:
        return False
    unspared = selected_sessions(selection=replace(selection, spare_superusers=False))
    return unspared.filter(Q(user__in=superusers())).order_by().exists()


def may_end_browsers(*, selection: Selection) -> bool:
    """Tell whether a selection of whole users may end a browser session, not counting this one."""
    users = selected_browser_users(selection=selection)
    if not selection.users and has_field("last_login"):
        browser = acting_browser()
        users = with_browser_cutoff(users).filter(last_login__gt=F(CUTOFF))
        users = users.exclude(pk=browser.user.pk) if browser is not None else users
    return users.exists()


# --- What an actor may revoke, and what else that takes.


def needs_proof(*, actor: Actor, selection: Selection, found: Preview) -> bool:
    """Return whether an act reaches so far that ``actor`` has to prove again who they are.

    A fresh proof in the acting browser session is enough. ``found`` is the preview of
    ``selection``.
    """
    if actor is None or _only_own(selection, actor):
        return False
    browser = acting_browser()
    # A call with a token of one person may come with a cookie of another.
    if browser is not None and browser.user.pk == actor.pk and has_fresh_proof(browser.session):
        return False
    if _is_above(app_settings.STEP_UP_OVER, found) or reaches_everybody(
        selection=selection, found=found, actor=actor
    ):
        return True
    others = {*found.owners, *selection.users} - {actor.pk}
    if selection.spare_superusers or not others:
        return False
    return superusers().filter(Q(pk__in=others)).exists()


def needs_approval(*, actor: Actor, selection: Selection, found: Preview) -> bool:
    """Return whether an act reaches so far that a second person has to approve it.

    ``found`` is the preview of ``selection``. One thing never does.
    """
    if actor is None or (selection.named == 1 and found.tokens <= 1):
        return False
    most = app_settings.TWO_PERSON_OVER
    if not most or _only_own(selection, actor):
        return False
    return _is_above(most, found) or reaches_everybody(
        selection=selection, found=found, actor=actor
    )


def _is_above(most: int, found: Preview) -> bool:
    """Return whether more than ``most`` sessions would end, as far as a review counts them."""
    return max(found.sessions, found.tokens) > min(most, CAP - 1)


def reaches_everybody(*, selection: Selection, found: Preview, actor: Actor) -> bool:
    """Return whether a selection leaves out at most a handful of the live sessions of others.

    What the actor has is not counted: leaving it out changes nothing for all the others. Sessions
    that are opened later are not counted either. How the selection is spelled makes no difference.
    A few named rows, and what one user has, are never everybody's. Where others have no sessions,
    the same holds for their legacy tokens, and for their browser sessions.

    ``found`` is the preview of ``selection``.
    """
    unfiltered = selection.matching is not None and selection.matching.everything_live
    if selection.everything or (unfiltered and not selection.named):
        return True
    if selection.empty or 0 < selection.named <= FEW:
        return False
    spans = selection.matching is not None and selection.matching.spans_everything
    if not spans and found.users < 2 and not selection.whole_users:
        return False
    sessions, *others = _reached(selection, actor)
    if not sessions.leaves_out_a_handful():
        return False
    return (
        spans
        or sessions.of_several()
        or any(rows.of_several() and rows.leaves_out_a_handful() for rows in others)
    )


def handful(reached: int) -> int:
    """Return how many rows a selection may leave out and still reach everybody.

    A choice of up to `FEW` rows is a choice of these rows, unless it leaves out no other.
    """
    return 0 if reached <= FEW else max(FEW, reached // 10)


@dataclass(frozen=True, slots=True)
class _Reached:
    """Hold what a selection ends of all but the actor, and what they have, of one sort of rows.

    ``owner`` is the lookup of the user.
    """

    chosen: "QuerySet[Any]"
    every: "QuerySet[Any]"
    owner: str

    def of_several(self) -> bool:
        """Return whether what it ends belongs to more than one user."""
        owners = self.chosen.exclude(**{self.owner: None}).values(self.owner)
        return owners.distinct()[:2].count() > 1

    def leaves_out_a_handful(self) -> bool:
        """Return whether at most a handful stays."""
        reached = self.chosen.count()
        most = reached + handful(reached)
        return self.every.values("pk")[: most + 1].count() <= most


def _reached(selection: Selection, actor: Actor) -> Iterator[_Reached]:
    """Yield the sessions, and then what else there may be."""
    everybody = Selection(everybody=True, spare_superusers=selection.spare_superusers)
    sorts: list[tuple[Callable[..., QuerySet[Any]], str]] = [(selected_sessions, "user")]
    if not transition_over():
        sorts.append((selected_foreign_tokens, "user"))
    if selection.whole_users:
        sorts.append((selected_browser_users, "pk"))
    for rows, owner in sorts:
        chosen, every = rows(selection=selection).order_by(), rows(selection=everybody).order_by()
        if actor is not None:
            chosen, every = (one.exclude(**{owner: actor.pk}) for one in (chosen, every))
        yield _Reached(chosen, every, owner)


def missing_permission(*, actor: Actor, selection: Selection, found: Preview) -> str:
    """Return the permission that ``actor`` lacks to revoke ``selection``, or an empty text."""
    if _spares(actor) and _is_superusers(selection, actor):
        return REVOKE_SUPERUSER
    if _may(actor, CUT_OFF):
        return ""
    everybody = reaches_everybody(selection=selection, found=found, actor=actor)
    return CUT_OFF if everybody else ""


def within_authority(*, actor: Actor, selection: Selection) -> Selection:
    """Return the part of ``selection`` that ``actor`` may revoke.

    Without `REVOKE_SUPERUSER`, the sessions of superusers are left out.
    """
    own = _only_own(selection, actor)
    return replace(selection, spare_superusers=True) if _spares(actor) and not own else selection


def may_revoke(*, actor: Actor, user: AbstractBaseUser | None) -> bool:
    """Return whether ``actor`` may revoke sessions of ``user``, as far as superusers go."""
    if user is None or actor is None or actor.pk == user.pk:
        return True
    return not getattr(user, "is_superuser", False) or not _spares(actor)


def require(*, actor: Actor, user: AbstractBaseUser | None) -> None:
    """Raise PermissionDenied unless `may_revoke`."""
    if not may_revoke(actor=actor, user=user):
        raise PermissionDenied


def _may(actor: Actor, permission: str) -> bool:
    return actor is None or may(actor, permission)


def _spares(actor: Actor) -> bool:
    return not _may(actor, REVOKE_SUPERUSER)


def _only_own(selection: Selection, actor: Actor) -> bool:
    """Return whether the selection names the actor alone."""
    return actor is not None and selection.users == (actor.pk,) and selection.named == 1


def _is_superusers(selection: Selection, actor: Actor) -> bool:
    """Return whether the selection names one thing, and that is another superuser's."""
    if selection.named != 1 or selection.matching is not None:
        return False
    owners: object
    if selection.users:
        owners = selection.users
    elif selection.sessions:
        owners = Session.objects.filter(pk=selection.sessions[0]).values("user_id")
    else:
        owners = OutstandingToken.objects.filter(jti=selection.jtis[0]).values("user_id")
    others = superusers().filter(Q(pk__in=owners))
    return others.exclude(pk=actor.pk if actor is not None else None).exists()
