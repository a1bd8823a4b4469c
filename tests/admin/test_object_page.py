"""The object page explains a token, shows no signature, and leaves an event."""

import pytest
from django.urls import reverse

from tests.support.tokens import pair_of
from tokens.models import Event, Kind, OutstandingToken


@pytest.fixture
def token(alice):
    return OutstandingToken.objects.get(pk=pair_of(alice).session.current_id)


def address(token):
    return reverse("admin:token_blacklist_outstandingtoken_change", args=[token.pk])


def test_object_page_shows_claims_validation_and_timeline(client, sam, token):
    client.force_login(sam)
    page = client.get(address(token)).content.decode()
    assert "Id: unique" in page or "Token id" in page
    assert "Validation" in page
    assert "logged in" in page
    assert token.jti in page


def test_viewing_claims_leaves_an_event(client, viewer, token):
    client.force_login(viewer)
    assert client.get(address(token)).status_code == 200
    event = Event.objects.get(kind=Kind.CLAIMS_VIEWED)
    assert (event.actor_id, event.jti) == (viewer.pk, token.jti)


def test_no_permission_no_page_and_no_event(client, auditor, token):
    client.force_login(auditor)
    assert client.get(address(token)).status_code == 403
    assert not Event.objects.filter(kind=Kind.CLAIMS_VIEWED).exists()


def test_a_signature_that_another_service_kept_is_not_shown(client, sam, token):
    OutstandingToken.objects.filter(pk=token.pk).update(token=token.token + "SIGNATURE")
    client.force_login(sam)
    for url in (address(token), reverse("admin:token_blacklist_outstandingtoken_changelist")):
        page = client.get(url).content.decode()
        assert "SIGNATURE" not in page
        assert "eyJ" not in page


@pytest.mark.parametrize("method", ["post", "delete", "put"])
def test_nothing_is_changed_or_deleted(client, sam, token, method):
    client.force_login(sam)
    getattr(client, method)(address(token), {"jti": "other"})
    delete = reverse("admin:token_blacklist_outstandingtoken_delete", args=[token.pk])
    assert client.post(delete, {"post": "yes"}).status_code == 403
    token.refresh_from_db()
    assert token.jti != "other"


def test_a_row_that_is_no_token(client, sam, token):
    OutstandingToken.objects.filter(pk=token.pk).update(token="not a token")
    client.force_login(sam)
    assert client.get(address(token)).status_code == 200


@pytest.mark.parametrize("pk", ["999999", "x", "9" * 30])
def test_an_unknown_token(client, sam, pk):
    client.force_login(sam)
    url = reverse("admin:token_blacklist_outstandingtoken_change", args=[pk])
    assert client.get(url).status_code == 302


def test_the_session_page(client, sam, token):
    client.force_login(sam)
    session = token.current_of
    page = client.get(reverse("admin:tokens_session_change", args=[session.pk]))
    assert str(session.pk) in page.content.decode()
    assert client.get(reverse("admin:tokens_session_change", args=["x"])).status_code == 302


def test_the_pages_of_events_and_cutoffs(client, sam, token):
    client.force_login(sam)
    event = Event.objects.first()
    assert client.get(reverse("admin:tokens_event_change", args=[event.pk])).status_code == 200
    assert client.get(reverse("admin:tokens_cutoff_add")).status_code == 200
