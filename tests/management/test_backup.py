"""A backup of a running SQLite database, and the way back from it."""

import json
import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.management.test_bad_options import manage
from tests.support.tokens import pair_of
from tokens.models import Event, Session

# The keys of an installation, which a restore keeps.
KEYS = {
    "SECRET_KEY": "secret-of-a-backup-opening-nothing-1-Zr8vQ2mX9kLw4TnB",
    "JWT_SIGNING_KEY": "secret-of-a-backup-opening-nothing-2-Zr8vQ2mX9kLw4TnB",
    "AUDIT_KEY": "secret-of-a-backup-opening-nothing-3-Zr8vQ2mX9kLw4TnB",
    "ENV_FILE": "/dev/null",
    "DEBUG": "off",
}
BEFORE = """
from django.contrib.auth.models import User
from tokens.sessions.issue import open_session
for name in ("alice", "bob", "carol"):
    pair = open_session(user=User.objects.create_user(name, password="a password of 1 test"))
print(pair.access)
"""
AFTER = """
from django.contrib.auth.models import User
from tokens.models import Session
from tokens.revocation import revoke_session
alice, bob, carol = User.objects.order_by("pk")
alice.set_password("another password of 1 test")
alice.save()
bob.is_active = False
bob.save()
session = Session.objects.get(user=carol)
revoke_session(session=session, actor=None, reason="stolen")
"""


@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
def test_backup_of_a_database_that_is_written_is_whole(alice, tmp_path, capsys):
    pair_of(alice)
    stop = threading.Event()

    def write() -> None:
        from django.db import connections

        while not stop.is_set():
            pair_of(alice)
        connections.close_all()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            target = tmp_path / f"{number}.sqlite3"
            call_command("backup_database", str(target), as_json=True)
            facts = json.loads(capsys.readouterr().out.splitlines()[-1])
            assert facts == {"file": str(target), "bytes": target.stat().st_size}
            assert stat.S_IMODE(target.stat().st_mode) == 0o600
            with closing(sqlite3.connect(target)) as copy:
                (sessions,) = copy.execute("SELECT count(*) FROM tokens_session").fetchone()
                (logins,) = copy.execute("SELECT count(*) FROM tokens_event").fetchone()
            assert sessions == logins > 0
    finally:
        stop.set()
        writer.join()
    assert Session.objects.count() == Event.objects.count()
    assert len(list(tmp_path.iterdir())) == 5


@pytest.mark.sqlite
@pytest.mark.django_db
def test_backup_overwrites_nothing_and_leaves_nothing(tmp_path):
    there = tmp_path / "there.sqlite3"
    there.write_text("kept")
    for target in (there, tmp_path / "missing" / "x.sqlite3"):
        with pytest.raises(CommandError) as refused:
            call_command("backup_database", str(target))
        assert "\n" not in str(refused.value)
    assert there.read_text() == "kept"
    assert list(tmp_path.iterdir()) == [there]


@pytest.mark.postgresql
@pytest.mark.django_db
def test_backup_of_postgresql_names_its_own_tool(tmp_path):
    with pytest.raises(CommandError, match="pg_dump"):
        call_command("backup_database", str(tmp_path / "x"))
    assert not list(tmp_path.iterdir())


@pytest.mark.once
@pytest.mark.slow
def test_restore_ends_what_came_back_and_names_what_reverted(tmp_path):
    def run(database: Path, *words: str) -> str:
        done = manage(*words, DATABASE_URL=f"sqlite:///{database}", **KEYS)
        assert done.returncode == 0, done.stderr
        return done.stdout

    first, copy = tmp_path / "db.sqlite3", tmp_path / "backup.sqlite3"
    run(first, "migrate", "--verbosity", "0")
    access = run(first, "shell", "--verbosity", "0", "-c", BEFORE).split()[-1]
    run(first, "backup_database", str(copy))
    run(first, "shell", "--verbosity", "0", "-c", AFTER)
    trail = tmp_path / "trail.jsonl"
    run(first, "export_events", "--output", str(trail))
    log = tmp_path / "log"
    log.write_text(f"starting\n2026 INFO {{no json\n{trail.read_text()}{trail.read_text()}")
    facts = json.loads(run(copy, "after_restore", "--trail", str(log), "--json"))
    assert (facts["sessions"], facts["lost_events"]) == (3, 3)
    assert [(one["name"], one["kind"]) for one in facts["reverted"]] == [
        ("alice", "password_changed"),
        ("bob", "user_deactivated"),
    ]
    words = run(copy, "after_restore", "--trail", str(log))
    assert "alice: the password from before works again: set a new one" in words
    assert "bob: the account is active again: deactivate it" in words
    plain = run(copy, "after_restore")
    assert "Give --trail" in plain
    check = f"from tests.support.tokens import failed; print(failed({access!r}))"
    assert run(copy, "shell", "--verbosity", "0", "-c", check).strip() == "revoked"


@pytest.mark.parametrize("text", ["", "id,at,kind\n1,2026-11-28T10:00:00Z,login\n", "[]\n", "{}"])
def test_trail_without_an_event_changes_nothing(db, tmp_path, text):
    trail = tmp_path / "trail"
    trail.write_text(text)
    with pytest.raises(CommandError, match="holds no event"):
        call_command("after_restore", trail=str(trail))
    assert not Event.objects.exists()


def test_missing_trail_changes_nothing(db, tmp_path):
    with pytest.raises(CommandError, match="No such file"):
        call_command("after_restore", trail=str(tmp_path / "none"))
    assert not Event.objects.exists()
