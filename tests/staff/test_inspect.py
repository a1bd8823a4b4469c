"""The inspector: what a token says, whether it is believed, and nothing of it kept."""

import base64
import json

import jwt
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.support.hidden_tokens import corpus
from tests.support.tokens import later
from tests.support.users import make_staff
from tokens.models import Event, Kind, Session
from tokens.revocation import cut_off, revoke_session
from tokens.sessions.issue import open_session

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
    assert "is-accepted" in answer.text
    assert "YOU ARE ALLOWED HERE" in answer.text
    assert answer["Cache-Control"].count("no-store") == 1


@pytest.mark.parametrize("wrapped", ["Bearer {}", "  {}\n", '"{}"', "bearer  {}"])
def test_what_people_paste_around_it_does_not_matter(inspect, pair, wrapped):
    assert "is-accepted" in inspect(wrapped.format(pair.access)).text


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
    assert shown["validation"].answer == (told.status_code, told.json())


def test_a_forged_one_is_shown_and_not_believed(inspect):
    answer = inspect(forge({"user_id": "1", "exp": 10**30, "odd": {"a": [1]}}))
    assert "Don't trust these claims" in answer.text
    assert "is-refused" in answer.text
    event = Event.objects.get(kind=Kind.TOKEN_INSPECTED)
    assert (event.subject_id, event.session_id, event.jti) == (None, None, "")


@pytest.mark.parametrize("text", ["hello", "a.b.c", "eyJ.eyJ.", "." * 5, "é" * 9, "x" * 20_000])
def test_text_that_is_no_token_is_reported(inspect, text):
    answer = inspect(text)
    assert answer.status_code == 200
    assert "This is not a token" in answer.text


def test_nothing_pasted_asks_for_a_token(inspect):
    answer = inspect("  ")
    assert answer.status_code == 400
    assert "Paste a token or a text first" in answer.text


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
    assert event.data == {"outcome": "active"}


def test_claims_cannot_carry_markup(inspect):
    attack = "<script>alert(1)</script>"
    text = inspect(forge({attack: attack, "iss": attack}, {"alg": attack, "kid": attack})).text
    assert attack not in text
    assert "&lt;script&gt;" in text


def test_a_token_in_the_address_bar_is_ignored(client, inspector, pair):
    client.force_login(inspector)
    assert "validation" not in client.get(URL, {"token": pair.access}, follow=True).context


def test_without_the_permission_it_is_refused(client, viewer, pair):
    client.force_login(viewer)
    assert client.get(URL).status_code == 403
    assert client.post(URL, {"token": pair.access}).status_code == 403
    assert not Event.objects.filter(kind=Kind.TOKEN_INSPECTED).exists()


def test_a_post_needs_its_csrf_token(inspector, pair):
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(inspector)
    answer = client.post(URL, {"token": pair.access})
    assert answer.status_code == 403
    # The scripts then don't say that a permission is missing.
    assert answer["X-Form-Expired"] == "1"


@pytest.mark.parametrize(("language", "words"), [("en", "Too much text"), ("de", "Zu viel Text")])
def test_browser_that_sends_too_much_gets_a_page(client, viewer, language, words) -> None:
    client.force_login(viewer)
    headers = {"accept": "text/html,*/*;q=0.8", "accept-language": language}
    answer = client.post("/staff/inspect/", {"token": "x" * 70_000}, headers=headers)
    assert answer.status_code == 413
    assert answer["Content-Type"].startswith("text/html")
    assert words in answer.text


# --- A text with several tokens.


@pytest.fixture
def desk(client, sam):
    client.force_login(sam)
    return lambda text: client.post(URL, {"token": text})


def states(answer) -> list[tuple[bool, str]]:
    return [
        (one.validation.active, one.session.status if one.session else "")
        for one in answer.context["found"]
    ]


def test_each_token_of_a_text_is_shown_once_with_its_session(desk, alice, bob, sam) -> None:
    one, other = open_session(user=alice), open_session(user=bob)
    revoke_session(session=other.session, actor=sam, reason="laptop lost")
    text = f"log: {one.access}\n+ token={other.refresh} {one.access}\n{forge({'jti': 'x'})}"
    answer = desk(text)
    assert states(answer) == [(True, "active"), (False, "revoked"), (False, "")]
    assert "3 tokens found" in answer.text
    assert "1 accepted, 2 refused" in answer.text
    for pair in (one, other):
        assert f"/staff/sessions/{pair.session.pk}/" in answer.text
    assert "by sam: “laptop lost”" in answer.text
    events = Event.objects.filter(kind=Kind.TOKEN_INSPECTED).order_by("pk")
    assert list(events.values_list("subject_id", "session_id", "data")) == [
        (alice.pk, one.session.pk, {"outcome": "active"}),
        (bob.pk, other.session.pk, {"outcome": "revoked"}),
        (None, None, {"outcome": "signature"}),
    ]


def test_expired_token_of_a_live_session_can_be_revoked_there(desk, pair) -> None:
    with later(minutes=30):
        answer = desk(pair.access)
    (one,) = answer.context["found"]
    assert (one.validation.failed, one.session.status) == ("times", "active")
    assert one.revoke == f"session={pair.session.pk}"
    assert f"?session={pair.session.pk}&amp;next=" in answer.text


def test_cutoff_says_who_set_it_and_why(desk, pair, alice, sam) -> None:
    cut_off(user=alice, not_before=timezone.now(), actor=sam, reason="left the company")
    Session.objects.update(revoked_at=None)
    (one,) = desk(pair.access).context["found"]
    assert (one.cutoff.actor_name, one.cutoff.reason) == ("sam", "left the company")


def test_one_review_revokes_all_that_were_found(desk, client, alice, bob) -> None:
    pairs = [open_session(user=user) for user in (alice, bob, alice)]
    answer = desk("\n".join(pair.access for pair in pairs[:2]) + f" {pairs[2].refresh}")
    listed = answer.context["listed"]
    review = client.post("/staff/revoke/", {"listed": listed, "next": URL})
    assert review.status_code == 200
    assert "This revokes 3 sessions" in review.text
    assert not Session.objects.exclude(revoked_at=None).exists()
    form = {"listed": listed, "next": URL, "reason": "suspected theft", "detail": ""}
    assert client.post("/staff/revoke/", {**form, "reason": ""}).status_code == 422
    assert client.post("/staff/revoke/", form).url == URL
    assert Session.objects.filter(revoke_reason="suspected theft").count() == 3


@pytest.mark.parametrize("listed", ["everybody=1&before=2020-01-01", "matching=sessions", ""])
def test_listed_rows_are_tokens_and_sessions_only(client, sam, pair, listed) -> None:
    client.force_login(sam)
    form = {"listed": listed, "reason": "other", "detail": "x", "typed": "1"}
    client.post("/staff/revoke/", form)
    assert not Session.objects.exclude(revoked_at=None).exists()


def test_inspector_without_the_right_to_revoke_has_no_act(inspect, pair, alice) -> None:
    answer = inspect(f"{pair.access} {open_session(user=alice).access}")
    assert states(answer) == [(True, "active")] * 2
    assert "/staff/revoke/" not in answer.text
    assert "alice" not in answer.text


def test_page_names_the_tokens_of_superusers_that_it_leaves_out(client, alice, sam) -> None:
    client.force_login(make_staff("desk", "inspect_token", "revoke_token"))
    text = " ".join(open_session(user=user).access for user in (sam, alice))
    page = client.post("/staff/inspect/", {"token": text})
    assert "1 token belongs to a superuser. You have no permission to revoke it." in page.text
    assert page.context["listed_number"] == 1
    client.force_login(sam)
    assert "You have no permission" not in client.post("/staff/inspect/", {"token": text}).text


def test_long_text_is_read_for_those_who_may_inspect(desk) -> None:
    text = "x " * 2**18
    assert desk(text).status_code == 200
    assert desk(text * 2 + "xx").status_code == 413


def test_thousand_tokens_in_a_mebibyte_need_few_queries_beside_their_validation(
    desk, alice, caplog
) -> None:
    pairs = [open_session(user=alice) for _ in range(20)]
    tokens = [token for pair in pairs for token in (pair.access, pair.refresh)]
    forged = [jwt.encode({"jti": str(at), "exp": 10**10}, "k" * 32) for at in range(960)]
    text = corpus(tokens + forged, size=2**20 - 2000)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        answer = desk(text)
    found = answer.context["found"]
    assert len(found) >= 999
    assert sum(one.validation.active for one in found) >= 39
    # One for each known session, and those of the page.
    assert len(queries) <= len(tokens) + 20
    kept = (
        answer.text
        + caplog.text
        + str(list(Event.objects.values()))
        + str(queries.captured_queries)
    )
    assert not [token for token in tokens + forged if token.rpartition(".")[2] in kept]
