"""One refresh token for the next (RFC 9700, section 4.14.2).

The session's row is locked for the length of one transaction, so of any number of clients that
present one token, one gets a successor; within the grace the others get that same successor.
"""

from typing import Any

from django.db import transaction
from django.utils import timezone

from tokens import audit
from tokens.issuing import IssuedPair, store
from tokens.models import BlacklistedToken, Event, Kind, SessionToken
from tokens.origin import Origin, acting_from, current_origin
from tokens.revocation import revoke_session
from tokens.selectors.standing import Standing
from tokens.signing import REFRESH, access_for, sign, stored, successor
from tokens.verdict import Refused, claims_of, judge

REUSE_REASON = "a used-up refresh token was presented again"


def rotate(*, refresh: str, origin: Origin | None = None) -> IssuedPair:
    """The successor of ``refresh``, and an access token with it.

    Raises `tokens.verdict.Refused` where the token is not good. A reuse has by then revoked its
    session for good: that is committed before the refusal is raised.
    """
    where = origin or current_origin()
    claims = claims_of(token=refresh, expected=REFRESH)
    with acting_from(where), transaction.atomic():
        verdict = judge(claims=claims, lock=True)
        if verdict.active and verdict.standing is not None:
            if verdict.retry:
                return _repeat(verdict.standing, claims)
            return _advance(verdict.standing, claims, where)
        if verdict.reuse and verdict.standing is not None:
            _end_family(verdict.standing, claims)
    raise Refused(verdict)


def _advance(standing: Standing, claims: dict[str, Any], where: Origin) -> IssuedPair:
    """Use the token up and give out its successor."""
    session, used = standing.session, standing.token
    now = timezone.now()
    token = successor(claims=claims, expires_at=session.expires_at)
    signed, outstanding = store(refresh=token, user=standing.user, now=now)
    SessionToken.objects.create(token=outstanding, session=session)
    BlacklistedToken.objects.create(token=used)
    session.previous, session.current = used, outstanding
    session.rotated_at = session.last_used_at = now
    session.ends_at = outstanding.expires_at
    session.rotations += 1
    changed = ["previous", "current", "rotated_at", "last_used_at", "rotations", "ends_at"]
    if where.ip is not None:
        # Where the session is now; where it was at each step stands in the events.
        session.ip, session.user_agent = where.ip, where.user_agent[:512]
        changed += ["ip", "user_agent"]
    session.save(update_fields=changed)
    _record(Kind.REFRESH, standing, jti=outstanding.jti, presented=claims["jti"])
    access = access_for(refresh=token, expires_at=session.expires_at)
    return IssuedPair(session, signed, sign(access))


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
    audit.record(
        kind=kind,
        actor=None if kind is Kind.REUSE else standing.user,
        subject=standing.user,
        subject_name=standing.session.username,
        session=standing.session.pk,
        jti=jti,
        count=count,
        data={} if presented == jti else {"presented": presented},
    )
