"""Find the services that a machine may lack: PostgreSQL, Redis and Chromium.

A test that needs a missing service is skipped with the reason; with ``REQUIRE_ALL=1``, as in CI,
it fails.
"""

import os
import shutil
from typing import NoReturn

import pytest

from tests.support.interpreters import VERSIONS, for_newest_django

DEPLOYMENT_PROGRAMS = ("nginx", "haproxy", "systemd-analyze", "promtool", "openssl", "pgbouncer")


def missing(reason: str) -> NoReturn:
    """Skip the running test, or fail it where everything has to run."""
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(f"REQUIRE_ALL=1, but {reason}", pytrace=False)
    pytest.skip(reason)


class LeftOut(pytest.skip.Exception):  # type: ignore[name-defined]
    """Skip a test, also with ``REQUIRE_ALL=1``."""


def leave_out(reason: str) -> NoReturn:
    """Skip the running test for a reason that the machine is not expected to mend.

    This is for package indexes: the services above can be installed, a network may be forbidden.
    """
    raise LeftOut(reason)


def chromium() -> str | None:
    """Return the path of an installed Chromium, or None.

    The headless shell comes first: it has the same engine and takes less than half the CPU time.
    """
    for name in ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    return None


def installed(program: str) -> str | None:
    """Return the path of a program. A user's PATH often lacks the folders of servers."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def not_run() -> list[str]:
    """Name the suites that this machine cannot run, each with the reason."""
    lines = []
    if not os.environ.get("PG_TEST_URL"):
        lines.append("PostgreSQL: PG_TEST_URL is not set")
    if not os.environ.get("REDIS_TEST_URL"):
        lines.append("Redis: REDIS_TEST_URL is not set")
    if chromium() is None:
        lines.append("browser: no Chromium on the PATH")
    if for_newest_django() is None:
        lines.append(f"adoption with the newest Django: no Python {' or '.join(VERSIONS)}")
    absent = (program for program in DEPLOYMENT_PROGRAMS if installed(program) is None)
    lines.extend(f"deployment: {program} is not installed" for program in absent)
    return lines
