"""Bad option values of commands are one line, and change nothing."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from django.core.management import CommandError, call_command, get_commands, load_command_class

from tests.support.server.portal import ROOT

FAR = "9999-12-31T23:59:59-14:00"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "line",
    [
        ("purge_events", "--days", "9999999"),
        ("purge_events", "--days", "0"),
        ("partition_events", "--events", "99999"),
        ("purge_tokens", "--days", "9" * 20, "--dry-run"),
        ("purge_tokens", "--days", "-1"),
        ("rotate_signing_key", "--keep", "-1", "--dry-run"),
        ("revoke_tokens", "--issued-after", FAR, "--dry-run"),
        ("revoke_tokens", "--issued-after", "rubbish", "--dry-run"),
        ("revoke_tokens", "--ip", "notip", "--dry-run"),
        ("revoke_tokens", "--ip", "203.0.113.7", "--client", "", "--dry-run"),
        ("revoke_tokens", "--ip", "203.0.113.7", "--q", " ", "--dry-run"),
        ("export_events", "--after", FAR),
        ("export_events", "--jti", ""),
        ("export_events", "--ip", "notip"),
        ("export_events", "--subject", "nobody"),
        ("deliver_events", "--pause", "-1"),
        ("deliver_events", "--timeout", "0"),
        ("deliver_events", "--timeout", "nan"),
        ("send_notices", "--pause", "0"),
        ("seal_events", "--wait", "-1"),
        ("verify_events", "--from", "-1"),
        ("verify_events", "--from", "7"),
        ("verify_events", "--against", ""),
        ("verify_events", "--against", "12:ab34"),
        ("unlock_login", "alice", "--reason", ""),
        ("unlock_login", "alicia", "--reason", "asked by phone"),
        ("purge_tokens", "--reason", " "),
        ("purge_events", "--days", "30", "--reason", ""),
        ("revoke_tokens", "--everybody", "--session", "0" * 32, "--dry-run"),
        ("revoke_tokens", "--everybody", "--ip", "203.0.113.7", "--dry-run"),
    ],
    ids=" ".join,
)
def test_command_refuses_a_bad_option_value(line):
    with pytest.raises(CommandError) as refused:
        call_command(*line)
    assert "\n" not in str(refused.value)


def manage(*words, **settings):
    """Run ``manage.py`` as an operator does."""
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "portal.settings", **settings},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "words",
    [
        ("unlock_login", "alice"),
        ("revoke_tokens", "--rubbish"),
        ("deliver_events", "--pause", "-1"),
        ("export_events", "--kind", "rubbish"),
    ],
    ids=" ".join,
)
def test_mistake_in_the_command_line_is_one_line_without_the_usage(words):
    done = manage(*words)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(f"manage.py {words[0]}: ")
    assert done.stderr.endswith("(see --help)\n")


@pytest.mark.parametrize("command", ["services", "signing_keys"])
def test_act_of_a_command_takes_the_options_of_django(command):
    settings = ("--settings", "tests.settings", "--no-color", "--verbosity", "0")
    done = manage(command, "list", *settings, DATABASE_URL="sqlite:////nowhere/db.sqlite3")
    assert done.returncode == 1
    assert "see --help" not in done.stderr


@pytest.mark.parametrize("words", [("verify_events",), ("revoke_tokens", "--q", "x", "--dry-run")])
def test_database_without_tables_is_named(tmp_path, words):
    done = manage(*words, DATABASE_URL=f"sqlite:///{tmp_path}/db.sqlite3")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert f"{tmp_path}/db.sqlite3 has no tables: run manage.py migrate, or set" in done.stderr


def test_database_of_an_earlier_release_is_named(tmp_path):
    with closing(sqlite3.connect(tmp_path / "db.sqlite3")) as database:
        database.execute("CREATE TABLE tokens_event (id integer)")
    done = manage("verify_events", DATABASE_URL=f"sqlite:///{tmp_path}/db.sqlite3")
    assert len(done.stderr.splitlines()) == 1
    assert "lacks the table tokens_" in done.stderr
    assert "run manage.py migrate" in done.stderr


def options_with_a_value():
    """Return each option of each command that converts or chooses its value."""
    for name, app in sorted(get_commands().items()):
        if app in ("tokens", "portal"):
            parser = load_command_class(app, name).create_parser("manage.py", name)
            for action in parser._actions:
                own = action.option_strings and action.option_strings[0] not in OTHERS
                if own and (action.type or action.choices):
                    yield name, action.option_strings[0]


# Options that each command has from Django, and three that take any text.
OTHERS = {"-v", "--verbosity", "--settings", "--pythonpath"} | {"--reason", "--jti", "--request-id"}


@pytest.mark.django_db
@pytest.mark.parametrize("value", ["rubbish", "", "-1.5e400", "\u0661\u200b"])
@pytest.mark.parametrize(("name", "option"), list(options_with_a_value()))
def test_no_option_takes_rubbish(name, option, value):
    with pytest.raises(CommandError) as refused:
        call_command(name, f"{option}={value}")
    assert "\n" not in str(refused.value)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "words", [("--everybody",), ("--user", "alice"), ("--ip", "192.0.2.1"), ()]
)
def test_revocation_without_a_reason_is_refused(alice, words):
    with pytest.raises(CommandError) as refused:
        call_command("revoke_tokens", *words)
    assert "\n" not in str(refused.value)
