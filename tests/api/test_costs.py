"""What the calls that every user waits for cost in statements and commits."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bench.statements import count
from tests.support.people import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)

# PostgreSQL takes what SQLite, which waits for nothing, is told one by one.
COSTS = {
    "postgresql": {"login": (5, 3), "restricted": (1, 0), "refresh": (2, 1)},
    "sqlite": {"login": (8, 3), "restricted": (1, 0), "refresh": (6, 1)},
}[connection.vendor]


def cost(act):
    with CaptureQueriesContext(connection) as seen:
        assert act().status_code == 200
    counted = count([query["sql"].strip() for query in seen.captured_queries])
    return counted["statements"], counted["commits"]


def test_statements_and_commits(client, alice):
    def post(name, **body):
        return client.post(f"/api/{name}", body, content_type="application/json")

    def login():
        return post("login", username="alice", password=PASSWORD)

    pair = login().json()
    bearer = {"headers": {"Authorization": f"Bearer {pair['access']}"}}
    assert {
        "login": cost(login),
        "restricted": cost(lambda: client.get("/api/restricted", **bearer)),
        "refresh": cost(lambda: post("refresh", refresh=pair["refresh"])),
    } == COSTS
