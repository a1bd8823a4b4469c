"""Ending all of a user costs a handful of statements, however much it is."""

from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.support.many import hold
from tokens.models import BlacklistedToken
from tokens.revocation import revoke_user

MANY = 10_000


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
