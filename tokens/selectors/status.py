"""The one definition of `status`.

A token is exactly one of: ``rotated`` (used up for its successor), ``revoked`` (ended on
purpose, or its session, user or a cut-off ended it), ``expired``, ``active``. A session has the
same states less ``rotated``.
"""

from django.contrib.auth import get_user_model
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
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tokens.models import BlacklistedToken, Cutoff, OutstandingToken, Session


class Status(TextChoices):
    ACTIVE = "active", _("active")
    REVOKED = "revoked", _("revoked")
    ROTATED = "rotated", _("rotated")
    EXPIRED = "expired", _("expired")


def _latest_cutoff(**whose: object) -> Subquery:
    rows = Cutoff.objects.filter(**whose).order_by("-not_before").values("not_before")[:1]
    return Subquery(rows, output_field=DateTimeField())


def _cut_off(prefix: str) -> Q:
    """Opened before the latest cut-off of its user, or of everybody."""
    created = f"{prefix}created_at__lt"
    return Q(**{created: _latest_cutoff(user=None)}) | Q(
        **{created: _latest_cutoff(user=OuterRef(f"{prefix}user"))}
    )


def seems_revoked(*, path: str = "pk", session: str) -> Q:
    """What can be ``revoked``, for a look at many rows: subqueries where `with_token_status`
    joins, and of one row each, or the planner may read all users for a few thousand rows.
    ``path`` leads to the token, and ``session`` to its session's fields."""
    users = get_user_model()._default_manager.order_by()
    active = Subquery(users.filter(pk=OuterRef("user")).values("is_active")[:1])
    return (
        Q(**{f"{session}revoked_at__isnull": False})
        | Exists(BlacklistedToken.objects.filter(token=OuterRef(path)))
        | Q(user=None)
        | Q(Exact(active, Value(False)))
        | _cut_off(session)
    )


def with_token_status(tokens: "QuerySet[OutstandingToken]") -> "QuerySet[OutstandingToken]":
    """Annotate ``status`` (a `Status`) and ``session_id``."""
    now = timezone.now()
    session = "membership__session__"
    judged: QuerySet[OutstandingToken] = tokens.annotate(
        session_id=F("membership__session_id"),
        used_up=Exists(BlacklistedToken.objects.filter(token=OuterRef("pk"))),
        status=Case(
            When(
                # Whether or not simplejwt's blacklist still says so: a row deleted there brings
                # nothing back.
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
            When(Q(user=None) | Q(user__is_active=False), then=Value(Status.REVOKED)),
            When(_cut_off(session), then=Value(Status.REVOKED)),
            default=Value(Status.ACTIVE),
            output_field=CharField(),
        ),
    )
    return judged


def with_session_status(sessions: "QuerySet[Session]") -> "QuerySet[Session]":
    """Annotate ``status``: active, revoked or expired."""
    now = timezone.now()
    return sessions.annotate(
        status=Case(
            When(revoked_at__isnull=False, then=Value(Status.REVOKED)),
            When(
                Exists(BlacklistedToken.objects.filter(token=OuterRef("current"))),
                then=Value(Status.REVOKED),
            ),
            When(
                Q(expires_at__lte=now) | Q(current=None) | Q(current__expires_at__lte=now),
                then=Value(Status.EXPIRED),
            ),
            When(Q(user=None) | Q(user__is_active=False), then=Value(Status.REVOKED)),
            When(_cut_off(""), then=Value(Status.REVOKED)),
            default=Value(Status.ACTIVE),
            output_field=CharField(),
        ),
    )


def live(sessions: "QuerySet[Session]") -> "QuerySet[Session]":
    """The sessions that have something to end: not revoked, not past their end. A session that
    a cut-off has killed but nobody has settled yet is among them."""
    found: QuerySet[Session] = sessions.filter(revoked_at=None, expires_at__gt=timezone.now())
    return found
