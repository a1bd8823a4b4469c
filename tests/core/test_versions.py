"""No library below the floor under which it has a known hole."""

import re
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.version import Version

LOCK = Path(__file__).resolve().parents[2] / "requirements" / "run.txt"
FLOORS = {
    "django": "5.2.19",
    "djangorestframework": "3.18.2",
    "djangorestframework-simplejwt": "5.5.1",
    "pyjwt": "2.15.1",
}


def locked(name):
    (pinned,) = re.findall(rf"^{name}==(\S+)", LOCK.read_text(), re.MULTILINE)
    return Version(pinned)


@pytest.mark.parametrize(("name", "floor"), FLOORS.items())
def test_installed_and_locked_are_at_or_above_the_floor(name, floor):
    assert locked(name) >= Version(floor)
    assert Version(version(name)) >= Version(floor)


def test_every_locked_library_carries_hashes_and_no_index_is_named():
    text = LOCK.read_text()
    assert "index-url" not in text
    for entry in re.split(r"\n(?=\S)", text.strip()):
        assert entry.startswith("#") or "--hash=sha256:" in entry, entry
