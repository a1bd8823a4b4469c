"""A fresh clone becomes a portal that serves; a second run changes nothing."""

import os
import re
import secrets
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.server.portal import ROOT, free_port, serving

SETTINGS = ("SECRET_KEY", "JWT_SIGNING_KEY", "AUDIT_KEY", "DEBUG", "HTTPS")
ADDRESSES = ("/staff/", "/account/sessions/", "/admin/", "/api/docs")


class Clone:
    """The portal's code with an ``.env``, a database and static files of its own."""

    def __init__(self, folder: Path) -> None:
        self.dotenv = folder / ".env"
        unset = (
            "SECRET_KEY", "JWT_SIGNING_KEY", "AUDIT_KEY", "DEBUG", "HTTPS", "BIND",
            "DJANGO_SUPERUSER_PASSWORD",
        )  # fmt: skip
        self.env = {name: value for name, value in os.environ.items() if name not in unset}
        self.env |= {
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "ENV_FILE": str(self.dotenv),
            "PORT": str(free_port()),
            "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
            "STATIC_ROOT": str(folder / "static"),
        }

    def quickstart(self, *args: str, **env: str) -> str:
        done = self.run(*args, **env)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run(self, *args: str, **env: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "manage.py", "quickstart", *args],
            cwd=ROOT,
            env={**self.env, **env},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def clone(tmp_path):
    return Clone(tmp_path)


@pytest.mark.parametrize(
    "names", [(), ("SECRET_KEY", "JWT_SIGNING_KEY"), SETTINGS[:3]], ids=["none", "two", "all"]
)
def test_portal_serves_what_quickstart_prints(clone, tmp_path, monkeypatch, names):
    """With all secrets in `.env`, and with some or all of them in the environment."""
    given = {name: secrets.token_urlsafe(48) for name in names}
    said = clone.quickstart(**given)
    assert not set(names) & set(re.findall(r"^(\w+)=", clone.dotenv.read_text(), re.MULTILINE))
    base = f"http://127.0.0.1:{clone.env['PORT']}"
    assert all(f"{base}{address}" in said for address in ADDRESSES)
    (curl,) = re.findall(r"curl .*", said)
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    with serving(tmp_path, **clone.env, **given) as server:
        words = shlex.split(curl.replace(base, server.url))
        answer = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        statuses = {server.call("GET", address).status_code for address in ADDRESSES}
    assert '"refresh"' in answer
    assert '"access"' in answer
    # Pages send visitors to a login; nothing is redirected to https://.
    assert statuses <= {200, 302}


@pytest.mark.parametrize(
    ("bind", "shown"),
    [
        ("0.0.0.0:{port}", "http://127.0.0.1:{port}/staff/"),
        ("127.0.0.2:{port}", "http://127.0.0.2:{port}/staff/"),
        ("unix:{folder}/gunicorn", "the socket {folder}/gunicorn"),
    ],
)
def test_quickstart_prints_where_the_server_will_listen(clone, tmp_path, bind, shown):
    values = {"port": free_port(), "folder": tmp_path}
    said = clone.quickstart(BIND=bind.format(**values), PORT="1")
    assert shown.format(**values) in said
    assert ":1/" not in said


def test_quickstart_says_that_https_redirects_what_it_prints(clone):
    assert "HTTPS is on, so these addresses redirect" in clone.quickstart(HTTPS="on")


@pytest.mark.parametrize(
    ("env", "line"),
    [
        ({"STATIC_ROOT": "/dev/null/x"}, "STATIC_ROOT is no folder, or is in none"),
        ({"ENV_FILE": "/dev/null/x"}, "/dev/null/x cannot be written: Not a directory."),
        (
            {"BIND": "127.0.0.1:x"},
            "BIND is no address to listen on: 'x' is not a",
        ),
        ({"PORT": "x"}, "PORT is not a whole number: 'x'."),
        ({"DATABASE_URL": "sqlite:////dev/null"}, "DATABASE_URL: Unable to create the django_m"),
        ({"DATABASE_URL": "sqlite:///{folder}/.env"}, "DATABASE_URL: file is not a database"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_quickstart_that_fails_prints_one_line_and_no_address(clone, tmp_path, env, line):
    done = clone.run(**{name: value.format(folder=tmp_path) for name, value in env.items()})
    (said,) = done.stderr.splitlines()
    assert line in said
    assert done.returncode != 0
    assert "http://" not in done.stdout


def test_demo_ends_with_the_address_to_open_and_the_login(clone):
    done = clone.run("--demo")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("\n") <= 1  # the progress bar
    lines = done.stdout.splitlines()
    assert len(lines) < 30
    (password,) = re.findall(r"with the password (\S+)", done.stdout)
    ending = "\n".join(lines[-12:])
    assert f"http://127.0.0.1:{clone.env['PORT']}/staff/" in ending
    assert f"`make run PORT={clone.env['PORT']}`" in ending
    assert "Log in as admin" in ending
    assert password in ending
    again = clone.quickstart("--demo")
    assert "exist already" in again
    assert "Log in as admin with its password" in again


def test_quickstart_writes_a_private_env_file_with_two_secrets(clone):
    clone.quickstart()
    assert clone.dotenv.stat().st_mode & 0o777 == 0o600
    lines = dict(re.findall(r"^(\w+)=(.*)$", clone.dotenv.read_text(), re.MULTILINE))
    assert lines["HTTPS"] == "off"
    assert lines["SECRET_KEY"] != lines["JWT_SIGNING_KEY"]
    assert min(len(lines["SECRET_KEY"]), len(lines["JWT_SIGNING_KEY"])) >= 64


def test_quickstart_gives_the_trail_a_key_of_its_own(clone):
    """A settings file of an earlier release gets one too, and keeps its lines."""
    clone.quickstart("--quiet")
    before = clone.dotenv.read_text()
    (key,) = re.findall(r"^AUDIT_KEY=(.*)$", before, re.MULTILINE)
    assert len(key) >= 64
    rest = before.replace(f"AUDIT_KEY={key}\n", "")
    assert key not in rest
    clone.dotenv.write_text(rest)
    clone.quickstart("--quiet")
    assert re.fullmatch(re.escape(rest) + r"AUDIT_KEY=.{64}\n", clone.dotenv.read_text())


def test_quickstart_creates_a_database_that_only_its_owner_can_read(clone, tmp_path):
    clone.quickstart("--quiet")
    files = list(tmp_path.glob("db.sqlite3*"))
    assert files
    assert {file.stat().st_mode & 0o077 for file in files} == {0}


def test_second_quickstart_changes_nothing_and_prints_no_password(clone):
    first = clone.quickstart()
    (password,) = re.findall(r"with the password (\S+)", first)
    before = clone.dotenv.read_bytes()
    second = clone.quickstart()
    assert clone.dotenv.read_bytes() == before
    assert password not in second
    assert "Created the superuser" not in second
    assert clone.quickstart("--quiet") == ""


def test_quickstart_takes_the_superuser_from_the_environment(clone):
    said = clone.quickstart(
        DJANGO_SUPERUSER_USERNAME="root", DJANGO_SUPERUSER_PASSWORD="told by nobody 5"
    )
    assert "Created the superuser root" in said
    assert "told by nobody" not in said
    assert '\\"username\\": \\"root\\", \\"password\\": \\"$DJANGO_SUPERUSER_PASSWORD\\"' in said
