"""Staff list, read, inspect and revoke legacy tokens like all others."""

import pytest

from tests.support.legacy import legacy_pair
from tests.support.tokens import failed, pair_of
from tokens.listing.tokens import TokenQuery
from tokens.models import Event, Kind
from tokens.revocation import Selection, revoke_matching, revoke_token

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _transition(settings):
    settings.LEGACY_UNTIL = None


@pytest.fixture
def staff(client, sam):
    client.force_login(sam)
    return client


def test_list_and_page_show_a_legacy_token(staff, alice):
    pair = legacy_pair(alice)
    own = pair_of(alice).session.current.jti
    for path in ("", "?status=active", f"?user={alice.pk}&status=active"):
        content = staff.get(f"/staff/tokens/{path}").content.decode()
        assert f"/staff/tokens/{pair.jti}/" in content
        assert f"/staff/tokens/{own}/" in content
    page = staff.get(f"/staff/tokens/{pair.jti}/")
    assert page.status_code == 200
    assert "Accepted" in page.content.decode()
    assert pair.refresh.rpartition(".")[2] not in page.content.decode()


def test_each_status_lists_and_revokes_what_it_shows(staff, alice, bob):
    active, revoked = legacy_pair(alice), legacy_pair(bob)
    revoke_token(jti=revoked.jti, actor=None, reason="lost")
    for status, shown, hidden in (("active", active, revoked), ("revoked", revoked, active)):
        content = staff.get(f"/staff/tokens/?status={status}").content.decode()
        assert shown.jti in content
        assert hidden.jti not in content
    chosen = Selection(matching=TokenQuery(status="active"))
    assert revoke_matching(selection=chosen, actor=None, reason="lost").tokens == 1
    assert failed(active.refresh) == "revoked"


@pytest.mark.parametrize("recorded", [True, False])
def test_inspector_accepts_a_legacy_token(staff, alice, recorded):
    pair = legacy_pair(alice, recorded=recorded)
    for token in (pair.refresh, pair.access):
        page = staff.post("/staff/inspect/", {"token": token})
        assert page.status_code == 200
        assert "Accepted" in page.content.decode()
    assert {event.subject for event in Event.objects.filter(kind=Kind.TOKEN_INSPECTED)} == {alice}
    assert pair.jti in Event.objects.filter(kind=Kind.TOKEN_INSPECTED).values_list("jti", flat=True)


def test_page_revokes_a_legacy_token(staff, alice):
    pair = legacy_pair(alice)
    staff.post(f"/staff/revoke/?token={pair.jti}", {"reason": "lost device"})
    assert failed(pair.refresh) == "revoked"


def test_page_revokes_a_user_with_legacy_tokens(staff, alice):
    pair = legacy_pair(alice)
    staff.post(f"/staff/revoke/?user={alice.pk}", {"reason": "lost device"})
    assert failed(pair.refresh) in {"revoked", "cut-off"}
    assert failed(pair.access) == "cut-off"


def test_introspection_answers_for_a_legacy_token(api, alice, sam, login):
    pair = legacy_pair(alice)
    bearer = {"authorization": f"Bearer {login(api, sam)['access']}"}
    for token in (pair.refresh, pair.access):
        answer = api.post("/api/introspect", {"token": token}, format="json", headers=bearer)
        assert answer.json()["active"] is True
        assert answer.json()["username"] == "alice"
