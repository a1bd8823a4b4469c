"""The verifier, against the portal behind gunicorn."""

import base64
import hmac
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import jwt
import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from token_portal_verifier import Invalid, Stale
from token_portal_verifier.keys import read_keys
from token_portal_verifier.revocations import Revocations
from token_portal_verifier.tokens import Claims

from tests.support.tokens import pair_of
from tests.support.users import PASSWORD
from tests.verifier.conftest import AUDIENCE, ISSUER, within
from tokens.models import Cutoff, FeedEntry, Service, Session
from tokens.revocation import cut_off, revoke_session

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


def reason(verifier, token):
    """Return why a token is refused, or None."""
    try:
        verifier.verify(token)
    except Invalid as refused:
        return refused.reason
    return None


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def with_header(token, **changes):
    head, payload, signature = token.split(".")
    header = json.loads(base64.urlsafe_b64decode(head + "=="))
    return f"{part(header | changes)}.{payload}.{signature}"


def test_good_token_is_accepted_and_a_revoked_one_refused_within_two_seconds(
    verifier, tokens, portal, alice
):
    billing = verifier(poll_interval=1.0)
    claims = billing.verify(tokens["access"])
    assert (claims.user_id, claims["aud"]) == (str(alice.pk), "billing")
    assert claims.expires_at > timezone.now()
    assert 0 <= billing.staleness < 5
    assert portal.call("POST", "/api/logout", json={"refresh": tokens["refresh"]}).ok
    assert within(2, lambda: reason(billing, tokens["access"]) == "revoked")
    again = portal.login("alice", PASSWORD)
    assert reason(billing, again["access"]) is None


def test_token_for_another_purpose_or_of_a_forger_is_refused(verifier, tokens, portal):
    billing = verifier()
    good = tokens["access"]
    key = portal.call("GET", "/.well-known/jwks.json").json()["keys"][0]
    claims = jwt.decode(good, options={"verify_signature": False})
    head, payload, signature = good.split(".")
    signed = f"{part({'alg': 'HS256', 'typ': 'at+jwt', 'kid': key['kid']})}.{payload}"
    mac = hmac.digest(json.dumps(key).encode(), signed.encode(), "sha256")
    forged = f"{signed}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"
    for wanted, token in [
        ("type", tokens["refresh"]),
        ("signature", forged),
        *(("signature", with_header(good, alg=alg)) for alg in ("none", "None", "ES384", "")),
        ("signature", f"{head}.{part(claims | {'user_id': '1'})}.{signature}"),
        ("signature", f"{head}.{payload}."),
        ("type", with_header(good, typ="JWT")),
        ("key", with_header(good, kid="unknown")),
        ("malformed", with_header(good, kid=None)),
        ("malformed", with_header(good, kid=["a"])),
        *(
            ("malformed", with_header(good, **{name: "x"}))
            for name in ("jwk", "jku", "x5u", "x5c", "zip", "crit", "b64")
        ),
        *(("malformed", text) for text in ("", ".", "a.b.c", f"{good}.x", "é", "x" * 20_000)),
        ("malformed", f"{part([1])}.{payload}.{signature}"),
    ]:
        assert reason(billing, token) == wanted, token[:80]


@pytest.mark.parametrize(
    ("option", "wanted"),
    [({"issuer": "https://other.example"}, "issuer"), ({"audience": "search"}, "audience")],
)
def test_token_of_another_issuer_or_for_another_service_is_refused(
    verifier, tokens, option, wanted
):
    assert reason(verifier(**option), tokens["access"]) == wanted


def test_cutoff_ends_what_was_opened_before_it_and_nothing_else(verifier, tokens, portal, bob):
    billing = verifier()
    other = portal.login("bob", PASSWORD)["access"]
    assert reason(billing, tokens["access"]) is None
    cut_off(user=User.objects.get(username="alice"), actor=None, reason="why")
    assert within(2, lambda: reason(billing, tokens["access"]) == "revoked")
    assert reason(billing, other) is None
    cut_off(actor=None, reason="why")
    assert within(2, lambda: reason(billing, other) == "revoked")
    assert reason(billing, portal.login("alice", PASSWORD)["access"]) is None


def test_forgotten_cursor_makes_the_verifier_start_again(verifier, tokens):
    billing = verifier()
    assert reason(billing, tokens["access"]) is None
    billing._cursor = "forgotten"
    revoke_session(session=Session.objects.get(), actor=None, reason="why")
    assert within(2, lambda: reason(billing, tokens["access"]) == "revoked")
    assert billing._failures == 0


def test_new_start_forgets_what_has_expired(verifier, tokens):
    billing = verifier(background=False)
    assert reason(billing, tokens["access"]) is None
    billing._revocations.sessions.add("long ago")
    billing._restart()
    billing.poll()
    assert billing._revocations.sessions == set()


def test_portal_that_is_away_makes_the_verifier_stale(verifier, tokens, proxy):
    billing = verifier(max_staleness=1.0)
    open_ = verifier(max_staleness=1.0, on_stale="accept")
    token = tokens["access"]
    assert reason(billing, token) is reason(open_, token) is None
    proxy.drop()
    assert within(5, lambda: reason(billing, token) == "stale")
    assert billing.staleness > 1
    with pytest.raises(Stale):
        billing.verify(token)
    assert reason(open_, token) is None
    revoke_session(session=Session.objects.get(), actor=None, reason="why")
    proxy.restore()
    assert within(10, lambda: reason(billing, token) == "revoked")
    assert within(10, lambda: reason(open_, token) == "revoked")


def test_verifier_that_has_never_reached_the_portal_accepts_nothing(verifier, tokens, proxy):
    proxy.drop()
    for on_stale in ("refuse", "accept"):
        assert reason(verifier(on_stale=on_stale), tokens["access"]) == "key"


def test_wrong_secret_is_no_reason_to_accept(verifier, tokens, secret):
    billing = verifier(credential=("billing", secret + "x"), max_staleness=1.0)
    assert reason(billing, tokens["access"]) == "stale"


def test_verifier_without_a_thread_polls_when_it_is_called(verifier, tokens):
    billing = verifier(background=False, poll_interval=0.0)
    assert reason(billing, tokens["access"]) is None
    revoke_session(session=Session.objects.get(), actor=None, reason="why")
    assert reason(billing, tokens["access"]) == "revoked"
    assert billing._thread is None


# A process without connections to the database: SQLite does not survive a fork.
FORKING = """
import json, os, sys
from token_portal_verifier import Verifier
options, token = json.load(sys.stdin)
verifier = Verifier(**options)
verifier.verify(token)
child = os.fork()
if child == 0:
    verifier.verify(token)
    print("alive" if verifier._thread.is_alive() else "without a thread", flush=True)
    os._exit(0)
_pid, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def test_forked_process_polls_for_itself(proxy, secret, tokens):
    options = {
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "url": f"http://127.0.0.1:{proxy.port}",
        "credential": ["billing", secret],
    }
    done = subprocess.run(
        [sys.executable, "-c", FORKING],
        input=json.dumps([options, tokens["access"]]),
        env={**os.environ, "PYTHONPATH": str(ROOT / "verifier")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.stdout.strip(), done.returncode) == ("alive", 0), done.stderr


def test_idle_verifier_polls_without_a_body_and_confirms_what_it_knows(verifier, tokens, portal):
    billing = verifier(poll_interval=0.1)
    assert reason(billing, tokens["access"]) is None
    assert within(5, lambda: '"GET /api/revocations" 304' in portal.log.read_text())
    revoke_session(session=Session.objects.get(), actor=None, reason="why")
    entry = FeedEntry.objects.get()
    assert within(5, lambda: (Service.objects.get().confirmed_at or entry.at) > entry.at)


def test_verifying_with_many_revocations_takes_little_time(verifier, tokens):
    billing = verifier()
    claims = billing.verify(tokens["access"])
    billing._revocations.add({"sid": f"{n:032x}"} for n in range(100_000))
    billing._revocations.add({"user_id": str(n), "before": 1.0} for n in range(2, 1000))
    started = time.perf_counter()
    for _ in range(10_000):
        assert not billing._revocations.end(claims)
    assert (time.perf_counter() - started) / 10_000 < 100e-6


def test_symmetric_and_broken_keys_are_left_out():
    secret = {"kty": "oct", "kid": "a", "k": "c2VjcmV0", "alg": "HS256"}
    broken = {"kty": "EC", "kid": "b", "crv": "P-256", "x": "AA", "y": "AA"}
    assert read_keys({"keys": [secret, broken, {"kid": "c"}, "d"]}) == {}
    wrong: list[object] = [None, [], {}, {"keys": 5}]
    for document in wrong:
        with pytest.raises(ValueError, match="key set"):
            read_keys(document)


def test_token_that_does_not_say_when_its_session_began_is_ended_by_any_cutoff():
    known = Revocations()
    claims = Claims(sid="s", user_id="7", exp=1)
    known.add([{"user_id": "8", "before": 9e9}])
    assert not known.end(claims)
    known.add([{"user_id": "7", "before": 5.0}])
    assert known.end(claims)
    assert not known.end(Claims(claims | {"sid_at": 5.0}))
    assert known.end(Claims(claims | {"sid_at": 4.999999}))


def test_portals_own_login_right_after_a_cutoff_is_later_than_it(alice):
    session = pair_of(alice).session
    cut_off(actor=None, reason="why")
    after = pair_of(alice).session
    cutoff = Cutoff.objects.get().not_before.timestamp()
    assert session.created_at.timestamp() < cutoff <= after.created_at.timestamp()
