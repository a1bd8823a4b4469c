"""Each page and fragment needs the number of queries in `query_counts.json`.

The number is the same at 10 and at 10,000 rows. After an intended change, run
``REWRITE_QUERY_COUNTS=1 pytest tests/staff/test_query_counts.py`` on each database.
"""

import json
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.security.test_access import HTMX, TABLE, Row
from tests.support.bulk_sessions import hold, logged
from tests.support.routes import Things
from tokens.listing.estimates import CAP
from tokens.models import Cutoff, Session
from tokens.sessions.issue import open_session

PINNED = Path(__file__).parent / "query_counts.json"
# What a scrape costs is the exporter's, and an export reads as long as there are rows.
LEFT_OUT = {"/metrics", "/api/staff/events/export?format=jsonl"}


def counted_rows() -> list[Row]:
    """Return every address that shows something to a superuser."""
    return [
        row
        for row in TABLE
        if row.method == "GET" and row.answers["superuser"] == "200" and row.address not in LEFT_OUT
    ]


@pytest.fixture(params=[10, pytest.param(10_000, marks=pytest.mark.slow)], ids=["few", "many"])
def full(request, db, alice, bob, sam) -> Things:
    """Create this many users, sessions, tokens, events and cutoffs.

    Sam has this many sessions, and Bob one of each thing that addresses name.
    """
    number = request.param
    now = timezone.now()
    User.objects.bulk_create(User(username=f"user{at:05}", password="!") for at in range(number))
    for person in (alice, sam):
        logged(person, hold(person, number))
    Cutoff.objects.bulk_create(
        Cutoff(user=alice, not_before=now - timedelta(days=40), actor=sam) for _ in range(number)
    )
    things = Things(bob=bob, sam=sam)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return things


def counts(things: Things, sam: User) -> Iterator[tuple[str, int]]:
    mine = Session.objects.filter(user=sam).order_by("-pk")[0].pk
    bearer = {"Authorization": f"Bearer {open_session(user=sam).access}"}
    client = Client()
    client.force_login(sam)
    for row in counted_rows():
        url = things.spell(row.address, mine=mine)
        kinds = {"": bearer if row.for_scripts else {}}
        if row.address.startswith("/staff/") and "login" not in row.address:
            kinds[" (fragment)"] = HTMX
        for name, headers in kinds.items():
            client.get(url, headers=headers)  # fills what a process remembers
            with CaptureQueriesContext(connection) as seen:
                answer = client.get(url, headers=headers)
            assert answer.status_code == 200, url
            yield row.address + name, sum(not is_second_count(q["sql"]) for q in seen)


def is_second_count(sql: str | None) -> bool:
    """PostgreSQL is asked for an estimate first; only a table that it calls small is counted."""
    return connection.vendor == "postgresql" and f"LIMIT {CAP + 1})" in (sql or "")


def pinned() -> dict[str, int]:
    """One number for both databases, or one for each, by the database's name."""
    read = json.loads(PINNED.read_text()) if PINNED.exists() else {}
    return {
        page: number[connection.vendor] if isinstance(number, dict) else number
        for page, number in read.items()
    }


def pin(found: dict[str, int]) -> None:
    """For the database at hand; where the other one's number differs, both are kept."""
    before = json.loads(PINNED.read_text()) if PINNED.exists() else {}
    after: dict[str, Any] = {}
    for page, number in found.items():
        old = before.get(page, number)
        both = old if isinstance(old, dict) else dict.fromkeys(("postgresql", "sqlite"), old)
        both = {**both, connection.vendor: number}
        after[page] = both if len(set(both.values())) > 1 else number
    PINNED.write_text(json.dumps(after, indent=2) + "\n")


def test_each_page_costs_what_is_pinned(full: Things, sam: User) -> None:
    found = dict(counts(full, sam))
    if os.environ.get("REWRITE_QUERY_COUNTS"):
        pin(found)
    expected = pinned()
    wrong = [
        f"{page}: {found.get(page, 'gone')} queries, {expected.get(page, 'nothing')} pinned"
        for page in {**expected, **found}
        if found.get(page) != expected.get(page)
    ]
    assert not wrong, "\n".join(wrong)
