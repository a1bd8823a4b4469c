"""Characters that are invisible, or that reorder a text, are shown on every page."""

import logging
import re

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from tests.security.test_no_secret_at_rest import of_objects, plain_pages
from tokens.models import Event, Kind, OutstandingToken, Session
from tokens.revocation import revoke_session
from tokens.sessions.issue import open_session
from tokens.web.logging import RedactTokens
from tokens.web.pages import HIDDEN, visible, visible_html

HOSTILE = "a\u202eb\u2066c\u200bd\x1b[31me\x07f\x9bg\u2028h\ufeffi\x7fj\u061ck\u200fl\rm"
FIELDS = re.compile(r"<input\b[^>]*>|<textarea\b[^<]*<")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[1m", "␛[1m"),
        ("\x7f", "␡"),
        ("a\u202eb", "a‹U+202E›b"),
        ("\x9b", "‹U+009B›"),
        ("\u200b", "‹U+200B›"),
        ("\U000e0041", "‹U+E0041›"),
        ("a\u3164b\u2800c\U000e0100", "a‹U+3164›b‹U+2800›c‹U+E0100›"),
        ("a\ufe0fb", "a‹U+FE0F›b"),
        ("\ufe0f❤\ufe0f\ufe0f", "‹U+FE0F›❤\ufe0f‹U+FE0F›"),
        ("é\t\n\u00a0漢 אב 👍🏽", "é\t\n\u00a0漢 אב 👍🏽"),
    ],
)
def test_hidden_character_becomes_a_symbol(text, shown):
    assert visible(text) == shown
    assert visible(shown) == shown


def test_content_of_a_field_stays_as_it_is():
    html = '<p>\u202e</p><input value="\u202e"><textarea name="a">\u202e</textarea>\u202e'
    shown = "‹U+202E›"
    assert visible_html("<p>☺\ufe0f\ufe0f</p>") == "<p>☺\ufe0f‹U+FE0F›</p>"
    assert visible_html(html) == html.replace(">\u202e</p>", f">{shown}</p>")[:-1] + shown


@pytest.fixture
def hostile(alice) -> Session:
    """Put the characters into everything that a stranger or another service can write."""
    User.objects.filter(pk=alice.pk).update(username=HOSTILE, first_name=HOSTILE, email=HOSTILE)
    alice.refresh_from_db()
    session = open_session(user=alice, **{HOSTILE: HOSTILE}).session
    other = open_session(user=alice).session
    revoke_session(session=other, actor=alice, reason=HOSTILE)
    outside = {"user_agent": HOSTILE, "client": HOSTILE, "username": HOSTILE}
    Session.objects.filter(user=alice).update(**outside)
    OutstandingToken.objects.filter(pk=other.current_id).update(jti="x\u202ey\x1bz")
    Event.objects.bulk_create(
        [
            Event(
                kind=Kind.LOGIN, subject_id=alice.pk, subject_name=HOSTILE, actor_name=HOSTILE,
                user_agent=HOSTILE, client=HOSTILE, reason=HOSTILE, session_id=session.pk,
                data={HOSTILE: HOSTILE},
            )
        ]
    )  # fmt: skip
    return session


@pytest.mark.slow
def test_no_page_holds_a_hidden_character(client, sam, alice, hostile):
    client.force_login(sam)
    pages = {*of_objects(alice), *plain_pages()} - {reverse("admin:jsi18n")}
    pages |= {f"/staff/revoke/?session={hostile.pk}", f"/staff/revoke/?user={alice.pk}"}
    shown = 0
    for address in sorted(page for page in pages if not page.startswith("/api/")):
        answer = client.get(address)
        if answer.streaming or not answer.headers.get("Content-Type", "").startswith("text/html"):
            continue
        text = FIELDS.sub("", answer.text)
        assert HIDDEN.search(text) is None, (address, HIDDEN.search(text))
        shown += "‹U+202E›" in text
    assert shown >= 10
    client.force_login(alice)
    assert "‹U+202E›" in client.get(reverse("tokens_account:sessions")).text


def test_inspector_shows_claims_without_hidden_characters(client, sam, alice):
    client.force_login(sam)
    token = open_session(user=alice, **{HOSTILE: HOSTILE}).access
    shown = client.post(reverse("tokens_staff:inspect"), {"token": token}).text
    assert HIDDEN.search(FIELDS.sub("", shown)) is None
    assert "‹U+202E›" in shown


def test_notice_of_a_revocation_shows_hidden_characters(client, sam, alice, hostile):
    client.force_login(sam)
    address = f"/staff/revoke/?session={hostile.pk}"
    answer = client.post(
        address, {"reason": "other", "detail": "x"}, headers={"HX-Request": "true"}
    )
    assert "202E" in answer["HX-Trigger"]
    assert "\\u202e" not in answer["HX-Trigger"]


def test_log_escapes_hidden_characters():
    record = logging.LogRecord("a", logging.INFO, "", 0, "x\u202ey\x1bz\U000e0041", (), None)
    RedactTokens().filter(record)
    assert record.msg == "x\\u202ey\\x1bz\\ue0041"
