import io
import json
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session as BrowserSession
from django.core.management import CommandError, call_command
from django.utils import timezone

from tests.audit.events import sql, unguarded, write
from tokens.models import (
    Event,
    Kind,
    LoginThrottle,
    OutstandingToken,
    RevokedSession,
    Seal,
    Session,
)  # fmt: skip
from tokens.revocation import revoke_session
from tokens.sessions.issue import open_session
from tokens.sessions.refresh import rotate
from tokens.validation.validator import validate

pytestmark = pytest.mark.django_db


def run(*words, **options):
    out = io.StringIO()
    call_command(*words, json=True, stdout=out, **options)
    return json.loads(out.getvalue())


def kinds():
    return list(Event.objects.order_by("pk").values_list("kind", flat=True))


def test_seal_then_verify_against_the_seal_that_was_printed(tmp_path):
    write(5)
    assert run("seal_events", dry_run=True) == {"would_seal": 5}
    sealed = run("seal_events")
    assert (sealed["events"], sealed["seals"]) == (5, 1)
    kept = tmp_path / "kept"
    kept.write_text(json.dumps(sealed) + "\n")
    assert run("verify_events", against=[str(kept)])["intact"]
    assert run("verify_events", against=[sealed["newest"]])["unsealed"] == 0


@pytest.mark.parametrize("prefix", ["", "Nov 27 09:00:01 host python[12]: "])
@pytest.mark.parametrize("as_json", [False, True])
def test_log_of_seal_events_is_a_file_of_seals(tmp_path, prefix, as_json):
    out = io.StringIO()
    call_command("seal_events", json=as_json, stdout=out)
    write(5)
    call_command("seal_events", json=as_json, stdout=out)
    kept = tmp_path / "seals.log"
    kept.write_text("".join(f"{prefix}{line}\n" for line in out.getvalue().splitlines()))
    assert run("verify_events", against=[str(kept)])["intact"]
    with unguarded():
        sql("DELETE FROM tokens_seal")
    with pytest.raises(SystemExit):
        run("verify_events", against=[str(kept)])


@pytest.mark.parametrize("text", ["", "\n\n", "Sealed 0 events. Newest seal: none\n", "rubbish\n"])
def test_file_without_a_seal_is_refused(tmp_path, text):
    kept = tmp_path / "kept"
    kept.write_text(text)
    with pytest.raises(CommandError, match="seal"):
        run("verify_events", against=[str(kept)])


def test_missing_file_of_seals_is_named(tmp_path):
    with pytest.raises(CommandError, match="There is no file"):
        run("verify_events", against=[str(tmp_path / "none")])


def test_two_digests_of_one_seal_are_refused():
    with pytest.raises(CommandError, match="two digests"):
        run("verify_events", against=["1:" + "a" * 64, "1:" + "b" * 64])


def test_verify_names_the_event_and_fails(capsys):
    event = write(5)[2]
    run("seal_events")
    with unguarded():
        sql("UPDATE tokens_event SET jti = 'x' WHERE id = %s", event.pk)
    with pytest.raises(SystemExit) as left:
        call_command("verify_events", json=True)
    assert left.value.code == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["intact"], said["what"], said["event"]) == (False, "changed", event.pk)


def test_export_to_a_file_that_only_its_owner_reads(tmp_path):
    write(3)
    target = tmp_path / "trail.jsonl"
    run("export_events", output=str(target), kind=[Kind.REFRESH])
    assert target.stat().st_mode & 0o777 == 0o600
    assert len(target.read_text().splitlines()) == 3
    event = Event.objects.get(kind=Kind.EXPORTED)
    assert (event.count, event.client) == (3, "manage.py export_events")
    with pytest.raises(CommandError, match="exists"):
        run("export_events", output=str(target))


def test_purge_events_keeps_what_is_young():
    write(3)
    run("seal_events")
    assert run("purge_events", days=30, dry_run=True) == {"would_remove": 0}
    assert run("purge_events", days=30) == {"removed": 0}
    assert Seal.objects.count() == 1


def test_revoke_by_user(alice, bob):
    hers, his = open_session(user=alice), open_session(user=bob)
    what = {"user": ["alice"], "reason": "left"}
    assert run("revoke_tokens", dry_run=True, **what)["sessions"] == 1
    assert validate(token=hers.access).active
    assert run("revoke_tokens", **what) == {"tokens": 1, "sessions": 1, "users": 1}
    assert not validate(token=hers.access).active
    assert validate(token=his.access).active
    event = Event.objects.get(kind=Kind.REVOKE_MATCHING)
    assert (event.reason, event.client) == ("left", "manage.py revoke_tokens")
    assert run("revoke_tokens", **what)["tokens"] == 0


def test_revoke_everybody_counts_what_its_dry_run_counts(alice, bob):
    pairs = [open_session(user=alice), open_session(user=bob)]
    expired = Session.objects.filter(pk=pairs[0].session.pk)
    expired.update(ends_at=timezone.now() - timedelta(days=1))
    seen = run("revoke_tokens", everybody=True, dry_run=True)
    assert seen == {"dry_run": True, **run("revoke_tokens", everybody=True, reason="breach")}
    assert seen["sessions"] == 1


def test_revoke_everybody_is_a_cut_off(alice, bob):
    pairs = [open_session(user=alice), open_session(user=bob)]
    run("revoke_tokens", everybody=True, reason="breach")
    assert not any(validate(token=pair.access).active for pair in pairs)
    assert Event.objects.get(kind=Kind.CUTOFF).reason == "breach"


@pytest.mark.parametrize(
    "words", [{}, {"everybody": True}, {"user": ["nobody"], "reason": "x"}], ids=str
)
def test_revoke_asks_what_and_why(words, alice):
    pair = open_session(user=alice)
    with pytest.raises(CommandError):
        run("revoke_tokens", **words)
    assert validate(token=pair.access).active


def expire(**ages):
    for model, days in ages.items():
        rows = {"tokens": OutstandingToken, "sessions": Session}[model].objects
        rows.update(expires_at=timezone.now() - timedelta(days=days))


def test_purge_takes_expired_tokens_and_leaves_the_session(alice):
    pair = open_session(user=alice)
    second = rotate(refresh=pair.refresh)
    expire(tokens=3)
    assert run("purge_tokens", dry_run=True)["tokens"] == 2
    assert run("purge_tokens")["tokens"] == 2
    assert Session.objects.count() == 1
    for token in (pair.refresh, second.refresh):
        assert validate(token=token).failed == "known"
    assert Event.objects.get(kind=Kind.PURGED).count == 2


def test_purge_takes_ended_sessions_with_their_tokens(alice):
    pair = open_session(user=alice)
    revoke_session(session=pair.session, actor=None, reason="lost device")
    expire(tokens=3, sessions=3)
    assert run("purge_tokens", dry_run=True)["sessions"] == 1
    assert run("purge_tokens")["sessions"] == 1
    assert not validate(token=pair.access).active
    assert not RevokedSession.objects.exists()
    assert run("purge_tokens") == {"tokens": 0, "sessions": 0, "counters": 0}


def test_purge_leaves_what_could_still_be_accepted(alice):
    pair = open_session(user=alice)
    used = pair.refresh
    rotate(refresh=used)
    expire(sessions=3)
    counted = run("purge_tokens", dry_run=True)
    assert counted == {"dry_run": True, **run("purge_tokens")}
    assert (counted["tokens"], counted["sessions"]) == (0, 0)
    assert OutstandingToken.objects.filter(blacklistedtoken__isnull=False).count() == 1


def test_purge_takes_counters_whose_window_is_over():
    now = timezone.now()
    LoginThrottle.objects.create(key="old", resets_at=now - timedelta(seconds=1))
    LoginThrottle.objects.create(key="new", resets_at=now + timedelta(hours=1))
    BrowserSession.objects.create(session_key="old", expire_date=now - timedelta(days=1))
    out = io.StringIO()
    call_command("purge_tokens", dry_run=True, stdout=out)
    assert "2 counters and browser sessions" in out.getvalue()
    assert run("purge_tokens")["counters"] == 2
    assert LoginThrottle.objects.get().key == "new"


def test_redact_takes_the_signature_and_the_token_works_on(alice):
    pair = open_session(user=alice)
    OutstandingToken.objects.update(token=pair.refresh)
    assert run("redact_tokens", dry_run=True)["redacted"] == 1
    assert run("redact_tokens")["redacted"] == 1
    assert OutstandingToken.objects.get().token == pair.refresh.rpartition(".")[0] + "."
    assert run("redact_tokens")["redacted"] == 0
    assert rotate(refresh=pair.refresh).refresh


def test_inspect_reads_standard_input_and_keeps_nothing(alice, monkeypatch):
    pair = open_session(user=alice)
    monkeypatch.setattr("sys.stdin", io.StringIO(pair.access + "\n"))
    said = run("inspect_token")
    assert said["active"]
    assert said["answer"]["status"] == 200
    event = Event.objects.get(kind=Kind.TOKEN_INSPECTED)
    assert (event.subject, event.session_id) == (alice, pair.session.pk)
    assert pair.access.rpartition(".")[2] not in json.dumps([said, event.data])


def claims_with_odd_characters(user, session):
    return {"name": "Zoë…", "trick": "a\u202eb"}


def test_inspect_prints_characters_and_no_hidden_ones(alice, settings, monkeypatch):
    settings.CLAIMS = f"{__name__}.claims_with_odd_characters"
    monkeypatch.setattr("sys.stdin", io.StringIO(open_session(user=alice).access))
    out = io.StringIO()
    call_command("inspect_token", stdout=out)
    assert 'name: "Zoë…"' in out.getvalue()
    assert 'trick: "a‹U+202E›b"' in out.getvalue()


def test_inspect_of_rubbish(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("rubbish"))
    said = run("inspect_token")
    assert (said["failed"], said["answer"]["status"]) == ("signature", 401)


def test_unlock(settings, alice, client):
    from django.contrib.auth import authenticate

    from tokens.accounts.passwords import LoginLocked

    settings.LOGIN_ATTEMPTS = 1
    authenticate(username="alice", password="wrong")
    with pytest.raises(LoginLocked):
        authenticate(username="alice", password="wrong")
    assert run("unlock_login", "alice", reason="asked by phone") == {
        "unlocked": True,
        "counters": 1,
    }
    assert run("unlock_login", "alice", reason="again")["counters"] == 0
    assert Event.objects.get(kind=Kind.LOGIN_UNLOCKED).reason == "asked by phone"


@pytest.mark.parametrize("algorithm", ["HS256", "ES256"])
def test_rotate_signing_key(algorithm, settings, tmp_path, alice, monkeypatch):
    from environ import Env

    from portal.management.commands.rotate_signing_key import on_one_line
    from tokens.jwt.algorithms import ALGORITHMS

    old = on_one_line(ALGORITHMS[algorithm].generate())
    settings.JWT_SIGNING_KEY = old.replace("\\n", "\n")
    settings.SIMPLE_JWT = {**settings.SIMPLE_JWT, "ALGORITHM": algorithm}
    pair = open_session(user=alice)
    file = tmp_path / "env"
    file.write_text(f"# kept\nJWT_SIGNING_KEY={old}\nDEBUG=off\n")
    said = run("rotate_signing_key", file=str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text().startswith("# kept\n")
    monkeypatch.setattr(Env, "ENVIRON", {})
    env = Env()
    env.read_env(str(file))
    settings.JWT_SIGNING_KEY = env.str("JWT_SIGNING_KEY", multiline=True)
    settings.JWT_RETIRED_KEYS = env.list("JWT_RETIRED_KEYS")
    assert validate(token=pair.access).active
    assert validate(token=open_session(user=alice).access).active
    assert kinds()[1:3] == [Kind.KEY_ADDED, Kind.KEY_RETIRED]
    assert Event.objects.get(kind=Kind.KEY_ADDED).data["kid"] == said["new"]


def test_a_key_that_comes_from_the_environment_is_not_rotated_in_a_file(tmp_path):
    file = tmp_path / "env"
    file.write_text("DEBUG=off\n")
    with pytest.raises(CommandError, match="environment"):
        run("rotate_signing_key", file=str(file))
    assert kinds() == []
