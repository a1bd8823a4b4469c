"""One refresh token for the next (RFC 9700, section 4.14.2).

The session's row is locked for the length of one transaction, so of any number of clients that
present one token, one gets a successor; within the grace the others get that same successor.
"""

from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from tokens import audit
from tokens.issuing import IssuedPair
from tokens.models import BlacklistedToken, Event, Kind, OutstandingToken, Session, SessionToken
from tokens.origin import Origin, acting_from, current_origin
from tokens.revocation import revoke_session
from tokens.selectors.standing import Standing
from tokens.selectors.statement import fetch_one
from tokens.signing import REFRESH, access_for, at_rest, instant, sign, stored, successor
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
    session = standing.session
    now = timezone.now()
    token = successor(claims=claims, expires_at=session.expires_at)
    signed = sign(token)
    following = OutstandingToken(
        user=standing.user,
        jti=token["jti"],
        token=at_rest(signed),
        created_at=now,
        expires_at=instant(token.payload, "exp"),
    )
    session.previous_id = session.current_id
    session.rotated_at = session.last_used_at = now
    session.ends_at = following.expires_at
    session.rotations += 1
    if where.ip is not None:
        # Where the session is now; where it was at each step stands in the events.
        session.ip, session.user_agent = where.ip, where.user_agent[:512]
    event = _line(Kind.REFRESH, standing, jti=following.jti, presented=claims["jti"])
    write = _write_at_once if connection.vendor == "postgresql" else _write_in_steps
    write(session, following, event)
    access = access_for(refresh=token, expires_at=session.expires_at)
    return IssuedPair(session, signed, sign(access))


MOVED = ("previous", "current", "rotated_at", "last_used_at", "ends_at", "rotations")
SEEN = ("ip", "user_agent")


def _write_in_steps(session: Session, following: OutstandingToken, event: dict[str, Any]) -> None:
    BlacklistedToken.objects.create(token_id=session.previous_id)
    following.save(force_insert=True)
    SessionToken.objects.create(token=following, session=session)
    session.current = following
    session.save(update_fields=[*MOVED, *SEEN])
    audit.record(**event)


def _write_at_once(session: Session, following: OutstandingToken, event: dict[str, Any]) -> None:
    """`_write_in_steps` as one statement: a refresh waits for each round trip, and five of them
    with their planning cost more than all else that it does."""
    telling, told = audit.as_insert(audit.unwritten(**event))
    now = session.rotated_at
    row = fetch_one(
        AT_ONCE.format(event=telling, **_tables()),
        [
            *(session.previous_id, now),
            *(following.user_id, following.jti, following.token, now, following.expires_at),
            session.pk,
            *told,
            *(session.previous_id, now, now, session.ends_at, session.rotations),
            *(_ip(session.ip), session.user_agent, session.pk),
        ],
    )
    if row is None:
        raise LookupError("a session went while its row was locked")
    following.pk = row[0]
    session.current = following


AT_ONCE = """
WITH used AS (INSERT INTO {blacklist} (token_id, blacklisted_at) VALUES (%s, %s)),
following AS (INSERT INTO {outstanding} (user_id, jti, token, created_at, expires_at)
    VALUES (%s, %s, %s, %s, %s) RETURNING id),
membership AS (INSERT INTO {membership} (token_id, session_id) SELECT id, %s FROM following),
event AS ({event})
UPDATE {session} s SET previous_id = %s, current_id = following.id, rotated_at = %s,
    last_used_at = %s, ends_at = %s, rotations = %s, ip = %s, user_agent = %s
FROM following WHERE s.id = %s RETURNING following.id"""


def _tables() -> dict[str, str]:
    quote = connection.ops.quote_name
    return {
        "blacklist": quote(BlacklistedToken._meta.db_table),
        "outstanding": quote(OutstandingToken._meta.db_table),
        "membership": quote(SessionToken._meta.db_table),
        "session": quote(Session._meta.db_table),
    }


def _ip(value: str | None) -> Any:
    return connection.ops.adapt_ipaddressfield_value(value)


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
