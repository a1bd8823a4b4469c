"""Everything moves from one database to the other, and back."""

import json
import os
import random
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.apps import apps
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session as CookieSession
from django.db import connection, connections
from django.utils import timezone

from tests.audit.events import seal
from tests.security.test_rubbish_rows import rows
from tests.support.routes import Things
from tests.support.rubbish import spoil
from tests.support.server.portal import ROOT, database_url, environment
from tests.support.tokens import pair_of
from tests.support.users import make_user
from tokens.audit import record
from tokens.audit.targets import record_upon_many
from tokens.models import EventTarget, EventWindow, Kind, RecoveryCode
from tokens.revocation import cut_off, revoke_session

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]
NOWHERE = "postgres://postgres@127.0.0.1:1/none"
# What a client, a service with a cursor from before, and the next event find.
CHECK = """
import json
from tests.support.tokens import failed, refused
from tokens.audit import record
from tokens.models import Kind
from tokens.services.feed import CursorOutlived, read_feed
first = record(kind=Kind.REFRESH).pk
try:
    news = read_feed(after={cursor!r}).revocations
except CursorOutlived:
    news = read_feed().revocations
print(json.dumps({{
    "access": failed({live.access!r}),
    "live": refused({live.refresh!r}),
    "revoked": [refused({revoked.refresh!r}), failed({revoked.access!r})],
    "inactive": refused({inactive.refresh!r}),
    "cut_off": refused({cut_off.refresh!r}),
    "news": {{"sid": {sid!r}}} in news,
    "next": first,
}}))
"""


def manage(*words: str, source: str, target: str = "") -> "subprocess.CompletedProcess[str]":
    env = environment(DATABASE_URL=source, TARGET_DATABASE_URL=target, EVENT_LOG="stderr")
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


def moved(*, source: str, target: str) -> dict[str, Any]:
    done = manage("move_database", "--json", source=source, target=target)
    assert done.returncode == 0, done.stderr
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


def refusal(*words: str, source: str, target: str = "") -> str:
    """Return the one line with which the command ends."""
    done = manage("move_database", *words, source=source, target=target)
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()[-1]


@pytest.fixture
def empty_database() -> Iterator[str]:
    """Return the address of a new database of PostgreSQL."""
    name = f"move_{uuid4().hex}"
    server = {
        "host": connection.settings_dict["HOST"],
        "port": connection.settings_dict["PORT"],
        "user": connection.settings_dict["USER"],
        "password": connection.settings_dict["PASSWORD"],
    }

    def run(statement: str) -> None:
        with psycopg.connect(dbname="postgres", autocommit=True, **server) as to:  # type: ignore[arg-type]
            to.execute(statement.encode())

    run(f"CREATE DATABASE {name}")
    yield f"{database_url().rpartition('/')[0]}/{name}"
    run(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "moved.sqlite3"


@pytest.fixture
def people(bob: Any, sam: Any) -> dict[str, Any]:
    """Fill every table, and return the tokens of people in different states."""
    from tokens.services.feed import read_feed

    Things(bob=bob, sam=sam)
    session = pair_of(bob).session
    now = timezone.now()
    for row in rows(sam, session).values():
        if isinstance(row, EventWindow):
            row.opened_at = now
        if not isinstance(row, EventTarget):
            row.save(force_insert=True)
    record_upon_many(kind=Kind.REVOKE_MATCHING, targets=[(session.pk, bob.pk), (None, sam.pk)])
    RecoveryCode.objects.create(user=bob, digest="0" * 64)
    LogEntry.objects.create(
        user=sam, action_flag=CHANGE, object_repr="ünï\n\t\\", object_id="1",
        content_type=ContentType.objects.get_for_model(Group),
    )  # fmt: skip
    CookieSession.objects.create(session_key="k", session_data="d", expire_date=now)
    sam.groups.add(*Group.objects.all())
    sam.user_permissions.add(*Permission.objects.all()[:3])
    pairs = {name: pair_of(make_user(name)) for name in ("live", "revoked", "inactive", "cut_off")}
    revoke_session(session=pairs["revoked"].session, actor=sam, reason="stolen")
    pairs["inactive"].session.user.is_active = False
    pairs["inactive"].session.user.save()
    cut_off(actor=sam, reason="leak", user=pairs["cut_off"].session.user)
    record(
        kind=Kind.EXPORTED, data={"b": 1, "aa": ["é", "\u2028", 'q"\\', 2**60], "a": {"x": None}}
    )
    for _ in range(20):
        pair_of(pairs["live"].session.user)
    seal(size=7)
    record(kind=Kind.REFRESH)
    cursor = read_feed().cursor
    connections.close_all()
    return {**pairs, "cursor": cursor, "sid": str(pairs["revoked"].session.pk)}


def found(source: str, people: dict[str, Any]) -> dict[str, Any]:
    """Ask the portal on a database about the tokens."""
    done = manage("shell", "--verbosity", "0", "-c", CHECK.format(**people), source=source)
    assert done.returncode == 0, done.stderr
    answers: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answers


@pytest.mark.postgresql
@pytest.mark.slow
def test_everything_moves_there_and_back(people, file, empty_database):
    from tokens.models import Event

    last = Event.objects.order_by("pk").last().pk
    connections.close_all()
    there = moved(source=database_url(), target=f"sqlite:///{file}")
    tables = {
        model._meta.db_table
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy
    }
    assert there["tables"].keys() == tables
    assert [name for name, table in there["tables"].items() if not table["rows"]] == []
    assert (there["intact"], there["left"]) == (True, [])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    back = moved(source=f"sqlite:///{file}", target=empty_database)
    for facts in (there, back):
        # It has other numbers of transactions.
        facts["tables"].pop("tokens_feedentry")
    assert back["tables"] == there["tables"]

    copy = file.with_suffix(".copy")
    shutil.copy(file, copy)
    for address in (f"sqlite:///{copy}", empty_database):
        assert found(address, people) == {
            "access": None,
            "live": False,
            "revoked": [True, "revoked"],
            "inactive": True,
            "cut_off": True,
            "news": True,
            "next": last + 1,
        }
        intact = manage("verify_events", source=address)
        assert intact.stdout.startswith("Intact"), intact.stdout
        assert manage("seal_events", source=address).returncode == 0
        assert manage("verify_events", source=address).stdout.startswith("Intact")
        assert manage("migrate", "--check", source=address).returncode == 0


def triggers_of(database: Path) -> dict[str, str]:
    with closing(sqlite3.connect(database)) as to:
        return dict(to.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"))


def guards_of(address: str) -> set[tuple[str, str]]:
    with psycopg.connect(address.replace("postgres://", "postgresql://")) as to:
        return set(to.execute("SELECT tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal"))


class Killer:
    """Move in processes that die at a step."""

    def __init__(self, source: str, target: str) -> None:
        env = environment(DATABASE_URL=source, TARGET_DATABASE_URL=target, DATABASE_POOL_SIZE="0")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.management.move_killer"],
            cwd=ROOT,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def move(self, *, fatal: int = 0) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{fatal}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def __enter__(self) -> "Killer":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


def clear(database: Path) -> None:
    for path in database.parent.glob(f"{database.name}*"):
        path.unlink()


@pytest.mark.postgresql
@pytest.mark.slow
@pytest.mark.usefixtures("people")
def test_move_that_is_killed_at_any_step_ends_the_same(file, tmp_path):
    whole = tmp_path / "whole.sqlite3"
    expected = moved(source=database_url(), target=f"sqlite:///{whole}")
    with Killer(database_url(), f"sqlite:///{file}") as killer:
        steps = killer.move()
        assert steps > 200
        for _ in range(6):
            clear(file)
            deaths = 0
            # Each attempt comes a bit further than the one before.
            while killer.move(fatal=random.randrange(1, steps)) == 0:
                deaths += 1
                assert_not_served(file)
                if deaths == 3:
                    assert killer.move() > 0
                    break
            assert triggers_of(file) == triggers_of(whole)
            again = moved_sums(file)
            assert again == moved_sums(whole)
    assert expected["intact"]
    assert manage("verify_events", source=f"sqlite:///{file}").stdout.startswith("Intact")


def assert_not_served(database: Path) -> None:
    """Check that the database has no tables of the portal, or says that it is not whole."""
    if not database.exists():
        return
    with closing(sqlite3.connect(database)) as to:
        names = {name for (name,) in to.execute("SELECT name FROM sqlite_master")}
    assert not names or "tokens_unfinished_move" in names or "tokens_event_no_delete" in names


def moved_sums(database: Path) -> dict[str, list[Any]]:
    """Return all rows of all tables."""
    with closing(sqlite3.connect(database)) as to:
        names = to.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {
            name: sorted(map(repr, to.execute(f"SELECT * FROM {name}")))
            for (name,) in names
            if name != "django_migrations"
        }


@pytest.mark.postgresql
@pytest.mark.slow
@pytest.mark.usefixtures("people")
def test_killed_move_to_postgresql_goes_on_behind_a_mark(file, empty_database):
    moved(source=database_url(), target=f"sqlite:///{file}")
    source = f"sqlite:///{file}"
    with Killer(source, empty_database) as killer:
        assert killer.move(fatal=400) == 0
        line = manage("verify_events", source=empty_database).stderr.splitlines()[-1]
        assert "is the target of a move that has not ended" in line
        assert "tokens.E082" in line
        served = subprocess.run(
            [sys.executable, "-m", "portal.startup"],
            cwd=ROOT,
            env=environment(DATABASE_URL=empty_database),
            capture_output=True,
            check=False,
        )
        assert served.returncode == 1
        assert b"E082" in served.stderr
        assert killer.move(fatal=600) == 0
    facts = moved(source=source, target=empty_database)
    assert facts["intact"]
    assert guards_of(empty_database) == guards_of(database_url())
    assert manage("verify_events", source=empty_database).stdout.startswith("Intact")
    assert "The target is not empty" in refusal(source=source, target=empty_database)


@pytest.mark.postgresql
@pytest.mark.slow
def test_source_that_was_written_between_two_attempts_is_noticed(people, file):
    with Killer(database_url(), f"sqlite:///{file}") as killer:
        steps = killer.move()
        clear(file)
        assert killer.move(fatal=steps * 3 // 4) == 0
    name = people["live"].session.user
    type(name).objects.filter(pk=name.pk).update(email="changed@example.com")
    connections.close_all()
    line = refusal(source=database_url(), target=f"sqlite:///{file}")
    assert line.startswith("CommandError: auth_user differs: ")
    assert "The source was written since the move began." in line
    assert_not_served(file)
    with Killer(database_url(), f"sqlite:///{file}") as killer:
        assert killer.move(fatal=steps * 3 // 4) == 0
    pair_of(name)
    connections.close_all()
    done = manage("move_database", source=database_url(), target=f"sqlite:///{file}")
    assert done.returncode == 0, done.stderr
    assert "not as it was at the last attempt, so the move begins again" in done.stderr
    with closing(sqlite3.connect(file)) as to:
        changed = to.execute("SELECT username FROM auth_user WHERE email LIKE 'changed@%'")
        assert changed.fetchall() == [("live",)]


@pytest.mark.postgresql
@pytest.mark.slow
def test_source_that_is_being_written_is_not_moved(alice, file):
    with psycopg.connect(database_url()) as writer:
        writer.execute("UPDATE auth_user SET email = 'x'")
        line = refusal(source=database_url(), target=f"sqlite:///{file}")
        assert "The source is being written. Stop the portal" in line
    assert not file.exists()


@pytest.mark.postgresql
@pytest.mark.slow
def test_portal_that_was_not_stopped_is_noticed(alice, file):
    """Its write waits for the move, and would be lost."""
    locked = (
        "SELECT 1 FROM pg_locks WHERE relation = 'tokens_revokedsession'::regclass"
        " AND mode = 'ShareRowExclusiveLock' AND granted"
    )
    target = f"sqlite:///{file}"
    with (
        psycopg.connect(database_url(), autocommit=True) as portal,
        ThreadPoolExecutor() as threads,
    ):
        moving = threads.submit(manage, "move_database", source=database_url(), target=target)
        while not portal.execute(locked).fetchone():
            assert not moving.done()
        portal.execute("INSERT INTO tokens_revokedsession (session_id) VALUES (%s)", [uuid4()])
        done = moving.result()
    assert done.returncode == 1
    assert "a portal still uses it. Stop the portal" in done.stderr
    with closing(sqlite3.connect(file)) as to:
        assert to.execute("SELECT count(*) FROM tokens_unfinished_move").fetchone()[0]
    assert (
        moved(source=database_url(), target=target)["tables"]["tokens_revokedsession"]["rows"] == 1
    )


@pytest.mark.slow
def test_each_row_that_can_not_be_moved_is_named_and_nothing_is_written(alice, sam, tmp_path):
    """The rows are those of `test_rubbish_rows`."""
    session = pair_of(alice).session
    spoiled = sum(spoil(row) for row in rows(sam, session).values())
    connections.close_all()
    target = NOWHERE if connection.vendor == "sqlite" else f"sqlite:///{tmp_path}/none"
    done = manage("move_database", "--dry-run", "--json", source=database_url(), target=target)
    facts = json.loads(done.stdout)
    *named, last = done.stderr.splitlines()
    assert 0 < facts["unmovable"] < spoiled
    assert last == f"CommandError: Rows that can't be moved: {facts['unmovable']:,}."
    assert len(named) == min(facts["unmovable"], 20)
    assert all("Repair or delete this row in the source" in line for line in named)
    assert done.returncode == 1
    assert not (tmp_path / "none").exists()


@pytest.mark.postgresql
@pytest.mark.slow
def test_rubbish_in_sqlite_stops_a_move_that_goes_on_after_the_repair(people, file, empty_database):
    moved(source=database_url(), target=f"sqlite:///{file}")
    source, sid = f"sqlite:///{file}", people["live"].session.pk.hex
    for value, why in (
        ("CAST(x'ff' AS TEXT)", "is no text in UTF-8"),
        ("'a' || char(0)", "has a NUL character"),
        (f"'{'x' * 600}'", "is longer than 512 characters"),
        ("x'00'", "is no text in UTF-8"),
    ):
        with closing(sqlite3.connect(file)) as to:
            to.execute(f"UPDATE tokens_session SET user_agent = {value} WHERE id = ?", [sid])
            to.commit()
        tried = manage("move_database", "--dry-run", source=source, target=NOWHERE)
        named, last = tried.stderr.splitlines()
        assert named.startswith(f"tokens_session, id '{sid}': user_agent {why}. Repair")
        assert last == "CommandError: Rows that can't be moved: 1."
    assert f"id '{sid}': user_agent " in refusal(source=source, target=empty_database)
    with closing(sqlite3.connect(file)) as to:
        to.execute("UPDATE tokens_session SET user_agent = '' WHERE id = ?", [sid])
        to.execute("PRAGMA ignore_check_constraints = ON")
        to.execute("UPDATE tokens_session SET rotations = -1 WHERE id = ?", [sid])
        to.commit()
    line = refusal(source=source, target=empty_database)
    assert "refuses a row because of tokens_session_rotations_check (CheckViolation)." in line
    with closing(sqlite3.connect(file)) as to:
        to.execute("UPDATE tokens_session SET rotations = 1")
        to.execute("UPDATE tokens_sessiontoken SET session_id = ?", [uuid4().hex])
        to.commit()
    line = refusal(source=source, target=empty_database)
    assert "tokens_sessiontoken, token_id " in line
    assert "refers to a row of tokens_session that does not exist" in line
    with closing(sqlite3.connect(file)) as to:
        to.execute("DELETE FROM tokens_sessiontoken")
        to.commit()
    assert moved(source=source, target=empty_database)["rows"] > 0


@pytest.mark.postgresql
def test_id_after_which_sqlite_could_number_nothing_is_refused(db, file):
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO tokens_revokedsession (id, session_id) VALUES (%s, %s)",
            [2**63 - 1, uuid4()],
        )
    line = refusal("--dry-run", source=database_url(), target=f"sqlite:///{file}")
    assert f"tokens_revokedsession, id {2**63 - 1}: SQLite could number no later row" in line or (
        "Rows that can't be moved: 1" in line
    )


@pytest.mark.once
@pytest.mark.parametrize(
    ("target", "line"),
    [
        ("", "There is no target: set TARGET_DATABASE_URL"),
        ("sqlite:////tmp/other.sqlite3", "Both databases are SQLite: copy the file"),
        (NOWHERE, "The target can't be used: connection"),
        ("mysql://u:hidden@h/n", "TARGET_DATABASE_URL does not begin with postgres://"),
        ("postgres://u:hidden@h", "TARGET_DATABASE_URL names no database"),
    ],
)
def test_wrong_target_is_one_line(migrated_file, target, line):
    found = refusal(source=f"sqlite:///{migrated_file}", target=target)
    assert line in found
    assert "hidden" not in found


@pytest.mark.postgresql
@pytest.mark.usefixtures("db")
def test_role_without_rights_on_the_target_is_one_line(migrated_file, empty_database):
    role = f"mover_{uuid4().hex}"
    with psycopg.connect(database_url(), autocommit=True) as to:
        to.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'hidden'".encode())
    try:
        target = empty_database.replace("//postgres", f"//{role}:hidden")
        line = refusal(source=f"sqlite:///{migrated_file}", target=target)
        assert "No table can be created in the target: permission denied" in line
        assert "hidden" not in line
    finally:
        with psycopg.connect(database_url(), autocommit=True) as to:
            to.execute(f"DROP ROLE {role}".encode())


@pytest.mark.once
def test_source_without_migrations_is_one_line(tmp_path):
    source = f"sqlite:///{tmp_path}/none.sqlite3"
    assert "run manage.py migrate" in refusal(source=source, target=NOWHERE)


@pytest.mark.once
def test_unreachable_target_leaves_the_source_as_it_was(migrated_file):
    with closing(sqlite3.connect(migrated_file)) as to:
        before = list(to.iterdump())
    refusal(source=f"sqlite:///{migrated_file}", target=NOWHERE)
    with closing(sqlite3.connect(migrated_file)) as to:
        assert list(to.iterdump()) == before


@pytest.fixture(scope="module")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a migrated database of SQLite."""
    path = tmp_path_factory.mktemp("source") / "db.sqlite3"
    env = {**os.environ, "DATABASE_URL": f"sqlite:///{path}"}
    env["DJANGO_SETTINGS_MODULE"] = "portal.settings"
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"], cwd=ROOT, env=env, check=True
    )
    return path
