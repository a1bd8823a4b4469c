"""Keys are added, promoted and retired by one command, and each step can be repeated."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from tests.keyring.conftest import SECRET
from tests.support.clock import travel
from tests.support.tokens import failed, kinds, pair_of, refused
from tokens.jwt.algorithms import ALGORITHMS
from tokens.jwt.keys import key_ring, make_key
from tokens.keyring import acts
from tokens.keyring.acts import add_key
from tokens.keyring.following import database_ring
from tokens.models import Event, Kind, OutstandingToken, Session, SigningKey

REASON = ("--reason", "leaked")


@pytest.fixture(autouse=True)
def _fresh(ring, monkeypatch):
    """Start with an empty ring, which no other process follows."""
    monkeypatch.setattr(acts, "FOLLOW", timedelta(0))


def state_of(kid):
    return SigningKey.objects.get(kid=kid).state


def later(**delta):
    database_ring.forget()
    return travel(timezone.now() + timedelta(**delta))


def ring_events():
    names = (Kind.KEY_ADDED, Kind.KEY_PROMOTED, Kind.KEY_RETIRED)
    return [kind for kind in kinds() if kind in names]


def test_first_key_signs_at_once(run):
    (key,) = run("add", "--alg", "ES256")["keys"]
    assert (key["state"], key["algorithm"], key["changed"]) == ("signing", "ES256", True)
    assert key_ring().current.kid == key["kid"]


def test_key_is_promoted_when_every_client_has_it(alice, run):
    (first,) = run("add", "--alg", "HS256")["keys"]
    (second,) = run("add", "--alg", "ES256")["keys"]
    assert second["state"] == "upcoming"
    with pytest.raises(CommandError, match="Clients may not have the key"):
        run("promote")
    with later(seconds=299), pytest.raises(CommandError, match="or with --now"):
        run("promote", second["kid"])
    with later(seconds=310):
        (promoted,) = run("promote")["keys"]
        assert (promoted["kid"], promoted["state"]) == (second["kid"], "signing")
    assert state_of(first["kid"]) == "verifying"
    assert ring_events() == [Kind.KEY_ADDED, Kind.KEY_ADDED, Kind.KEY_PROMOTED]
    event = Event.objects.get(kind=Kind.KEY_PROMOTED)
    assert event.data["before"] == first["kid"]


def test_id_of_a_new_key_does_not_begin_like_an_option(db, ring):
    for _ in range(200):
        key = add_key(algorithm=ALGORITHMS["EdDSA"]).key
        assert not key.kid.startswith("-")
        SigningKey.objects.all().delete()


def test_key_of_the_environment_may_be_named_after_two_dashes(ring, run, settings):
    algorithm = ALGORITHMS["EdDSA"]
    materials = (algorithm.generate() for _ in range(10_000))
    settings.SIMPLE_JWT = {**settings.SIMPLE_JWT, "ALGORITHM": "EdDSA"}
    settings.JWT_SIGNING_KEY = next(
        one for one in materials if make_key(material=one, algorithm=algorithm).kid[0] == "-"
    )
    run("add", "--alg", "HS256")
    (key,) = run("add", "--from-environment")["keys"]
    call_command("signing_keys", "promote", "--now", "--", key["kid"], stdout=StringIO())
    assert state_of(key["kid"]) == "signing"


def test_each_step_can_be_repeated(run):
    run("add", "--alg", "HS256")
    (added,) = run("add", "--alg", "ES256")["keys"]
    (again,) = run("add", "--alg", "ES256")["keys"]
    assert (again["kid"], again["changed"]) == (added["kid"], False)
    run("promote", "--now")
    for words in (("promote",), ("promote", "--now"), ("promote", added["kid"])):
        (key,) = run(*words)["keys"]
        assert (key["kid"], key["changed"]) == (added["kid"], False)
    for _ in range(2):
        (retired,) = run("retire", added["kid"], "--emergency", "--yes", *REASON)["keys"]
        assert retired["state"] == "retired"
    assert not retired["changed"]
    assert (run("retire", added["kid"])["keys"])[0]["changed"] is False
    count = len(ring_events())
    run("list")
    assert len(ring_events()) == count
    assert [kind for kind in ring_events() if kind == Kind.KEY_RETIRED] == [Kind.KEY_RETIRED]


def test_two_upcoming_keys_have_to_be_named(run):
    run("add", "--alg", "HS256")
    run("add", "--alg", "ES256")
    (eddsa,) = run("add", "--alg", "EdDSA")["keys"]
    with pytest.raises(CommandError, match="Name the key to promote"):
        run("promote", "--now")
    assert run("promote", eddsa["kid"], "--now")["keys"][0]["state"] == "signing"


def test_unknown_key_is_named_in_one_line(run):
    run("add", "--alg", "HS256")
    for words in (("promote", "x"), ("retire", "x"), ("retire", "x", "--emergency", *REASON)):
        with pytest.raises(CommandError, match="no key x"):
            run(*words)


def test_retired_key_is_not_promoted(run):
    run("add", "--alg", "HS256")
    (key,) = run("add", "--alg", "ES256")["keys"]
    run("retire", key["kid"])
    with pytest.raises(CommandError, match="only an upcoming key"):
        run("promote", key["kid"], "--now")


def test_key_is_retired_when_its_last_token_has_expired(alice, run):
    (old,) = run("add", "--alg", "HS256")["keys"]
    pair_of(alice)
    with pytest.raises(CommandError, match="promote another key first"):
        run("retire", old["kid"])
    run("add", "--alg", "ES256")
    run("promote", "--now")
    with pytest.raises(CommandError, match="may be live until"):
        run("retire", old["kid"])
    with later(days=6, hours=23), pytest.raises(CommandError, match="may be live until"):
        run("retire", old["kid"])
    with later(days=7, minutes=1):
        assert run("retire", old["kid"])["keys"][0]["state"] == "retired"


def test_live_session_keeps_its_key_though_tokens_live_shorter_now(alice, run):
    (old,) = run("add", "--alg", "HS256")["keys"]
    pair_of(alice)
    run("add", "--alg", "ES256")
    run("promote", "--now")
    end = timezone.now() + timedelta(days=60)
    Session.objects.update(ends_at=end, expires_at=end)
    OutstandingToken.objects.update(expires_at=end)
    with later(days=8):
        with pytest.raises(CommandError, match="live sessions"):
            run("retire", old["kid"])
        call_command("purge_tokens", stdout=StringIO())
        assert state_of(old["kid"]) == "verifying"


def test_purging_retires_keys_that_are_due(alice, run):
    (old,) = run("add", "--alg", "HS256")["keys"]
    run("add", "--alg", "ES256")
    run("promote", "--now")
    call_command("purge_tokens", stdout=StringIO())
    assert state_of(old["kid"]) == "verifying"
    with later(days=8):
        call_command("purge_tokens", stdout=StringIO())
        assert state_of(old["kid"]) == "retired"
        call_command("purge_tokens", stdout=StringIO())
    assert ring_events()[-1] == Kind.KEY_RETIRED
    assert ring_events().count(Kind.KEY_RETIRED) == 1


def test_emergency_ends_what_the_key_signed_and_nothing_else(alice, bob, run):
    (old,) = run("add", "--alg", "HS256")["keys"]
    stolen = pair_of(alice)
    run("add", "--alg", "ES256")
    run("promote", "--now")
    database_ring.forget()
    kept = pair_of(bob)
    said = run("retire", old["kid"], "--emergency", "--yes", *REASON)
    assert (said["sessions"], said["users"]) == (1, 1)
    assert "successor" not in said["keys"][0]
    database_ring.forget()
    assert failed(stolen.access) == failed(stolen.refresh) == "signature"
    assert failed(kept.access) is None
    assert not refused(kept.refresh)
    ended = Session.objects.get(user=alice)
    assert (ended.revoke_reason, ended.revoked_at is not None) == ("leaked", True)
    (retired,) = Event.objects.filter(kind=Kind.KEY_RETIRED)
    assert (retired.reason, retired.data["emergency"]) == ("leaked", True)
    (revoked,) = Event.objects.filter(kind=Kind.REVOKE_MATCHING)
    assert old["kid"] in json.dumps(revoked.data["filter"])


@pytest.mark.parametrize("upcoming", [True, False])
def test_key_that_signs_has_a_successor_in_an_emergency(alice, run, upcoming):
    (old,) = run("add", "--alg", "ES256")["keys"]
    waiting = run("add", "--alg", "EdDSA")["keys"][0]["kid"] if upcoming else None
    stolen = pair_of(alice)
    said = run("retire", old["kid"], "--emergency", "--yes", *REASON)
    successor = said["keys"][0]["successor"]
    assert successor["state"] == "signing"
    assert successor["kid"] == waiting if upcoming else successor["algorithm"] == "ES256"
    database_ring.forget()
    assert failed(stolen.access) == "signature"
    assert failed(pair_of(alice).access) is None


def test_emergency_asks_and_needs_a_reason(alice, run):
    (key,) = run("add", "--alg", "HS256")["keys"]
    pair_of(alice)
    with pytest.raises(CommandError, match="--reason"):
        run("retire", key["kid"], "--emergency", "--yes")
    err = StringIO()
    with pytest.raises(CommandError, match="--yes"):
        call_command("signing_keys", "retire", key["kid"], "--emergency", *REASON, stderr=err)
    assert "revokes 1 live sessions of 1 users" in err.getvalue()
    assert state_of(key["kid"]) == "signing"


@pytest.mark.parametrize(("typed", "state"), [("", "signing"), ("KID", "retired")])
def test_person_types_the_key_to_go_on(run, monkeypatch, typed, state):
    (key,) = run("add", "--alg", "HS256")["keys"]
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda prompt: key["kid"] if typed else "no")
    words = ("retire", key["kid"], "--emergency", *REASON)
    if typed:
        run(*words)
    else:
        with pytest.raises(CommandError, match="Nothing was changed"):
            run(*words)
    assert state_of(key["kid"]) == state


def test_emergency_prints_each_fact_on_a_line_of_its_own(run):
    (key,) = run("add", "--alg", "HS256")["keys"]
    out = StringIO()
    words = ("retire", key["kid"], "--emergency", "--yes", *REASON)
    call_command("signing_keys", *words, stdout=out)
    *_keys, last = out.getvalue().splitlines()
    assert last == "Revoked 0 sessions of 0 users."


def test_list_says_when_each_key_passes_on(run):
    run("add", "--alg", "HS256")
    run("add", "--alg", "ES256")
    run("promote", "--now")
    run("add", "--alg", "EdDSA")
    keys = run("list")["keys"]
    assert [key["state"] for key in keys] == ["verifying", "signing", "upcoming"]
    assert all(key["usable"] for key in keys)
    out = StringIO()
    call_command("signing_keys", "list", stdout=out)
    lines = out.getvalue().splitlines()
    assert [line.partition(": ")[2].split()[0] for line in lines] == [
        "verifying", "signing", "upcoming",
    ]  # fmt: skip
    assert "until" in lines[0]
    assert "may sign from" in lines[2]


def test_command_needs_the_secret(run, settings):
    settings.SIGNING_KEYS_SECRET = ""
    with pytest.raises(CommandError, match="SIGNING_KEYS_SECRET must be set"):
        run("list")


# --- From the keys of the environment to the ring, and back.


def test_move_to_the_ring_and_back_refuses_no_token(alice, run, settings):
    settings.SIGNING_KEYS = "environment"
    retired, settings.JWT_RETIRED_KEYS = settings.JWT_SIGNING_KEY, []
    pairs = [pair_of(alice)]
    settings.JWT_SIGNING_KEY, settings.JWT_RETIRED_KEYS = SECRET[::-1], [retired]
    pairs.append(pair_of(alice))

    def all_accepted():
        database_ring.forget()
        return all(failed(token) is None for pair in pairs for token in (pair.access, pair.refresh))

    (signing, verifying) = run("add", "--from-environment")["keys"]
    assert (signing["state"], verifying["state"]) == ("signing", "verifying")
    assert all_accepted()
    settings.SIGNING_KEYS = "database"
    assert all_accepted()
    assert [key["changed"] for key in run("add", "--from-environment")["keys"]] == [False, False]
    run("add", "--alg", "EdDSA")
    run("promote", "--now")
    database_ring.forget()
    pairs.append(pair_of(alice))
    assert all_accepted()

    # And back: a new key of the environment signs, until the tokens of the others have expired.
    settings.JWT_SIGNING_KEY, settings.JWT_RETIRED_KEYS = SECRET.swapcase(), []
    (home,) = run("add", "--from-environment")["keys"]
    assert home["state"] == "upcoming"
    run("promote", home["kid"], "--now")
    database_ring.forget()
    assert all_accepted()
    pairs[:] = [pair_of(alice)]
    settings.SIGNING_KEYS = "environment"
    assert all_accepted()


def test_retired_key_does_not_come_back_from_the_environment(run):
    (key,) = run("add", "--from-environment")["keys"]
    run("retire", key["kid"], "--emergency", "--yes", *REASON)
    with pytest.raises(CommandError, match="set it to a new one"):
        run("add", "--from-environment")


def test_key_of_the_environment_that_has_another_algorithm_in_the_ring_is_refused(run, settings):
    """One secret or RSA key has the same id with each algorithm, and the ring keeps the first."""
    run("add", "--from-environment")
    settings.SIMPLE_JWT = {**settings.SIMPLE_JWT, "ALGORITHM": "HS384"}
    with pytest.raises(CommandError, match="is HS256 in the ring"):
        run("add", "--from-environment")


@pytest.mark.parametrize("name", ["JWT_SIGNING_KEY", "JWT_RETIRED_KEYS"])
def test_key_of_the_environment_that_can_not_be_read_is_named_in_one_line(run, settings, name):
    settings.SIMPLE_JWT = {**settings.SIMPLE_JWT, "ALGORITHM": "ES256"}
    settings.JWT_SIGNING_KEY = ALGORITHMS["ES256"].generate()
    settings.JWT_RETIRED_KEYS = []
    setattr(settings, name, "x" if name == "JWT_SIGNING_KEY" else ["x"])
    with pytest.raises(CommandError, match=f"{name} .*ES256"):
        run("add", "--from-environment")
    assert not SigningKey.objects.exists()


def test_key_of_the_environment_waits_for_another_of_its_algorithm(run):
    run("add", "--alg", "ES256")
    add_key(algorithm=ALGORITHMS["HS256"])
    with pytest.raises(CommandError, match="Promote or retire the upcoming key"):
        run("add", "--from-environment")
