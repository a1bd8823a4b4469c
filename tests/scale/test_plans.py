"""No admin or staff page scans a big table, whatever the filters.

The database's plan of every statement shows it. On PostgreSQL the tables are large enough for the
planner to prefer an index.
"""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bench.fill.load import own_id
from bench.fill.management.commands.fill import make_plan
from bench.fill.rows import ours, shared
from bench.page_names import names
from bench.pages_table import PAGES, REVIEWS
from tests.support.tokens import pair_of
from tokens.listing.estimates import estimate
from tokens.listing.sessions import SessionQuery
from tokens.models import OutstandingToken
from tokens.revocation import revoke_session, revoke_token, revoke_user

BIG = (
    "token_blacklist_outstandingtoken", "token_blacklist_blacklistedtoken",
    "tokens_sessiontoken", "tokens_session", "tokens_event", "auth_user",
)  # fmt: skip
TOKENS = 40_000
# Nothing bounds what these have to look through: no index finds the middle of a text, and a
# device's sessions are all counted.
LOOKED_THROUGH = ("admin: review of a device", "admin: review of a rare device",
                  "admin: review of everybody", "staff: review of a device",
                  "staff: review of everybody")  # fmt: skip


@pytest.fixture
def filled(alice, bob, sam):
    """Fill the tables on PostgreSQL; SQLite plans by its indexes, with or without rows."""
    for _ in range(3):
        pair_of(alice)
    if connection.vendor != "postgresql":
        return alice
    plan = make_plan(tokens=TOKENS, days=20)
    with connection.cursor() as cursor:
        for rows in (*shared(plan), *ours(plan)):
            columns = ", ".join(f'"{name}"' for name in rows.columns)
            cursor.execute(f"INSERT INTO {rows.table} ({columns}) {rows.select}")
        for table in BIG:
            own_id(cursor, table)
            cursor.execute(f"ANALYZE {table}")
        # These tables are still small enough for a scan to be cheap now and then. Made dear, it
        # is left only where no index would do.
        cursor.execute("SET LOCAL enable_seqscan = off")
    return alice


def scans(statement):
    """Return the big tables that the plan of ``statement`` reads from end to end."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            plan = "\n".join(_explain(cursor, statement))
            found = re.findall(r"Seq Scan on (\w+)", plan)
        else:
            cursor.execute("EXPLAIN QUERY PLAN " + statement.replace("%", "%%"), [])
            plan = "\n".join(row[3] for row in cursor.fetchall())
            # In the order of the rowid up to a limit it is a walk, which stops.
            walk = "TEMP B-TREE FOR ORDER" not in plan and re.search(
                r"ORDER BY .* LIMIT \d+( OFFSET \d+)?$", statement
            )
            found = [] if walk else re.findall(r"SCAN (\w+)(?! USING)(?:$|\n)", plan)
    return [f"{table}: {statement}\n{plan}" for table in found if table in BIG]


def _explain(cursor, statement):
    given = len(set(re.findall(r"\$\d+", statement)))
    statement = statement.replace("%", "%%")
    if given:
        # Bound by the server, so planned without the values.
        cursor.execute(f"PREPARE asked AS {statement}", [])
        cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        cursor.execute(f"EXPLAIN EXECUTE asked({', '.join(['NULL'] * given)})", [])
        rows = cursor.fetchall()
        cursor.execute("DEALLOCATE asked")
    else:
        cursor.execute(f"EXPLAIN {statement}", [])
        rows = cursor.fetchall()
    return [row[0] for row in rows]


def scanned(what, ask):
    with CaptureQueriesContext(connection) as seen:
        ask()
    return [
        f"{what}\n{line}"
        for query in seen.captured_queries
        if re.match(
            r"\s*\(?(WITH|SELECT|UPDATE|INSERT INTO \S+ \([^)]*\) SELECT)", query["sql"], re.I
        )
        for line in scans(query["sql"])
    ]


def test_no_page_scans_a_big_table(filled, client, sam):
    client.force_login(sam)
    known = names()
    wrong = []
    for page, address, _stock in (*PAGES, *REVIEWS):
        if page in LOOKED_THROUGH:
            continue

        def load(address=address):
            answer = client.get(address.format(**known))
            assert answer.status_code == 200, address

        wrong += scanned(page, load)
    assert not wrong, f"{len(wrong)}:\n" + "\n\n".join(wrong)


def test_no_revocation_scans_a_big_table(filled, bob):
    first, second = pair_of(filled), pair_of(filled)
    jti = second.session.current.jti
    acts = {
        "token": lambda: revoke_token(jti=jti, actor=bob, reason="lost"),
        "session": lambda: revoke_session(session=first.session, actor=bob, reason="lost"),
        "user": lambda: revoke_user(user=filled, actor=bob, reason="left"),
    }
    wrong = [line for what, act in acts.items() for line in scanned(what, act)]
    assert not wrong, "\n\n".join(wrong)
    assert not SessionQuery(user=filled.pk, status="active").listing().page().rows


@pytest.mark.postgresql
def test_the_size_of_a_table_is_the_planners_estimate(filled):
    assert not scanned("about", lambda: estimate(OutstandingToken))
    assert str(estimate(OutstandingToken)) == "about 40,000"
