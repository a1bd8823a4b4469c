import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.adoption.environments import Combination, Environment, combinations, environment
from tests.adoption.host import Host
from tests.support.services import leave_out, missing


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a module's project on the databases and combinations that it names, or on all.

    The first combination runs on the first database, and the last one on the last, to save time. In
    a module with ``CROSSED`` the first combination also runs on the last database.
    """
    if "host" in metafunc.fixturenames:
        databases = getattr(metafunc.module, "DATABASES", ("sqlite", "postgresql"))
        versions = getattr(metafunc.module, "COMBINATIONS", combinations())
        each = [(versions[0], databases[0]), (versions[-1], databases[-1])]
        if getattr(metafunc.module, "CROSSED", False):
            each.append((versions[0], databases[-1]))
        each = list(dict.fromkeys(each))
        ids = [f"{database}-{version}" for version, database in each]
        metafunc.parametrize("host", each, ids=ids, indirect=True)


@pytest.fixture(scope="session")
def environment_of(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[Combination], Environment | None]:
    """Return a function that makes the environment of a combination, shared by all workers."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    return cache(lambda combination: environment(combination, shared))


@pytest.fixture
def host(
    request: pytest.FixtureRequest,
    environment_of: Callable[[Combination], Environment | None],
    tmp_path: Path,
) -> Iterator[Host]:
    """Return the project that the test's module declares, before the app is added."""
    combination, database = request.param
    url = os.environ.get("PG_TEST_URL", "") if database == "postgresql" else ""
    if database == "postgresql" and not url:
        missing("PG_TEST_URL is not set")
    found = environment_of(combination)
    if found is None:
        leave_out(f"no package index has the libraries for {combination}")
    if found.lacks and request.module.Project.libraries:
        leave_out(f"{found.lacks}, and the project needs libraries")
    made: Host = request.module.Project(tmp_path, found, url)
    made.create()
    yield made
    made.drop()
