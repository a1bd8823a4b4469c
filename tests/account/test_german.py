"""One more language, complete: pages speak it, and the API's own words stay as they are."""

import ast
import gettext
import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from django.utils.translation import trans_real
from django.utils.translation.template import templatize

from tests.support.tokens import later
from tests.support.users import PASSWORD
from tokens import audit
from tokens.models import Kind, Session
from tokens.models.reasons import Reason
from tokens.sessions.issue import open_session

ROOT = Path(__file__).parents[2]
CATALOGUE = ROOT / "tokens/locale/de/LC_MESSAGES/django.po"
QUOTED = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
GETTEXT = re.compile(rf"(?<![pn])(?:\bn?gettext|\b_)\(u?({QUOTED})")
# Errors in simplejwt's words, which it does not translate either.
OF_SIMPLEJWT = ("Token has no id", "Token is blacklisted")
GERMAN = {"accept-language": "de"}


def test_every_text_is_translated():
    empty = [
        block
        for block in CATALOGUE.read_text().split("\n\n")[1:]
        if 'msgstr ""' in block or 'msgstr[0] ""' in block or ", fuzzy" in block
    ]
    assert empty == []


def texts_of_code(path):
    """Yield the literal texts that a module passes to gettext."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        if node.func.id == "_" or re.fullmatch(r"n?gettext(_lazy|_noop)?", node.func.id):
            yield from (a.value for a in node.args[:1] if isinstance(a, ast.Constant))


def texts_of_template(path):
    """Yield the texts without a context that a template translates."""
    for found in GETTEXT.finditer(templatize(path.read_text())):
        yield ast.literal_eval(found[1])


def test_every_text_is_in_a_catalogue():
    catalogue = trans_real.translation("de")._catalog  # type: ignore[attr-defined]
    found = [
        (path, text) for path in (ROOT / "tokens").rglob("*.py") for text in texts_of_code(path)
    ]
    found += [
        (path, text)
        for path in (ROOT / "templates").rglob("*.html")
        for text in texts_of_template(path)
    ]
    assert len(found) > 500
    missing = [
        (path.name, text)
        for path, text in found
        if text not in catalogue and (text, 0) not in catalogue
    ]
    assert set(missing) == {("tokens.py", text) for text in OF_SIMPLEJWT}


def test_names_of_the_tables_of_simplejwt_are_translated(admin_client):
    page = admin_client.get("/admin/token_blacklist/outstandingtoken/", headers=GERMAN)
    assert page.status_code == 200
    assert "Outstanding Token" not in page.text


def test_the_compiled_catalogue_is_of_the_same_texts():

    with CATALOGUE.with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    assert compiled.gettext("Your sessions") == "Ihre Sitzungen"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("/account/sessions/", "Ihre Sitzungen"),
        ("/staff/", "Aktuelle Sicherheitsereignisse"),
        ("/staff/events/", "Ereignisse filtern"),
        ("/staff/inspect/", "Tokens prüfen"),
    ],
)
def test_pages_speak_german(client, sam, url, words):
    client.force_login(sam)
    answer = client.get(url, headers=GERMAN)
    assert '<html lang="de">' in answer.text
    assert words in answer.text


def test_refusals_are_german_on_pages(client, sam, alice):
    with later(minutes=-60):
        token = open_session(user=alice).access
    audit.record(kind=Kind.LOGIN_REFUSED, subject=alice, reason=Reason.WRONG_PASSWORD)
    client.force_login(sam)
    page = client.post("/staff/inspect/", {"token": token}, headers=GERMAN).text
    assert "Das Token ist abgelaufen." in page
    trail = client.get("/staff/events/", headers=GERMAN).text
    assert "falsches Passwort" in trail
    assert "wrong password" not in trail


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
