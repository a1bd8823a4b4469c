"""The Makefile says what it does not do."""

import shutil
import subprocess

import pytest

from tests.support.server.portal import ROOT


@pytest.fixture
def checkout(tmp_path):
    """Return a checkout with an environment of Python 3.13, and a Python 3.12 beside it."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for path, version in ((".venv/bin/python", "3.13"), ("python3.12", "3.12")):
        program = tmp_path / path
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f"#!/bin/sh\necho {version}\n")
        program.chmod(0o755)
    (tmp_path / "requirements").mkdir()
    for name in ("requirements/run.txt", ".venv/run.stamp"):
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("words", "stops"),
    [
        (["PYTHON=./python3.12"], True),
        (["PYTHON=.venv/bin/python"], False),
        ([], False),
    ],
)
def test_other_python_than_that_of_the_environment_is_named(checkout, words, stops):
    command = ["make", "--no-print-directory", "install", *words]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    assert (done.returncode != 0) is stops, done.stderr
    assert ("has Python 3.13, and PYTHON=./python3.12 is another" in done.stdout) is stops
