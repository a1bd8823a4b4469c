"""Ending all of a user costs a handful of statements, however much it is."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.support.bulk_sessions import hold
from tokens.models import BlacklistedToken
from tokens.revocation import revoke_user

MANY = 10_000


def statements(user):
    with CaptureQueriesContext(connection) as seen:
        ended = revoke_user(user=user, actor=None, reason="left the company")
    return ended, len(seen)


def test_revoking_ten_thousand_tokens_takes_as_many_statements_as_one(alice, bob):
    hold(alice, MANY)
    hold(bob, 1)
    ended, many = statements(alice)
    _, one = statements(bob)
    assert (ended.tokens, ended.sessions, ended.users) == (MANY, MANY, 1)
    assert BlacklistedToken.objects.filter(token__user=alice).count() == MANY
    assert many == one
    # SQLite reads the sessions that ended, and inserts them beside the event, with one more each.
    assert many <= (12 if connection.vendor == "postgresql" else 13)


@pytest.mark.postgresql
def test_revoking_a_user_writes_to_no_index_of_sessions(alice):
    hold(alice, 4)
    counters = (
        "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_xact_user_tables"
        " WHERE relname = 'tokens_session'"
    )
    with connection.cursor() as cursor:
        # They may still hold what an earlier transaction of this connection did.
        cursor.execute(counters)
        updated, in_place = cursor.fetchone()
        assert revoke_user(user=alice, actor=None, reason="left the company").sessions == 4
        cursor.execute(counters)
        assert cursor.fetchone() == (updated + 4, in_place + 4)
        cursor.execute("SELECT reloptions FROM pg_class WHERE relname = 'tokens_session'")
        assert cursor.fetchone() == (["fillfactor=80"],)
