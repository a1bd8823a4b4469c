"""No library below the version that closed a known hole: neither locked nor installed."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from packaging.version import Version

FOLDER = Path(__file__).resolve().parents[1] / "requirements"
LOCKS = (FOLDER / "run.txt", FOLDER / "dev.txt")
# What the portal relies on beyond single advisories.
FLOORS = {
    "django": "5.2.19",
    "djangorestframework": "3.18.2",
    "djangorestframework-simplejwt": "5.5.1",
    "pyjwt": "2.15.1",
}
HOLES = [
    (name, fixed, what)
    for name, holes in tomllib.loads((FOLDER / "advisories.toml").read_text()).items()
    for fixed, whats in holes.items()
    for what in whats
]


def locked():
    """Every version that a lock names, by library."""
    found: dict[str, set[Version]] = {}
    for lock in LOCKS:
        for name, pinned in re.findall(r"^([\w.-]+)==([^\s;]+)", lock.read_text(), re.MULTILINE):
            found.setdefault(name, set()).add(Version(pinned))
    return found


def installed(name):
    try:
        return {Version(version(name))}
    except PackageNotFoundError:
        return set()


@pytest.mark.parametrize(("name", "floor"), FLOORS.items())
def test_installed_and_locked_are_at_or_above_the_floor(name, floor):
    assert min(locked()[name] | installed(name)) >= Version(floor)


@pytest.mark.parametrize(("name", "fixed", "what"), HOLES)
def test_no_known_hole_is_open(name, fixed, what):
    # A library that is locked no more has no place in the file.
    assert min(locked()[name] | installed(name)) >= Version(fixed), what


def test_every_locked_library_carries_hashes_and_no_index_is_named():
    for lock in LOCKS:
        text = lock.read_text()
        assert "index-url" not in text
        for entry in re.split(r"\n(?=\S)", text.strip()):
            assert entry.startswith("#") or "--hash=sha256:" in entry, entry
