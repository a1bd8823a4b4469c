"""Ending all of a user costs a handful of statements, however much it is."""

import pytest
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


@pytest.mark.postgresql
def test_it_writes_into_no_index_of_sessions(alice):
    hold(alice, 4)
    with connection.cursor() as cursor:
        assert revoke_user(user=alice, actor=None, reason="left the company").sessions == 4
        cursor.execute(
            "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_xact_user_tables"
            " WHERE relname = 'tokens_session'"
        )
        assert cursor.fetchone() == (4, 4)
        cursor.execute("SELECT reloptions FROM pg_class WHERE relname = 'tokens_session'")
        assert cursor.fetchone() == (["fillfactor=80"],)
