"""No list, filter or search scans a big table: the database's own plan of every statement says
so, on PostgreSQL with tables that are large enough for the planner to care."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bench.fill.management.commands.fill import make_plan
from bench.fill.rows import ours, shared
from tests.support.lifecycle import pair_of
from tokens.models import OutstandingToken
from tokens.selectors.about import about
from tokens.selectors.activity import last_of
from tokens.selectors.events import SECURITY, events, trail
from tokens.selectors.sessions import sessions
from tokens.selectors.tokens import outstanding_tokens

BIG = (
    "token_blacklist_outstandingtoken", "token_blacklist_blacklistedtoken",
    "tokens_sessiontoken", "tokens_session", "tokens_event", "auth_user",
)  # fmt: skip
TOKENS = 40_000


@pytest.fixture
def filled(db, alice):
    """The bench's own rows on PostgreSQL; SQLite plans by its indexes, with or without rows."""
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
            cursor.execute(f"ANALYZE {table}")
        # These tables are still small enough for a scan to be cheap now and then. Made dear, it
        # is left only where no index would do.
        cursor.execute("SET LOCAL enable_seqscan = off")
    return alice


def scans(statement):
    """The big tables that the plan of ``statement`` reads from end to end."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("EXPLAIN " + statement.replace("%", "%%"), [])
            plan = "\n".join(row[0] for row in cursor.fetchall())
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


def asked():
    now = timezone.now()
    week = now - timedelta(days=7)
    text = ("user7", "user7@example.org", "3fa8", "10.0.0.7")
    sid = "0f0e0d0c-0000-4000-8000-000000000000"
    for status in ("", "active", "revoked", "rotated", "expired"):
        yield f"tokens {status}", outstanding_tokens(status=status).page
    for status in ("", "active", "revoked", "expired"):
        yield f"sessions {status}", sessions(status=status).page
    for q in (*text, sid, sid.replace("-", "")):
        yield f"tokens q={q}", lambda q=q: outstanding_tokens(q=q).page()
        yield f"sessions q={q}", lambda q=q: sessions(q=q).page()
    for narrow in ({"user": 7}, {"ip": "10.0.0.7"}, {"device": "okhttp"}, {"client": "cli"}):
        yield f"tokens {narrow}", outstanding_tokens(**narrow, status="active").page
        yield f"sessions {narrow}", sessions(**narrow, status="active").page
    for name in ("issued", "expires"):
        span = {f"{name}_after": week, f"{name}_before": now}
        yield f"tokens {name}", outstanding_tokens(**span).page
        yield f"sessions {name}", sessions(**span).page
    yield "sessions used", sessions(used_after=week).page
    yield "tokens deep", deep
    for narrow in ({}, {"kind": "revoke_session"}, {"subject": 7}, {"ip": "10.0.0.7"},
                   {"session": sid}, {"jti": "3fa8"}, {"actor": 7}, {"before": week},
                   {"kind": "refresh"}, {"kind": "purged"}, {"subject": (7, 8)},
                   {"kind": "login", "ip": "10.0.0.7"}, {"kind": "refresh", "subject": 7},
                   {"kind": "reuse", "actor": 7, "ip": "10.0.0.7", "after": week}):  # fmt: skip
        yield f"events {narrow}", trail(**narrow).page
    yield "security events", lambda: list(events(kind=SECURITY)[:8])
    yield "last of a kind", lambda: last_of(kind="key_retired")
    if connection.vendor == "postgresql":
        yield "about", lambda: about(OutstandingToken)


def deep():
    page = outstanding_tokens().page(size=1)
    outstanding_tokens().page(cursor=page.older, size=50)


def test_no_statement_of_a_list_scans_a_big_table(filled):
    wrong = []
    for what, ask in asked():
        with CaptureQueriesContext(connection) as seen:
            ask()
        for query in seen.captured_queries:
            if query["sql"].lstrip().upper().startswith("SELECT"):
                wrong += [f"{what}\n{line}" for line in scans(query["sql"])]
    assert not wrong, "\n\n".join(wrong)
