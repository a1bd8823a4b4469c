import asyncio.events
import gc
import json
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from rest_framework.test import APIClient
from rest_framework_simplejwt import state

from tests.support.database import flush
from tests.support.services import LeftOut, chromium, missing, not_run
from tests.support.users import PASSWORD, ROLES, make_staff, make_user
from tokens.audit import refusals
from tokens.web.readiness import check_database

pytest_plugins = ["tests.support.passes", "tests.support.effort"]
flush.patch()
# simplejwt reads its settings into this once. A test that changes them must not be the first to.
assert state.token_backend


# --- What this run can do, and what it says about the rest.


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: Any
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add what served portals logged to a failure.

    A skipped test fails if REQUIRE_ALL is set, unless it may be left out.
    """
    report = yield
    if report.failed:
        from tests.support.server.portal import served

        report.sections += [(f"Log of {server.url}", server.faults()) for server in served]
    left_out = call.excinfo is not None and call.excinfo.errisinstance(LeftOut)
    expected = left_out or hasattr(report, "wasxfail")
    if os.environ.get("REQUIRE_ALL") == "1" and report.skipped and not expected:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
        report.outcome = "failed"
        report.longrepr = f"REQUIRE_ALL=1, but this was skipped: {reason}"
    return report


def pytest_collection_finish() -> None:
    """Let no garbage collection look again at all that importing and collecting left."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if lines := not_run():
        terminalreporter.section("not run on this machine")
        for line in lines:
            terminalreporter.line(line)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock():
        flush.remember_migrated_rows()
        if connection.vendor == "postgresql":
            # For every connection, the served portal's too: no test restarts the server.
            name = connection.ops.quote_name(connection.settings_dict["NAME"])
            with connection.cursor() as cursor:
                cursor.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
        connection.close()
    yield
    check_database.close()
    if connection.vendor == "postgresql":
        # PostgreSQL drops no database that has connections, such as that of a check still running.
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        connection.close()


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    """Leave nothing in this process that another test could notice."""
    yield
    cache.clear()
    refusals.known_budget.reset()
    refusals.unknown_budget.reset()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Hide Playwright's event loop, which runs in this thread until the end of the session.

    Beside it, async code of another test would not start, and Django would open a second connection
    to the database. It is hidden from all of the test, its fixtures included.
    """
    loop = asyncio.events._get_running_loop()
    if loop is None or "browser" in getattr(item, "fixturenames", ()):
        return (yield)
    asyncio.events._set_running_loop(None)
    try:
        return (yield)
    finally:
        asyncio.events._set_running_loop(loop if loop.is_running() else None)


# --- People. Each password is tests.support.users.PASSWORD.


@pytest.fixture
def password() -> str:
    return PASSWORD


@pytest.fixture
def alice(db: None) -> User:
    return make_user("alice")


@pytest.fixture
def bob(db: None) -> User:
    return make_user("bob")


@pytest.fixture
def sam(db: None) -> User:
    return make_user("sam", is_staff=True, is_superuser=True)


@pytest.fixture
def viewer(db: None) -> User:
    return make_staff("viewer", *ROLES["viewer"])


@pytest.fixture
def revoker(db: None) -> User:
    return make_staff("revoker", *ROLES["revoker"])


@pytest.fixture
def inspector(db: None) -> User:
    return make_staff("inspector", *ROLES["inspector"])


@pytest.fixture
def auditor(db: None) -> User:
    return make_staff("auditor", *ROLES["auditor"])


# --- The API through the test client.


@pytest.fixture
def api() -> APIClient:
    return APIClient()


@pytest.fixture
def login() -> Callable[..., dict[str, str]]:
    """``login(client, user) -> {"refresh": …, "access": …}``, through the API."""

    def log_in(client: Any, user: User, password: str = PASSWORD, **extra: Any) -> dict[str, str]:
        body = json.dumps({"username": user.get_username(), "password": password})
        answer = client.post("/api/login", body, content_type="application/json", **extra)
        assert answer.status_code == 200, answer.content
        return dict(answer.json())

    return log_in


# --- The portal over real HTTP.


def _serving(folder: Path, **env: str) -> Any:
    """Serve the portal, behind the proxy that ``FRONT`` names if it is set."""
    if front := os.environ.get("FRONT"):
        from tests.deploy.fronts import serving_behind

        return serving_behind(front, folder, **env)
    from tests.support.server.portal import serving

    return serving(folder, **env)


@pytest.fixture(scope="session")
def _served(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with _serving(tmp_path_factory.mktemp("portal")) as server:
        yield server


@pytest.fixture
def portal_server(transactional_db: None, _served: Any) -> Any:
    """Return the portal behind gunicorn, which uses the database of this test."""
    return _served


@pytest.fixture
def serve(transactional_db: None, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """``serve(REFRESH_GRACE_SECONDS="0") -> PortalServer``: one with settings of its own."""
    with ExitStack() as stack:
        yield lambda **env: stack.enter_context(_serving(tmp_path, **env))


# --- A real browser.


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    from playwright.sync_api import expect

    from tests.support.browser.chromium import PATIENCE, launched

    expect.set_options(timeout=PATIENCE)
    executable = chromium()
    if executable is None:
        missing("there is no Chromium on the PATH")
    # Playwright keeps an event loop in this thread, and Django takes that for async code.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with launched(executable) as running:
        loop = asyncio.events._get_running_loop()
        yield running
        asyncio.events._set_running_loop(loop)  # The last test may have hidden it.
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def complaints(portal_server: Any) -> Any:
    from tests.support.browser.chromium import Complaints

    return Complaints(portal_server.url)


@pytest.fixture
def context(browser: Any, portal_server: Any, complaints: Any) -> Iterator[Any]:
    from tests.support.browser.chromium import PATIENCE

    opened = browser.new_context(base_url=portal_server.url, locale="en-GB", timezone_id="UTC")
    opened.set_default_timeout(PATIENCE)
    complaints.watch(opened)
    yield opened
    opened.close()


@pytest.fixture
def page(context: Any, complaints: Any) -> Iterator[Any]:
    """Return a page of the served portal, and fail the test if Chromium reported an error."""
    yield context.new_page()
    assert complaints.left() == []


# --- Services.


@pytest.fixture(scope="session")
def redis_url() -> str:
    url = os.environ.get("REDIS_TEST_URL")
    if not url:
        missing("REDIS_TEST_URL is not set")
    return url
