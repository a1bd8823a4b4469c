"""Ending all of a user costs a handful of statements, however much it is."""

import uuid
from datetime import timedelta

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tokens.models import BlacklistedToken, OutstandingToken, Session, SessionToken
from tokens.revocation import revoke_user

MANY = 10_000


def hold(user, number):
    now = timezone.now()
    tokens = OutstandingToken.objects.bulk_create(
        OutstandingToken(
            user=user, jti=uuid.uuid4().hex, token="h.p.", created_at=now,
            expires_at=now + timedelta(days=7),
        )
        for _ in range(number)
    )  # fmt: skip
    sessions = Session.objects.bulk_create(
        Session(
            user=user, username=user.username, created_at=now, last_used_at=now, current=token,
            expires_at=now + timedelta(days=30), ends_at=token.expires_at,
        )
        for token in tokens
    )  # fmt: skip
    SessionToken.objects.bulk_create(
        SessionToken(token=token, session=session)
        for token, session in zip(tokens, sessions, strict=True)
    )


def statements(user):
    with CaptureQueriesContext(connection) as seen:
        ended = revoke_user(user=user, actor=None, reason="left the company")
    return ended, len(seen)


def test_ten_thousand_tokens_take_the_statements_of_one(alice, bob):
    hold(alice, MANY)
    hold(bob, 1)
    ended, many = statements(alice)
    _, one = statements(bob)
    assert (ended.tokens, ended.sessions, ended.users) == (MANY, MANY, 1)
    assert BlacklistedToken.objects.filter(token__user=alice).count() == MANY
    assert many == one
    assert many <= 10
