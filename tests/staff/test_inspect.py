"""The inspector: what a token says, whether it is believed, and nothing of it kept."""

import base64
import json

import pytest

from tokens.issuing import open_session
from tokens.models import Event, Kind
from tokens.revocation import revoke_session

URL = "/staff/inspect/"


@pytest.fixture
def pair(alice):
    return open_session(user=alice)


@pytest.fixture
def inspect(client, inspector):
    client.force_login(inspector)
    return lambda token: client.post(URL, {"token": token})


def forge(claims, header=None):
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part(header or {'alg': 'HS256', 'typ': 'JWT'})}.{part(claims)}.c2lnbmF0dXJl"


def test_a_good_token_is_accepted(inspect, pair):
    answer = inspect(pair.access)
    assert answer.status_code == 200
    assert "verdict-good" in answer.text
    assert "YOU ARE ALLOWED HERE" in answer.text
    assert answer["Cache-Control"].count("no-store") == 1


@pytest.mark.parametrize("wrapped", ["Bearer {}", "  {}\n", '"{}"', "bearer  {}"])
def test_what_people_paste_around_it_does_not_matter(inspect, pair, wrapped):
    assert "verdict-good" in inspect(wrapped.format(pair.access)).text


def test_a_revoked_one_says_why_and_what_the_client_is_told(inspect, pair, sam):
    revoke_session(session=pair.session, actor=sam, reason="laptop lost")
    text = inspect(pair.access).text
    assert "laptop lost" in text
    assert "HTTP 401" in text
    assert "token_not_valid" in text


def test_the_answer_is_the_one_that_the_client_gets(inspect, pair, sam, client):
    revoke_session(session=pair.session, actor=sam, reason="laptop lost")
    told = client.get("/api/restricted", headers={"authorization": f"Bearer {pair.access}"})
    shown = inspect(pair.access).context
    assert (shown["status"], json.loads(shown["body"])) == (told.status_code, told.json())


def test_a_forged_one_is_shown_and_not_believed(inspect):
    answer = inspect(forge({"user_id": "1", "exp": 10**30, "odd": {"a": [1]}}))
    assert "not to be believed" in answer.text
    assert "verdict-bad" in answer.text
    event = Event.objects.get(kind=Kind.TOKEN_INSPECTED)
    assert (event.subject_id, event.session_id, event.jti) == (None, None, "")


@pytest.mark.parametrize("text", ["hello", "a.b.c", "eyJ.eyJ.", "." * 5, "é" * 9, "x" * 20_000])
def test_what_is_no_token_is_said_to_be_none(inspect, text):
    answer = inspect(text)
    assert answer.status_code == 200
    assert "This is not a token" in answer.text


def test_nothing_pasted_asks_for_a_token(inspect):
    answer = inspect("  ")
    assert answer.status_code == 400
    assert "Paste a token first" in answer.text


def test_no_signature_is_kept_or_shown(inspect, pair, caplog, inspector):
    signature = pair.refresh.rpartition(".")[2]
    answer = inspect(pair.refresh)
    assert signature not in answer.text
    assert pair.refresh.split(".")[1] not in answer.text
    event = Event.objects.get(kind=Kind.TOKEN_INSPECTED)
    line = json.dumps(Event.objects.filter(pk=event.pk).values().get(), default=str)
    assert "eyJ" not in line + caplog.text
    assert signature not in line + caplog.text
    assert (event.actor_id, event.session_id) == (inspector.pk, pair.session.pk)
    assert event.data == {"verdict": "active"}


def test_claims_cannot_carry_markup(inspect):
    attack = "<script>alert(1)</script>"
    text = inspect(forge({attack: attack, "iss": attack}, {"alg": attack, "kid": attack})).text
    assert attack not in text
    assert "&lt;script&gt;" in text


def test_a_token_in_the_address_bar_is_ignored(client, inspector, pair):
    client.force_login(inspector)
    assert "verdict" not in client.get(URL, {"token": pair.access}).context


def test_without_the_permission_it_is_refused(client, viewer, pair):
    client.force_login(viewer)
    assert client.get(URL).status_code == 403
    assert client.post(URL, {"token": pair.access}).status_code == 403
    assert not Event.objects.filter(kind=Kind.TOKEN_INSPECTED).exists()


def test_a_post_needs_its_csrf_token(inspector, pair):
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(inspector)
    assert client.post(URL, {"token": pair.access}).status_code == 403
