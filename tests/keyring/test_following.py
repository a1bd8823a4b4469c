"""A process follows the ring in the database, and rarely asks for it."""

import threading
from contextlib import contextmanager
from time import monotonic

import jwt
import pytest
from django.db import OperationalError, connection

from tests.support.tokens import failed, pair_of, refused
from tokens.jwt.algorithms import ALGORITHMS
from tokens.jwt.keys import KeyUnavailable, key_ring, make_key
from tokens.jwt.signing import read, refresh_start
from tokens.keyring import following
from tokens.keyring.acts import add_key, promote_key, retire_in_emergency
from tokens.keyring.following import database_ring
from tokens.models import OutstandingToken, SigningKey

ES256, HS256 = ALGORITHMS["ES256"], ALGORITHMS["HS256"]


@pytest.fixture
def elapse(monkeypatch):
    """``elapse(seconds)``: let the monotonic clock of this process move on."""
    passed = [0.0]
    monkeypatch.setattr(following, "monotonic", lambda: monotonic() + passed[0])

    def move(seconds):
        passed[0] += seconds

    return move


@contextmanager
def failing():
    """Let every statement fail, as if the database were away."""

    def refuse(execute, sql, params, many, context):
        raise OperationalError("away")

    with connection.execute_wrapper(refuse):
        yield


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_key_of_each_algorithm_signs_and_verifies(alice, rotate_to, algorithm):
    key = rotate_to(algorithm)
    pair = pair_of(alice)
    assert jwt.get_unverified_header(pair.access)["alg"] == algorithm
    assert jwt.get_unverified_header(pair.access)["kid"] == key.kid
    assert failed(pair.access) is None
    assert not refused(pair.refresh)


def test_tokens_stay_valid_over_three_changes_of_the_algorithm(alice, rotate_to):
    pairs = []
    for algorithm in ("HS256", "EdDSA", "RS256", "ES256"):
        rotate_to(algorithm)
        pairs.append(pair_of(alice))
    for pair in pairs:
        assert failed(pair.access) is None
        assert not refused(pair.refresh)


def test_algorithm_comes_from_the_key_and_not_from_the_token(alice, rotate_to):
    rotate_to("HS256")
    secret = key_ring().current.signing
    es256 = rotate_to("ES256")
    claims = read(pair_of(alice).access)
    forged = jwt.encode(claims, secret, algorithm="HS256", headers={"kid": es256.kid})
    assert failed(forged) == "signature"


def test_tokens_without_a_key_id_are_verified_with_every_key(alice, rotate_to):
    """Another service on the same key and tables writes no key id into its tokens."""
    rotate_to("HS256")
    secret = key_ring().current.signing
    claims = read(pair_of(alice).access)
    rotate_to("EdDSA")
    assert failed(jwt.encode(claims, secret, algorithm="HS256")) is None


def test_calls_ask_for_the_ring_every_two_seconds(
    alice, rotate_to, elapse, django_assert_num_queries
):
    rotate_to("ES256")
    access = pair_of(alice).access
    for _ in range(3):
        with django_assert_num_queries(1):
            assert failed(access) is None
    elapse(2.1)
    with django_assert_num_queries(2):
        assert failed(access) is None
    with django_assert_num_queries(1):
        assert failed(access) is None


def test_process_follows_without_a_restart(alice, rotate_to, elapse):
    old = rotate_to("ES256")
    access = pair_of(alice).access
    known = database_ring._ring
    new = add_key(algorithm=HS256).key
    promote_key(kid=new.kid, at_once=True)
    retire_in_emergency(kid=old.kid, reason="leaked")
    # Another process has done this: here, the ring is as it was.
    database_ring._ring = known
    database_ring._read_at = monotonic()
    assert failed(access) is None
    elapse(2.1)
    assert failed(access) == "signature"
    assert key_ring().current.kid == new.kid


def test_idle_process_does_not_start_with_an_old_ring(rotate_to, elapse, monkeypatch):
    """Its first calls wait until one of them has read the ring."""
    rotate_to("ES256")
    key_ring()
    elapse(3600)
    monkeypatch.setattr(database_ring, "_read", lambda: "read")
    answers: list[object] = []
    thread = threading.Thread(target=lambda: answers.append(database_ring.ring()))
    with database_ring._lock:
        thread.start()
        thread.join(0.2)
        assert answers == []
    thread.join()
    assert answers == ["read"]


def test_key_that_a_token_names_is_looked_for_at_once(alice, rotate_to):
    rotate_to("ES256")
    known = key_ring()
    rotate_to("EdDSA")
    pair = pair_of(alice)
    database_ring._ring = known
    database_ring._read_at = monotonic()
    assert failed(pair.access) is None


def test_flood_of_unknown_keys_costs_few_statements(api, alice, rotate_to, monkeypatch):
    rotate_to("HS256")
    claims = read(pair_of(alice).access)
    reads = []
    real = database_ring._read

    def read_ring():
        reads.append(1)
        return real()

    monkeypatch.setattr(database_ring, "_read", read_ring)
    for number in range(3 * following.UNKNOWN_PER_MINUTE):
        headers = {"kid": f"unknown{number}"}
        failed(jwt.encode(claims, b"x" * 64, algorithm="HS256", headers=headers))
    # The minute may have ended in between.
    assert len(reads) <= 2 * following.UNKNOWN_PER_MINUTE
    assert len(reads) >= following.UNKNOWN_PER_MINUTE


def test_failing_database_keeps_the_ring_that_is_known(alice, rotate_to, elapse):
    rotate_to("ES256")
    access = pair_of(alice).access
    known = key_ring()
    elapse(3600)
    with failing():
        assert key_ring() is known
        assert read(access)["user_id"] == str(alice.pk)
    database_ring.forget()
    with failing(), pytest.raises(OperationalError):
        key_ring()


def test_ring_without_a_signing_key_is_a_fault_of_the_portal(api, alice, rotate_to, password):
    rotate_to("ES256")
    pair = pair_of(alice)
    SigningKey.objects.update(algorithm="ES384")
    database_ring.forget()
    with pytest.raises(KeyUnavailable):
        pair_of(alice)
    body = {"username": "alice", "password": password}
    answer = api.post("/api/login", body, format="json")
    assert (answer.status_code, bool(answer.headers["Retry-After"])) == (503, True)
    for call, name in (("logout", "refresh"), ("revoke", "token")):
        assert api.post(f"/api/{call}", {name: pair.refresh}, format="json").status_code == 503


def test_logout_with_a_retired_key_ends_nothing_and_is_no_fault(api, alice, rotate_to):
    old = rotate_to("ES256")
    pair = pair_of(alice)
    retire_in_emergency(kid=old.kid, reason="leaked")
    database_ring.forget()
    answer = api.post("/api/logout", {"refresh": pair.refresh}, format="json")
    assert answer.status_code == 200
    assert failed(pair.refresh) == "signature"


def test_key_set_has_the_keys_that_sign_next_and_those_that_verify(api, rotate_to):
    first = rotate_to("EdDSA")
    second = rotate_to("RS256")
    third = add_key(algorithm=ES256).key
    add_key(algorithm=HS256)
    database_ring.forget()
    answer = api.get("/.well-known/jwks.json")
    assert [key["kid"] for key in answer.json()["keys"]] == [second.kid, first.kid, third.kid]
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert not any({"d", "k", "p"} & key.keys() for key in answer.json()["keys"])
    retire_in_emergency(kid=first.kid, reason="leaked")
    database_ring.forget()
    assert first.kid not in api.get("/.well-known/jwks.json").content.decode()


@pytest.mark.parametrize("algorithm", ["HS256", "ES256", "EdDSA"])
def test_refresh_tokens_begin_as_the_filter_expects(alice, rotate_to, algorithm):
    key = rotate_to(algorithm)
    pair = pair_of(alice)
    stored = OutstandingToken.objects.get(user=alice).token
    assert stored.startswith(refresh_start(kid=key.kid, algorithm=algorithm))
    assert pair.refresh.startswith(refresh_start(kid=key.kid, algorithm=algorithm))


def test_environment_keys_are_not_used_while_the_ring_is(alice, settings, ring):
    settings.SIGNING_KEYS = "environment"
    access = pair_of(alice).access
    assert failed(access) is None
    settings.SIGNING_KEYS = "database"
    add_key(algorithm=ES256)
    assert failed(access) == "signature"
    kid = make_key(material=settings.JWT_SIGNING_KEY, algorithm=HS256).kid
    assert kid not in key_ring().by_kid
