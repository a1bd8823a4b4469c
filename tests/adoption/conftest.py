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

    The first combination runs on each database, the others on the last one, to save time.
    """
    if "host" in metafunc.fixturenames:
        databases = getattr(metafunc.module, "DATABASES", ("sqlite", "postgresql"))
        first, *others = getattr(metafunc.module, "COMBINATIONS", combinations())
        each = [(first, database) for database in databases]
        each += [(version, databases[-1]) for version in others]
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
