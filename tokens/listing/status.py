"""Define the status of tokens and sessions, and which of them are live.

A token is exactly one of: ``rotated`` (used up for its successor), ``revoked`` (it was revoked, or
its session, its user or a cutoff ended it), ``expired``, ``active``. A session is never
``rotated``. What is ``active`` is live.
"""

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist
from django.db.models import (
    Case,
    CharField,
    DateTimeField,
    Exists,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    TextChoices,
    Value,
    When,
)
from django.db.models.lookups import Exact
from django.utils.translation import gettext_lazy as _

from tokens.db import clock
from tokens.models import BlacklistedToken, Cutoff, OutstandingToken, Session


class Status(TextChoices):
    ACTIVE = "active", _("active")
    REVOKED = "revoked", _("revoked")
    ROTATED = "rotated", _("rotated")
    EXPIRED = "expired", _("expired")


def _latest_cutoff(**whose: object) -> Subquery:
    # By its own name, Django would order by the value as it is read, without the index.
    rows = Cutoff.objects.filter(**whose).order_by("-not_before").values(at=F("not_before"))[:1]
    return Subquery(rows, output_field=DateTimeField())


def has_field(name: str) -> bool:
    """Return whether the project's user model has the column ``name``."""
    try:
        return bool(get_user_model()._meta.get_field(name).concrete)
    except FieldDoesNotExist:
        return False


def _user_is_gone() -> Q:
    """Return the condition that the user was deleted or deactivated."""
    gone = Q(user=None)
    return gone | Q(user__is_active=False) if has_field("is_active") else gone


def _cut_off(prefix: str) -> Q:
    """Return the condition that a session was opened before a cutoff of its user or of all.

    With an empty prefix, it is also that a token without a session was issued before.
    """
    created = f"{prefix}created_at__lt"
    return Q(**{created: _latest_cutoff(user=None)}) | Q(
        **{created: _latest_cutoff(user=OuterRef(f"{prefix}user"))}
    )


def seems_revoked(*, path: str = "pk", session: str) -> Q:
    """Return a condition that every revoked row fulfils, for a search through many rows.

    It uses subqueries of one row each where `with_token_status` joins; with joins, the planner
    may read all users for a few thousand rows. ``path`` leads to the token, and ``session`` to
    the fields of its session.
    """
    users = get_user_model()._default_manager.order_by()
    inactive = Q()
    if has_field("is_active"):
        active = Subquery(users.filter(pk=OuterRef("user")).values("is_active")[:1])
        inactive = Q(Exact(active, Value(False)))
    return (
        Q(**{f"{session}revoked_at__isnull": False})
        | Exists(BlacklistedToken.objects.filter(token=OuterRef(path)))
        | Q(user=None)
        | inactive
        | _cut_off(session)
        | (Q(**{f"{session}pk": None}) & _cut_off("") if session else Q())
    )


def with_token_status(tokens: "QuerySet[OutstandingToken]") -> "QuerySet[OutstandingToken]":
    """Annotate ``status`` (a `Status`) and ``session_id``."""
    now = clock.now()
    session = "membership__session__"
    annotated: QuerySet[OutstandingToken] = tokens.annotate(
        session_id=F("membership__session_id"),
        used_up=Exists(BlacklistedToken.objects.filter(token=OuterRef("pk"))),
        status=Case(
            When(
                # This doesn't ask simplejwt's blacklist: deleting a row there must not make a
                # rotated token usable again.
                Q(membership__isnull=False)
                & (Q(**{f"{session}current__isnull": True}) | ~Q(**{f"{session}current": F("pk")})),
                then=Value(Status.ROTATED),
            ),
            When(
                Q(used_up=True) | Q(**{f"{session}revoked_at__isnull": False}),
                then=Value(Status.REVOKED),
            ),
            When(
                Q(expires_at__lte=now) | Q(**{f"{session}expires_at__lte": now}),
                then=Value(Status.EXPIRED),
            ),
            When(_user_is_gone(), then=Value(Status.REVOKED)),
            When(_cut_off(session), then=Value(Status.REVOKED)),
            When(Q(membership__isnull=True) & _cut_off(""), then=Value(Status.REVOKED)),
            default=Value(Status.ACTIVE),
            output_field=CharField(),
        ),
    )
    return annotated


def with_session_status(sessions: "QuerySet[Session]") -> "QuerySet[Session]":
    """Annotate ``status`` with active, revoked or expired."""
    now = clock.now()
    return sessions.annotate(
        status=Case(
            When(revoked_at__isnull=False, then=Value(Status.REVOKED)),
            When(
                Exists(BlacklistedToken.objects.filter(token=OuterRef("current"))),
                then=Value(Status.REVOKED),
            ),
            When(
                # `ends_at` is when the current token expires.
                Q(expires_at__lte=now) | Q(current=None) | Q(ends_at__lte=now),
                then=Value(Status.EXPIRED),
            ),
            When(_user_is_gone(), then=Value(Status.REVOKED)),
            When(_cut_off(""), then=Value(Status.REVOKED)),
            default=Value(Status.ACTIVE),
            output_field=CharField(),
        ),
    )


def live(sessions: "QuerySet[Session]") -> "QuerySet[Session]":
    """Filter for live sessions: those that can be refreshed now, which is the status ``active``.

    Annotates ``status``, and excludes the other two. PostgreSQL expects that few rows equal a
    value of a CASE, and would then read and sort the whole table for each batch of a revocation.
    """
    possible = with_session_status(unended(sessions))
    return possible.filter(~Q(status__in=(Status.REVOKED, Status.EXPIRED)))


def live_foreign(tokens: "QuerySet[OutstandingToken]") -> "QuerySet[OutstandingToken]":
    """Filter for live tokens that belong to no session. Annotates ``status``."""
    return with_token_status(unended_foreign(tokens)).filter(Q(status=Status.ACTIVE))


def unended(sessions: "QuerySet[Session]") -> "QuerySet[Session]":
    """Filter for sessions that are neither revoked nor past their end.

    This includes sessions that a cutoff or a deactivated account has made unusable but that
    aren't marked as revoked yet.
    """
    return before_their_end(sessions).filter(revoked_at=None)


def before_their_end(sessions: "QuerySet[Session]") -> "QuerySet[Session]":
    """Filter for sessions that neither their absolute end nor that of their token has ended."""
    now = clock.now()
    return sessions.filter(expires_at__gt=now, ends_at__gt=now)


def unended_foreign(tokens: "QuerySet[OutstandingToken]") -> "QuerySet[OutstandingToken]":
    """Filter for tokens that belong to no session and are neither blacklisted nor expired."""
    return tokens.filter(
        membership__isnull=True, blacklistedtoken__isnull=True, expires_at__gt=clock.now()
    )
