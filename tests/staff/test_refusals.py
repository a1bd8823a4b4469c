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
from tokens.models import Event, Kind, Refusal
from tokens.revocation import revoke_session


def bearer(client, token: str, *, ip: str = "127.0.0.1", path: str = "/api/restricted"):
    headers = {"authorization": f"Bearer {token}"}
    return client.get(path, headers=headers, REMOTE_ADDR=ip)


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


def test_flood_of_refused_calls_is_bounded(client, alice) -> None:
    for _ in range(refusals.PER_UNKNOWN_CLIENT + 20):
        bearer(client, "a.b.c")
    assert 0 < Refusal.objects.count() <= refusals.PER_UNKNOWN_CLIENT
    with CaptureQueriesContext(connection) as queries:
        assert bearer(client, "a.b.c").status_code == 401
    assert len(queries) == 0
    pair = pair_of(alice)
    revoke_session(session=pair.session, actor=None, reason="test")
    for _ in range(refusals.PER_SESSION + 3):
        bearer(client, pair.access)
    assert Refusal.objects.filter(slot__lt=refusals.KNOWN_SLOTS).count() <= refusals.PER_SESSION


def test_client_that_floods_hides_no_refusal_of_another(client, alice, sam) -> None:
    """The addresses of one IPv6 site are one client."""
    for number in range(2 * refusals.PER_UNKNOWN):
        bearer(client, "a.b.c", ip=f"2001:db8:0:1::{number:x}")
    answer = bearer(client, "a.b.c", ip="2001:db8:0:2::1")
    pairs = [pair_of(alice) for _ in range(refusals.PER_CLIENT // refusals.PER_SESSION + 2)]
    for pair in pairs:
        revoke_session(session=pair.session, actor=None, reason="test")
        for _ in range(refusals.PER_SESSION):
            bearer(client, pair.access, ip="203.0.113.7")
    known = Refusal.objects.filter(slot__lt=refusals.KNOWN_SLOTS)
    assert known.count() <= refusals.PER_CLIENT
    another = bearer(client, pairs[-1].access, ip="203.0.113.8")
    client.force_login(sam)
    assert {page(client, one).status_code for one in (answer, another)} == {200}


@pytest.mark.parametrize("slots", [7, refusals.UNKNOWN_SLOTS])
def test_client_replaces_few_rows_of_others(slots) -> None:
    taken = {refusals._slot_of("203.0.113.7", slots) for _ in range(5000)}
    assert taken <= set(range(slots))
    assert len(taken) <= refusals.SLOTS_OF_CLIENT
    assert taken != {refusals._slot_of("203.0.113.8", slots) for _ in range(5000)} or slots == 7


def test_minute_is_bounded_for_all_together(monkeypatch) -> None:
    budget = refusals.Budget(together=3)
    shares = [{"a": 2}, {"a": 2}, {"a": 2}, {"b": 2, "a": 2}, {"b": 2}, {"c": 2}]
    assert [budget.spend(share) for share in shares] == [True, True, False, False, True, False]
    assert len(budget._spent) == 2
    monkeypatch.setattr("tokens.audit.refusals.time", SimpleNamespace(monotonic=lambda: 1e9))
    assert budget.spend({"a": 2})


@pytest.mark.django_db(transaction=True)
def test_denial_outlives_the_transaction_of_the_request(client, viewer, monkeypatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    client.force_login(viewer)
    assert client.get("/staff/inspect/").status_code == 403
    assert Event.objects.get(kind=Kind.PERMISSION_DENIED).actor == viewer


@pytest.mark.parametrize(
    ("reason", "shown"),
    [("laptop lost", "Die Sitzung wurde widerrufen: laptop lost"),
     ("lost device", "Die Sitzung wurde widerrufen: Gerät verloren")],
)  # fmt: skip
def test_reason_is_in_the_language_of_the_reader(client, alice, sam, reason, shown) -> None:
    pair = pair_of(alice)
    revoke_session(session=pair.session, actor=sam, reason=reason)
    answers = [bearer(client, pair.access), bearer(client, "a.b.c")]
    client.force_login(sam)
    german = {"Accept-Language": "de"}
    pages = [
        client.get(f"/staff/refusals/{one['X-Request-ID']}/", headers=german).text
        for one in answers
    ]
    assert shown in pages[0]
    assert not any(f"<strong>{one.why}" in "".join(pages) for one in Refusal.objects.all())


def test_page_leads_from_an_unknown_id_to_the_trail(client, sam, viewer, inspector) -> None:
    client.force_login(viewer)
    denied = client.get("/staff/inspect/")["X-Request-ID"]
    client.force_login(inspector)
    assert "/staff/events/?request_id=" not in client.get(f"/staff/refusals/{denied}/").text
    client.force_login(sam)
    address = f"/staff/events/?request_id={denied}"
    assert address in client.get(f"/staff/refusals/{denied}/").text
    assert "permission" in client.get(address).text


def test_old_refusal_is_not_found_and_is_purged(client, sam) -> None:
    answer = bearer(client, "a.b.c")
    Refusal.objects.update(at=timezone.now() - timedelta(days=1, minutes=1))
    client.force_login(sam)
    shown = page(client, answer)
    assert shown.status_code == 404
    assert "No refused token is known for this request ID" in shown.text
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
    for typed in (" 0a1b2c3d ", "X-Request-ID: 0a1b2c3d", "x-request-id:0a1b2c3d"):
        answer = client.get("/staff/refusals/", {"id": typed})
        assert answer.url == "/staff/refusals/0a1b2c3d/"
    assert client.get("/staff/refusals/x%00y/").status_code == 404
    client.force_login(viewer)
    assert client.get("/staff/refusals/0a1b2c3d/").status_code == 403
