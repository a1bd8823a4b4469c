"""A refused call is found by its request id: the failed check, the account, when and from where."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.support.tokens import later, pair_of
from tokens.audit import refusals
from tokens.models import Refusal
from tokens.revocation import revoke_session


def bearer(client, token: str):
    return client.get("/api/restricted", headers={"authorization": f"Bearer {token}"})


def refresh(client, token: str):
    return client.post("/api/refresh", {"refresh": token}, content_type="application/json")


def verify(client, token: str):
    return client.post("/api/verify", {"token": token}, content_type="application/json")


def page(client, answer):
    return client.get(f"/staff/refusals/{answer['X-Request-ID']}/")


@pytest.mark.parametrize("call", [bearer, refresh, verify])
def test_refused_call_of_a_revoked_session_names_its_user(client, alice, sam, call) -> None:
    pair = pair_of(alice)
    revoke_session(session=pair.session, actor=sam, reason="laptop lost")
    answer = call(client, pair.refresh if call is refresh else pair.access)
    assert answer.status_code == 401
    client.force_login(sam)
    shown = page(client, answer)
    assert shown.status_code == 200
    refusal = shown.context["refusal"]
    assert (refusal.check_name, refusal.user, refusal.session_id) == (
        *("revoked", alice),
        pair.session.pk,
    )
    assert "Not revoked or used" in shown.text
    assert "alice" in shown.text


def test_expired_token_names_its_session_and_user(client, alice, sam) -> None:
    pair = pair_of(alice)
    with later(hours=1):
        answer = bearer(client, pair.access)
        client.force_login(sam)
        shown = page(client, answer)
    assert shown.context["refusal"].check_name == "times"
    assert (shown.context["session"], shown.context["person"]) == (pair.session, alice)
    assert f"?session={pair.session.pk}&amp;next=" in shown.text


def test_forged_token_names_no_account(client, alice, sam) -> None:
    head, _dot, signature = pair_of(alice).access.rpartition(".")
    answer = bearer(client, f"{head}.{signature[::-1]}")
    client.force_login(sam)
    shown = page(client, answer)
    refusal = shown.context["refusal"]
    assert (refusal.check_name, refusal.user, refusal.session_id, refusal.jti) == (
        *("signature", None, None),
        "",
    )
    assert "Not known" in shown.text


def test_accepted_call_writes_nothing(client, alice) -> None:
    access = pair_of(alice).access
    bearer(client, access)
    with CaptureQueriesContext(connection) as queries:
        assert bearer(client, access).status_code == 200
    assert len(queries) == 1
    assert not Refusal.objects.exists()


def test_flood_of_refused_calls_is_bounded(client, alice, monkeypatch) -> None:
    monkeypatch.setattr(refusals, "UNKNOWN_SLOTS", 7)
    for _ in range(refusals.PER_UNKNOWN + 20):
        bearer(client, "a.b.c")
    assert Refusal.objects.count() <= 7
    with CaptureQueriesContext(connection) as queries:
        assert bearer(client, "a.b.c").status_code == 401
    assert len(queries) == 0
    pair = pair_of(alice)
    revoke_session(session=pair.session, actor=None, reason="test")
    for _ in range(refusals.PER_SESSION + 3):
        bearer(client, pair.access)
    assert Refusal.objects.filter(slot__lt=refusals.KNOWN_SLOTS).count() <= refusals.PER_SESSION


def test_minute_is_bounded_for_all_sessions_together(monkeypatch) -> None:
    budget = refusals.Budget(each=2, together=3)
    assert [budget.spend(key) for key in "aaabc"] == [True, True, False, True, False]
    monkeypatch.setattr("tokens.audit.refusals.time", SimpleNamespace(monotonic=lambda: 1e9))
    assert budget.spend("a")


def test_old_refusal_is_not_found_and_is_purged(client, sam) -> None:
    answer = bearer(client, "a.b.c")
    Refusal.objects.update(at=timezone.now() - timedelta(days=1, minutes=1))
    client.force_login(sam)
    shown = page(client, answer)
    assert shown.status_code == 404
    assert "No refused call has this request ID" in shown.text
    call_command("purge_tokens")
    assert not Refusal.objects.exists()


def test_fault_while_remembering_leaves_the_refusal(client, db) -> None:
    def fail(*_: object) -> None:
        raise OperationalError("disk full")

    with connection.execute_wrapper(fail):
        assert bearer(client, "a.b.c").status_code == 401


def test_request_id_that_was_typed_leads_to_the_page(client, inspector, viewer) -> None:
    client.force_login(inspector)
    assert client.get("/staff/refusals/").status_code == 200
    answer = client.get("/staff/refusals/", {"id": " 0a1b2c3d "})
    assert answer.url == "/staff/refusals/0a1b2c3d/"
    assert client.get("/staff/refusals/x%00y/").status_code == 404
    client.force_login(viewer)
    assert client.get("/staff/refusals/0a1b2c3d/").status_code == 403
