"""The most frequent calls keep to a number of statements and commits."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.support.users import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)

# PostgreSQL takes what SQLite, which waits for nothing, is told one by one.
COSTS = {
    "postgresql": {"login": (6, 3), "restricted": (1, 0), "refresh": (2, 1)},
    "sqlite": {"login": (9, 3), "restricted": (1, 0), "refresh": (6, 1)},
}[connection.vendor]


def cost(act):
    asked = []

    def note(execute, sql, params, many, context):
        if not sql.startswith("BEGIN"):
            asked.append((sql, connection.in_atomic_block))
        return execute(sql, params, many, context)

    with CaptureQueriesContext(connection) as seen, connection.execute_wrapper(note):
        assert act().status_code == 200
    # A write outside a transaction is a commit of its own.
    alone = sum("INSERT INTO" in sql and not inside for sql, inside in asked)
    return len(asked), alone + sum(query["sql"] == "COMMIT" for query in seen.captured_queries)


def test_call_costs_the_pinned_statements_and_commits(client, alice):
    def post(name, **body):
        return client.post(f"/api/{name}", body, content_type="application/json")

    def login():
        return post("login", username="alice", password=PASSWORD)

    # psycopg prepares what it has seen a few times: that changes nothing here.
    pair = [login() for _ in range(7)][-1].json()
    bearer = {"headers": {"Authorization": f"Bearer {pair['access']}"}}
    assert {
        "login": cost(login),
        "restricted": cost(lambda: client.get("/api/restricted", **bearer)),
        "refresh": cost(lambda: post("refresh", refresh=pair["refresh"])),
    } == COSTS
