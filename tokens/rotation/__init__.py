"""One refresh token for the next (RFC 9700, section 4.14.2).

Of any number of clients that present one token, one gets a successor: its session's row is locked
while it is used up, and only the session's current token can be. Within the grace the others get
that same successor.
"""

from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from tokens import audit
from tokens.issuing import IssuedPair
from tokens.models import Event, Kind
from tokens.origin import Origin, acting_from, current_origin
from tokens.revocation import revoke_session
from tokens.rotation.step import Step, take_at_once, take_under_lock
from tokens.selectors.standing import Standing
from tokens.signing import REFRESH, access_for, sign, stored
from tokens.verdict import Refused, Verdict, claims_of, judge

REUSE_REASON = "a used-up refresh token was presented again"


def rotate(*, refresh: str, origin: Origin | None = None) -> IssuedPair:
    """The successor of ``refresh``, and an access token with it.

    Raises `tokens.verdict.Refused` where the token is not good. A reuse has by then revoked its
    session for good: that is committed before the refusal is raised.
    """
    where = origin or current_origin()
    claims = claims_of(token=refresh, expected=REFRESH)
    with acting_from(where):
        if connection.vendor == "postgresql" and (pair := _at_once(claims, where)):
            return pair
        with transaction.atomic():
            verdict = judge(claims=claims, lock=True)
            if standing := _good(verdict):
                step = Step.of(standing, claims, where)
                take_under_lock(step, audit.unwritten(**_taken(step)))
                return step.pair
            if verdict.active and verdict.standing is not None:
                return _repeat(verdict.standing, claims)
            if verdict.reuse and verdict.standing is not None:
                _end_family(verdict.standing, claims)
    raise Refused(verdict)


def _at_once(claims: dict[str, Any], where: Origin) -> IssuedPair | None:
    """The way of nearly every refresh: look, then take the step by one statement that does
    nothing where somebody else has moved the session in between. None where it did nothing, or
    where the token is not simply good: that is then judged again, under the lock."""
    standing = _good(judge(claims=claims))
    if standing is None:
        return None
    step = Step.of(standing, claims, where)
    event = audit.unwritten(**_taken(step))
    if not take_at_once(step, event):
        return None
    audit.announce(event)
    return step.pair


def _good(verdict: Verdict) -> Standing | None:
    """Where the token stands, if it may be rotated; not for the retry of one that was."""
    return verdict.standing if verdict.active and not verdict.retry else None


def _taken(step: Step) -> dict[str, Any]:
    return _line(Kind.REFRESH, step.standing, jti=step.following.jti, presented=step.claims["jti"])


def _repeat(standing: Standing, claims: dict[str, Any]) -> IssuedPair:
    """A retry of the direct predecessor: the same successor once more, signed again from what
    was kept of it, so that a lost response logs nobody out and the family never branches."""
    session = standing.session
    current = session.current
    if current is None:
        raise LookupError("a session without a current token was judged good")
    token = stored(text=current.token)
    # A fresh access token goes out: how long it lives is counted from here.
    session.last_used_at = timezone.now()
    session.save(update_fields=["last_used_at"])
    _record(Kind.REFRESH_RETRY, standing, jti=current.jti, presented=claims["jti"])
    access = access_for(refresh=token, expires_at=session.expires_at)
    return IssuedPair(session, sign(token), sign(access))


def _end_family(standing: Standing, claims: dict[str, Any]) -> None:
    """Reuse: either the thief or the owner is one too late, and nobody can tell which."""
    jti = claims["jti"]
    ended = revoke_session(
        session=standing.session, actor=None, reason=REUSE_REASON, kind=Kind.REUSE, jti=jti
    )
    # Told once for each token: whoever repeats a dead one must not fill the trail with it.
    if not ended and not Event.objects.filter(jti=jti, kind=Kind.REUSE).exists():
        _record(Kind.REUSE, standing, jti=jti, presented=jti, count=0)


def _record(kind: Kind, standing: Standing, *, jti: str, presented: str, count: int = 1) -> None:
    audit.record(**_line(kind, standing, jti=jti, presented=presented, count=count))


def _line(
    kind: Kind, standing: Standing, *, jti: str, presented: str, count: int = 1
) -> dict[str, Any]:
    """The arguments of an event, for `tokens.audit`."""
    return {
        "kind": kind,
        "actor": None if kind is Kind.REUSE else standing.user,
        "subject": standing.user,
        "subject_name": standing.session.username,
        "session": standing.session.pk,
        "jti": jti,
        "count": count,
        "data": {} if presented == jti else {"presented": presented},
    }
