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

from tests.support import flush
from tests.support.people import PASSWORD, ROLES, make_staff, make_user
from tests.support.services import chromium, missing, not_run

flush.patch()


# --- What this run can do, and what it says about the rest.


def pytest_runtest_setup(item: pytest.Item) -> None:
    for vendor in ("postgresql", "sqlite"):
        if item.get_closest_marker(vendor) and connection.vendor != vendor:
            pytest.skip(f"runs where {vendor} is the database, here it is {connection.vendor}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: Any
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where everything has to run, a skip for want of anything but the other database fails."""
    report = yield
    if os.environ.get("REQUIRE_ALL") == "1" and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
        if "runs where" not in reason:
            report.outcome = "failed"
            report.longrepr = f"REQUIRE_ALL=1, but this was skipped: {reason}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if lines := not_run():
        terminalreporter.section("not run on this machine")
        for line in lines:
            terminalreporter.line(line)


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    yield
    cache.clear()


# --- People. Each password is tests.support.people.PASSWORD.


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


@pytest.fixture(scope="session")
def _served(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    from tests.support.server import serving

    with django_db_blocker.unblock(), serving(tmp_path_factory.mktemp("portal")) as server:
        yield server


@pytest.fixture
def portal_server(transactional_db: None, _served: Any) -> Any:
    """The portal behind gunicorn, on this test's database: rows made here are seen there."""
    return _served


@pytest.fixture
def serve(transactional_db: None, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """``serve(REFRESH_GRACE_SECONDS="0") -> PortalServer``: one with settings of its own."""
    from tests.support.server import serving

    with ExitStack() as stack:
        yield lambda **env: stack.enter_context(serving(tmp_path, **env))


# --- A real browser.


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    from tests.support.browser import launched

    executable = chromium()
    if executable is None:
        missing("there is no Chromium on the PATH")
    # Playwright keeps an event loop in this thread, and Django takes that for async code.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with launched(executable) as running:
        yield running
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def complaints(portal_server: Any) -> Any:
    from tests.support.browser import Complaints

    return Complaints(portal_server.url)


@pytest.fixture
def context(browser: Any, portal_server: Any, complaints: Any) -> Iterator[Any]:
    opened = browser.new_context(base_url=portal_server.url, locale="en-GB", timezone_id="UTC")
    opened.set_default_timeout(15_000)
    complaints.watch(opened)
    yield opened
    opened.close()


@pytest.fixture
def page(context: Any, complaints: Any) -> Iterator[Any]:
    """A page of the served portal. The test fails when Chromium complained about anything."""
    yield context.new_page()
    assert complaints.left() == []


# --- Services.


@pytest.fixture(scope="session")
def redis_url() -> str:
    url = os.environ.get("REDIS_TEST_URL")
    if not url:
        missing("REDIS_TEST_URL is not set")
    return url
