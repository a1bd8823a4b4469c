"""Make the Python environments of the generated projects with uv.

Each combination of Python and Django has one environment, which the workers of a test run share. It
has the requirements of the app, but not the app. Each project gets an environment of its own beside
it, which adds only the app.
"""

import fcntl
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import django

from tests.support.interpreters import for_newest_django
from tests.support.words import ROOT

UV = [sys.executable, "-m", "uv", "--quiet"]
LIBRARIES = ["dj-rest-auth", "djoser", "django-allauth[headless]"]
# What uv prints if it cannot reach an index.
NO_INDEX = ("Failed to fetch", "error sending request", "client error", "network was disabled")


@dataclass(frozen=True)
class Combination:
    """Name an interpreter, its version, and a version of Django."""

    interpreter: Path
    python: str
    django: str

    def __str__(self) -> str:
        return f"py{self.python}-django{self.django}"


def combinations() -> list[Combination]:
    """Return the versions that run the tests, and the newest Django with another Python.

    `tests.support.services.not_run` says if no interpreter can run the newest Django.
    """
    own = Combination(
        Path(sys.executable),
        f"{sys.version_info[0]}.{sys.version_info[1]}",
        f"{django.VERSION[0]}.{django.VERSION[1]}",
    )
    if (newest := for_newest_django()) is None:
        return [own]
    python, interpreter = newest
    return [own, Combination(interpreter, python, "6.0")]


@dataclass(frozen=True)
class Environment:
    """Hold the environment of a combination, and the wheel of the app.

    ``lacks`` says why the libraries that projects use could not be installed; empty if they were.
    """

    folder: Path
    wheel: Path
    lacks: str

    def extend(self, folder: Path) -> Path:
        """Make an environment that also finds the libraries of this one; return its Python."""
        python = _new(self.folder / "bin/python", folder)
        _find_in(folder, _site_packages(self.folder))
        return python

    def install_app(self, python: Path) -> None:
        """Install the wheel in an extension, which finds what the wheel requires."""
        _install(python, "--no-deps", str(self.wheel))


def remove_app(python: Path) -> None:
    """Remove the app's package from an extension."""
    subprocess.run([*UV, "pip", "uninstall", "--python", str(python), "token-portal"], check=True)


def environment(combination: Combination, folder: Path) -> Environment | None:
    """Return the environment of a combination, made once in the folder that the workers share.

    Without a package index, the tests' own Python is used with the libraries that the tests have,
    and there is no environment for another one.
    """
    wheel = _wheel(folder)
    made, lacks = folder / str(combination), folder / f"{combination}.lacks"
    with _locked(made):
        if not lacks.exists():
            lacks.write_text(_make(combination, made, wheel))
    if lacks.read_text() and combination.interpreter != Path(sys.executable):
        return None
    return Environment(made, wheel, lacks.read_text())


def _make(combination: Combination, made: Path, wheel: Path) -> str:
    python = _new(combination.interpreter, made)
    app = f"token-portal[postgresql] @ {wheel.as_uri()}"
    try:
        _install(python, f"django~={combination.django}.0", app, *LIBRARIES)
    except subprocess.CalledProcessError as failed:
        if not any(sign in failed.stderr for sign in NO_INDEX):
            raise AssertionError(failed.stderr) from failed
        _find_in(made, Path(sysconfig.get_paths()["purelib"]))
        return "no package index can be reached"
    remove_app(python)
    return ""


def _new(interpreter: Path, folder: Path) -> Path:
    subprocess.run([*UV, "venv", "--python", str(interpreter), str(folder)], check=True)
    return folder / "bin/python"


def _site_packages(folder: Path) -> Path:
    return next(folder.glob("lib/python*/site-packages"))


def _find_in(folder: Path, libraries: Path) -> None:
    """Let an environment import the libraries of another one, and what those libraries find."""
    line = f"import site; site.addsitedir({str(libraries)!r})\n"
    (_site_packages(folder) / "shared.pth").write_text(line)


def _install(python: Path, *arguments: str) -> None:
    command = [*UV, "pip", "install", "--python", str(python), *arguments]
    retries = {"UV_HTTP_RETRIES": "1"}
    subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, **retries}
    )


def _wheel(folder: Path) -> Path:
    built = folder / "dist"
    with _locked(built):
        if not built.exists():
            build = [sys.executable, "-m", "build", "--wheel", "--no-isolation"]
            command = [*build, "--outdir", str(built), str(ROOT)]
            subprocess.run(command, check=True, capture_output=True)
    return next(built.glob("*.whl"))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of a path: one worker makes it, and the others wait."""
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
