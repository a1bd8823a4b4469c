"""One more language, complete: pages speak it, and the API's own words stay as they are."""

import gettext
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from tests.support.people import PASSWORD
from tokens.issuing import open_session
from tokens.models import Session

CATALOGUE = Path(__file__).parents[2] / "locale/de/LC_MESSAGES/django.po"
GERMAN = {"accept-language": "de"}


def test_every_text_is_translated():
    empty = [
        block
        for block in CATALOGUE.read_text().split("\n\n")[1:]
        if 'msgstr ""' in block or 'msgstr[0] ""' in block or ", fuzzy" in block
    ]
    assert empty == []


def test_the_compiled_catalogue_is_of_the_same_texts():

    with CATALOGUE.with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    assert compiled.gettext("Your sessions") == "Ihre Sitzungen"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("/account/sessions/", "Ihre Sitzungen"),
        ("/staff/", "Letzte Sicherheitsereignisse"),
        ("/staff/events/", "Ereignisse filtern"),
        ("/staff/inspect/", "Token untersuchen"),
    ],
)
def test_pages_speak_german(client, sam, url, words):
    client.force_login(sam)
    answer = client.get(url, headers=GERMAN)
    assert '<html lang="de">' in answer.text
    assert words in answer.text


def test_the_api_speaks_one_language(client, alice):
    body = {"username": "alice", "password": PASSWORD + "x"}
    told = client.post("/api/login", body, content_type="application/json", headers=GERMAN)
    assert told.json() == {"detail": "No active account found with the given credentials"}
    bearer = {"authorization": "Bearer a.b.c"}
    refused = client.get("/api/restricted", headers={**GERMAN, **bearer}).json()
    assert refused == client.get("/api/restricted", headers=bearer).json()


def test_times_and_states_are_in_the_right_case(client, sam, alice):
    session = open_session(user=alice).session
    days = timezone.now() - timedelta(days=2, minutes=1)
    Session.objects.filter(pk=session.pk).update(created_at=days, last_used_at=days)
    client.force_login(sam)
    text = client.get("/staff/sessions/", headers=GERMAN).text.replace("\xa0", " ")
    assert ">vor 2 Tagen<" in text
    assert "aktiv" in text
    page = client.get(f"/staff/sessions/{session.pk}/", headers=GERMAN).text
    assert "in 4 Wochen" in page.replace("\xa0", " ")
