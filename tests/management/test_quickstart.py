"""A fresh clone becomes a portal that serves; a second run changes nothing."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.server import ROOT, serving

ADDRESSES = ("/staff/", "/account/sessions/", "/admin/", "/api/docs")


class Clone:
    """The portal's code with an ``.env``, a database and static files of its own."""

    def __init__(self, folder: Path) -> None:
        self.dotenv = folder / ".env"
        unset = ("SECRET_KEY", "JWT_SIGNING_KEY", "DEBUG", "HTTPS", "DJANGO_SUPERUSER_PASSWORD")
        self.env = {name: value for name, value in os.environ.items() if name not in unset}
        self.env |= {
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "ENV_FILE": str(self.dotenv),
            "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
        }

    def quickstart(self, *args: str, **env: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", "quickstart", *args],
            cwd=ROOT,
            env={**self.env, **env},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout


@pytest.fixture
def clone(tmp_path):
    return Clone(tmp_path)


def test_it_prints_a_curl_line_that_logs_in(clone, tmp_path, monkeypatch):
    said = clone.quickstart(PORT="8000")
    assert all(f"http://127.0.0.1:8000{address}" in said for address in ADDRESSES)
    (curl,) = re.findall(r"curl .*", said)
    for name in ("SECRET_KEY", "JWT_SIGNING_KEY", "DEBUG", "HTTPS"):
        monkeypatch.delenv(name, raising=False)
    with serving(tmp_path, **clone.env) as server:
        words = shlex.split(curl.replace("http://127.0.0.1:8000", server.url))
        answer = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert '"refresh"' in answer
    assert '"access"' in answer


def test_env_is_for_its_owner_alone_and_holds_two_different_secrets(clone):
    clone.quickstart()
    assert clone.dotenv.stat().st_mode & 0o777 == 0o600
    lines = dict(re.findall(r"^(\w+)=(.*)$", clone.dotenv.read_text(), re.MULTILINE))
    assert lines["DEBUG"] == "off"
    assert lines["SECRET_KEY"] != lines["JWT_SIGNING_KEY"]
    assert min(len(lines["SECRET_KEY"]), len(lines["JWT_SIGNING_KEY"])) >= 64


def test_the_second_run_changes_nothing_and_repeats_no_password(clone):
    first = clone.quickstart()
    (password,) = re.findall(r"with the password (\S+)", first)
    before = clone.dotenv.read_bytes()
    second = clone.quickstart()
    assert clone.dotenv.read_bytes() == before
    assert password not in second
    assert "Made the superuser" not in second
    assert clone.quickstart("--quiet") == ""


def test_the_superuser_comes_from_the_environment(clone):
    said = clone.quickstart(
        DJANGO_SUPERUSER_USERNAME="root", DJANGO_SUPERUSER_PASSWORD="told by nobody 5"
    )
    assert "Made the superuser root" in said
    assert "told by nobody" not in said
    assert '\\"username\\": \\"root\\", \\"password\\": \\"$DJANGO_SUPERUSER_PASSWORD\\"' in said
