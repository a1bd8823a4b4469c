"""Decide which tests belong to a run: the suite runs once on SQLite and once on PostgreSQL.

A test marked with a database runs on that database only. With ``--after-sqlite``, as the second run
of `make test`, tests that the run on SQLite has covered are left out too: those marked `once`, and
those without a database. pytest-django refuses the database to a test that asks for none of
`DATABASE_FIXTURES` and is not marked `django_db`, so this needs no list.
"""

import os
from collections import Counter
from itertools import islice

import pytest
from django.db import connection

DATABASE_FIXTURES = {"db", "transactional_db", "django_db_setup"}
# Fixtures of tests that wait for another process, which a busy machine can keep from its answer.
TRIED_TWICE = {"browser", "serve", "hosts"}
LEFT_OUT = pytest.StashKey[Counter[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--after-sqlite",
        action="store_true",
        help="leave out the tests that a run on SQLite has covered",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LEFT_OUT] = Counter()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what belongs to another run, and start with the slow tests."""
    reasons = {
        item: left_out_because(item, after_sqlite=config.option.after_sqlite) for item in items
    }
    config.stash[LEFT_OUT] = Counter(filter(None, reasons.values()))
    config.hook.pytest_deselected(items=[item for item in items if reasons[item]])
    items[:] = _slow_first([item for item in items if not reasons[item]])
    for item in items:
        # The summary names each test that ran twice.
        if TRIED_TWICE & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.flaky(reruns=1))


def _slow_first(items: list[pytest.Item]) -> list[pytest.Item]:
    """Put the slow tests at the start of the share of each worker.

    A slow test that started last would keep one worker busy while the others have nothing to do.
    `--dist worksteal` gives each worker an equal number of consecutive tests.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    slow = [item for item in items if item.get_closest_marker("slow")]
    quick = iter([item for item in items if not item.get_closest_marker("slow")])
    ordered: list[pytest.Item] = []
    for worker in range(workers):
        share = (len(items) - len(ordered)) // (workers - worker)
        first = slow[worker::workers]
        ordered += [*first, *islice(quick, max(0, share - len(first)))]
    return [*ordered, *quick]


def left_out_because(item: pytest.Item, *, after_sqlite: bool) -> str:
    for vendor, name in (("postgresql", "PostgreSQL"), ("sqlite", "SQLite")):
        if item.get_closest_marker(vendor) and connection.vendor != vendor:
            return f"need {name} as the database"
    if after_sqlite and item.get_closest_marker("once"):
        return "ran on SQLite, and do not depend on the database"
    fixtures = set(getattr(item, "fixturenames", ()))
    if after_sqlite and not (item.get_closest_marker("django_db") or fixtures & DATABASE_FIXTURES):
        return "ran on SQLite, and use no database"
    return ""


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = dict(session.config.stash[LEFT_OUT])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """Take over what a worker of xdist left out. Every worker collects the same tests."""
    output = getattr(node, "workeroutput", {})
    node.config.stash[LEFT_OUT] = Counter(output.get("left_out", {}))  # type: ignore[attr-defined]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for reason, number in config.stash[LEFT_OUT].items():
        terminalreporter.line(f"{number} tests left out: they {reason}.")
