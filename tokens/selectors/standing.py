"""Where a token stands, in one query: what every bearer call, refresh, verify and introspect
asks the database before it believes a signature."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any

from django.db.models import DateTimeField, Exists, Max, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone

from tokens.models import BlacklistedToken, Cutoff, OutstandingToken, Session

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.get_fixed_timezone(0))


def password_mark(user: Any) -> str:
    """A digest of the stored password hash: it changes when the password does, and opens
    nothing (the hash itself is salted and slow)."""
    return blake2b(user.password.encode(), digest_size=16, person=b"tokens.session").hexdigest()


@dataclass(frozen=True, slots=True)
class Standing:
    """``token`` is the presented refresh token's row (None for an access token, or an unknown
    jti); ``used_up`` whether simplejwt's blacklist holds it; ``current_ended`` whether it holds
    the session's current token, as after a logout at another service on the same tables."""

    session: Session
    user: Any | None
    token: OutstandingToken | None
    used_up: bool
    current_ended: bool
    cutoff: datetime | None

    @property
    def is_current(self) -> bool:
        """Whether the presented token is the one of its session that may be rotated."""
        return self.token is not None and self.token.pk == self.session.current_id

    @property
    def password_unchanged(self) -> bool:
        return self.user is not None and password_mark(self.user) == self.session.password_mark

    @property
    def cut_off(self) -> bool:
        return self.cutoff is not None and self.session.created_at < self.cutoff


def _latest(**whose: object) -> Coalesce:
    rows = Cutoff.objects.filter(**whose).order_by("-not_before").values("not_before")[:1]
    return Coalesce(Subquery(rows), EPOCH, output_field=DateTimeField())


def latest_cutoff(*, user: Any) -> datetime:
    """The cut-off in force for ``user``: the later of his own and everybody's; 1970 if none."""
    rows = Cutoff.objects.filter(Q(user=user) | Q(user=None))
    return rows.aggregate(latest=Max("not_before"))["latest"] or EPOCH


def standing(*, sid: uuid.UUID, jti: str | None = None, lock: bool = False) -> Standing | None:
    """Session, user, cut-off and (for a refresh token's ``jti``) token of a session, or None
    where the session is unknown. ``lock`` holds the session's row until the transaction ends.
    """
    if lock:
        # A statement of its own: a locking read that had to wait goes on with the joined rows
        # of its old snapshot (READ COMMITTED re-checks only the locked row), and would not see
        # the successor that the other transaction has just written.
        held = Session.objects.select_for_update(no_key=True).filter(pk=sid)
        if not held.values_list("pk").first():
            return None
    sessions = Session.objects.filter(pk=sid).select_related("user", "current")
    session = sessions.annotate(
        cutoff=Greatest(_latest(user=None), _latest(user=OuterRef("user"))),
        current_ended=Exists(BlacklistedToken.objects.filter(token=OuterRef("current"))),
    ).first()
    if session is None:
        return None
    token = None
    if jti is not None:
        token = (
            OutstandingToken.objects.filter(jti=jti, membership__session=session)
            .annotate(used_up=Exists(BlacklistedToken.objects.filter(token=OuterRef("pk"))))
            .first()
        )
    return Standing(
        session=session,
        user=session.user,
        token=token,
        used_up=bool(token and token.used_up),
        current_ended=session.current_ended,
        cutoff=session.cutoff,
    )
