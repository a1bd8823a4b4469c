"""The documented lines of the app's commands work as they are written."""

import re
import shlex
import threading
from io import StringIO

import pytest
from django.core.management import CommandError, call_command, get_commands

from tests.audit.hook import POLL, SECRET, Hook
from tests.docs.markdown import command_lines, documents, text_of
from tests.support.tokens import later, pair_of
from tokens.accounts.throttle import LoginLocked, record_attempt
from tokens.jwt.algorithms import ALGORITHMS
from tokens.keyring.acts import add_from_environment, add_key, retire_key

OWN = {name for name, app in get_commands().items() if app in ("tokens", "portal")}
# They read or write files, or take tables away, and have tests of their own.
ELSEWHERE = {
    "after_restore",
    "backup_database",
    "migrate",
    "move_database",
    "partition_events",
    "quickstart",
    "rotate_signing_key",
    "seed_demo",
}
# A line of `manage.py`, or inline code of a command with options.
LINES = (re.compile(r"manage\.py ([a-z_]+)([^|;&]*)"), re.compile(r"^([a-z_]+)( .+)"))


def documented():
    """Return the lines of commands, without the names of commands that a sentence only mentions."""
    found = set()
    for path in documents():
        if path.name == "CHANGELOG.md":
            continue  # it names options
        for line in command_lines(text_of(path)):
            line = re.sub(r"(?<=\w)\|(?=\w)", "/", line)
            match = LINES[0].search(line) or LINES[1].search(line)
            if match and match[1] in OWN - ELSEWHERE:
                found |= {f"{match[1]} {words}" for words in choices(match[2].strip())}
    return sorted(found)


def choices(options):
    """Return the options once for each value of ``a/b/c``."""
    choice = re.search(r"\b\w+(?:/\w+)+\b", options)
    values = choice[0].split("/") if choice else [""]
    return [options.replace(choice[0], value) if choice else options for value in values]


@pytest.fixture
def _hook(settings):
    with Hook() as server:
        threading.Thread(target=server.serve_forever, args=[POLL], daemon=True).start()
        settings.WEBHOOK_URL = f"http://127.0.0.1:{server.server_port}/hook"
        settings.WEBHOOK_SECRET = SECRET
        yield
        server.shutdown()


def ring_with_a_retired_key():
    """Add the signing keys that the lines are about, and return the one to retire."""
    with later(hours=-1):
        add_from_environment()
        add_key(algorithm=ALGORITHMS["ES256"])
        kid = add_key(algorithm=ALGORITHMS["EdDSA"]).key.kid
        retire_key(kid=kid)
    return kid


@pytest.mark.usefixtures("_hook")
@pytest.mark.django_db(transaction=True)
def test_each_documented_line_of_a_command_works(alice, settings, monkeypatch):
    settings.LOGIN_ATTEMPTS = 1
    settings.PORTAL_URL = "https://portal.example.com"
    token = pair_of(alice).access
    record_attempt(username="alice")
    with pytest.raises(LoginLocked):
        record_attempt(username="alice")
    settings.SIGNING_KEYS_SECRET = SECRET * 2
    kid = ring_with_a_retired_key()
    lines = documented()
    assert {line.split()[0] for line in lines} >= {
        *("adopt", "deliver_events", "export_events", "inspect_token", "purge_events"),
        *("purge_tokens", "redact_tokens", "revoke_tokens", "seal_events", "unlock_login"),
    }
    failed = {}
    for line in lines:
        monkeypatch.setattr("sys.stdin", StringIO(token))
        name, *words = shlex.split(line.replace("NAME", "alice").replace("KID", kid))
        try:
            call_command(name, *words, stdout=StringIO(), stderr=StringIO())
        except (CommandError, SystemExit) as error:
            failed[line] = str(error)
    assert failed == {}
