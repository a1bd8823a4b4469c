"""Insert thousands of live sessions and their login events without logging in."""

import uuid
from datetime import timedelta
from typing import Any

from django.utils import timezone

from tokens.models import Event, Kind, OutstandingToken, Session, SessionToken

AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "okhttp/4.12.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/17.5 Mobile Safari/604.1",
)


def hold(user: Any, number: int) -> list[Session]:
    """Create ``number`` live sessions of ``user`` with a token each, the newest last."""
    now = timezone.now()
    made = [now - timedelta(seconds=number - at) for at in range(number)]
    tokens = OutstandingToken.objects.bulk_create(
        OutstandingToken(
            user=user, jti=uuid.uuid4().hex, token="h.p.", created_at=at,
            expires_at=at + timedelta(days=7),
        )
        for at in made
    )  # fmt: skip
    sessions = Session.objects.bulk_create(
        Session(
            user=user, username=user.username, created_at=token.created_at,
            last_used_at=token.created_at, current=token, ip=f"198.51.100.{at % 200}",
            user_agent=AGENTS[at % len(AGENTS)], expires_at=now + timedelta(days=30),
            ends_at=token.expires_at,
        )
        for at, token in enumerate(tokens)
    )  # fmt: skip
    SessionToken.objects.bulk_create(
        SessionToken(token=token, session=session)
        for token, session in zip(tokens, sessions, strict=True)
    )
    return sessions


def logged(user: Any, sessions: list[Session]) -> None:
    """Create the events of those logins."""
    Event.objects.bulk_create(
        Event(
            kind=Kind.LOGIN, at=one.created_at, actor=user, actor_name=user.username, subject=user,
            subject_name=user.username, session_id=one.pk, jti=one.current.jti, ip=one.ip,
            user_agent=one.user_agent,
        )
        for one in sessions
        if one.current
    )  # fmt: skip
