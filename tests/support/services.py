"""What a machine may lack. A test that needs it is skipped with the reason, unless
``REQUIRE_ALL=1`` (CI) says that everything has to run."""

import os
import shutil
from typing import NoReturn

import pytest


def missing(reason: str) -> NoReturn:
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(f"REQUIRE_ALL=1, but {reason}", pytrace=False)
    pytest.skip(reason)


def chromium() -> str | None:
    """Path of a Chromium that is installed, or None."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    return None


def not_run() -> list[str]:
    """The suites that this machine cannot run, each with the reason."""
    lines = []
    if not os.environ.get("PG_TEST_URL"):
        lines.append("PostgreSQL: PG_TEST_URL is not set")
    if not os.environ.get("REDIS_TEST_URL"):
        lines.append("Redis: REDIS_TEST_URL is not set")
    if chromium() is None:
        lines.append("browser: no Chromium on the PATH")
    return lines
