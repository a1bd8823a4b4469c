"""Check that the admin and the staff pages speak German throughout."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.translation import override

from tests.support.tokens import pair_of
from tokens.models import Cutoff, Event, Kind, Session
from tokens.models.reasons import Reason
from tokens.revocation import revoke_session, revoke_user

GERMAN = {"accept-language": "de"}


@pytest.fixture
def german(client: Client, sam) -> Client:
    client.force_login(sam)
    return client


@pytest.fixture
def session(alice, sam) -> Session:
    session = pair_of(alice).session
    pair_of(alice)
    revoke_session(session=session, actor=alice, reason=Reason.BY_OWNER)
    revoke_user(user=alice, actor=sam, reason="lost device: left in a train")
    return session


LISTS = ("tokens_event", "tokens_session", "tokens_cutoff", "token_blacklist_outstandingtoken")


@pytest.mark.parametrize("name", LISTS)
def test_lists_have_no_english_headings(german: Client, session, name) -> None:
    page = german.get(reverse(f"admin:{name}_changelist"), headers=GERMAN).text
    english = ("Actor", "Subject name", "Revoked by", "Created at", "Expires at", "By ", "From")
    assert [words for words in english if f">{words}" in page.replace("\n", "")] == []


def test_pages_of_one_row_are_headed_in_german(german: Client, session, alice) -> None:
    event = Event.objects.get(kind=Kind.REVOKE_SESSION)
    page = german.get(reverse("admin:tokens_event_change", args=[event.pk]), headers=GERMAN).text
    assert f"{event.kind} alice" not in page
    assert "Handelnde Person" in page
    cutoff = Cutoff.objects.get(user=alice)
    page = german.get(reverse("admin:tokens_cutoff_change", args=[cutoff.pk]), headers=GERMAN).text
    assert f"alice {cutoff.not_before:%Y-%m-%d}" in page


def test_fixed_reasons_are_translated(german: Client, session) -> None:
    with override("de"):
        assert [each for each in Reason if str(each.label) == each.value] == []
    address = reverse("admin:tokens_session_change", args=[session.pk])
    staff = f"/staff/sessions/{session.pk}/"
    for url in ("/staff/events/?kind=revoke_session", address, staff):
        page = german.get(url, headers=GERMAN).text
        assert "vom Besitzer abgemeldet" in page
        assert Reason.BY_OWNER not in page
    page = german.get("/staff/events/?kind=revoke_user", headers=GERMAN).text
    assert "Gerät verloren: left in a train" in page


def test_by_and_from_have_different_names(german: Client, session) -> None:
    page = german.get("/staff/events/", headers=GERMAN).text
    assert '<th scope="col">Herkunft</th>' in page
    assert page.count('<th scope="col">Von</th>') == 1
