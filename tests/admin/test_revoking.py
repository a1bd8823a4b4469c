"""Each way to end something in the admin: reviewed, reasoned, and written down."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.urls import reverse

from tests.support.tokens import pair_of, refused
from tokens.models import Cutoff, Event, Kind, OutstandingToken, RevocationJob
from tokens.revocation import work_off

TOKENS = "admin:token_blacklist_outstandingtoken"
REASON = {"reason": "lost device", "confirm": "1"}


def test_one_token_from_its_page(client, revoker, alice):
    held = pair_of(alice)
    token = OutstandingToken.objects.get(pk=held.session.current_id)
    client.force_login(revoker)
    page = client.get(reverse(f"{TOKENS}_change", args=[token.pk]))
    url = reverse(f"{TOKENS}_revoke", args=[token.pk])
    assert url in page.content.decode()
    assert b"revokes 1 session and 1 token of 1 user." in client.get(url).content
    assert client.post(url, REASON).status_code == 302
    assert refused(held.refresh)
    event = Event.objects.get(kind=Kind.REVOKE_TOKEN)
    assert (event.actor_id, event.reason) == (revoker.pk, "lost device")
    assert LogEntry.objects.get().object_id == str(token.pk)


def test_one_session_from_its_page(client, revoker, alice):
    held = pair_of(alice)
    client.force_login(revoker)
    client.post(reverse("admin:tokens_session_revoke", args=[held.session.pk]), REASON)
    assert refused(held.refresh)
    assert LogEntry.objects.count() == 1


@pytest.mark.parametrize("name", [TOKENS, "admin:tokens_session"])
def test_selected_ones_after_the_review(client, revoker, alice, bob, name):
    gone, kept = pair_of(alice), pair_of(bob)
    pk = gone.session.current_id if name == TOKENS else gone.session.pk
    client.force_login(revoker)
    url = reverse(f"{name}_changelist")
    form = {"action": "revoke_selected", "_selected_action": [str(pk)]}
    assert (
        b"revokes 1 session and 1 token of 1 user."
        in client.post(url, form | {"index": "0"}).content
    )
    assert Event.objects.filter(kind=Kind.REVOKE_MATCHING).count() == 0
    assert client.post(url, form | REASON).status_code == 302
    assert refused(gone.refresh)
    assert not refused(kept.refresh)


def test_a_reason_is_required(client, revoker, alice):
    held = pair_of(alice)
    client.force_login(revoker)
    url = reverse("admin:tokens_session_revoke", args=[held.session.pk])
    answer = client.post(url, {"reason": "  ", "confirm": "1"})
    assert answer.status_code == 200
    assert not refused(held.refresh)


def test_all_that_match_a_search(client, revoker, alice, bob):
    gone, kept = [pair_of(alice) for _ in range(3)], pair_of(bob)
    client.force_login(revoker)
    url = reverse(f"{TOKENS}_matching") + "?user=alice&status=active"
    assert b"revokes 3 sessions" in client.get(url).content
    client.post(url, REASON)
    assert all(refused(pair.refresh) for pair in gone)
    assert not refused(kept.refresh)


@pytest.mark.parametrize(
    "query", ["issued_within=1h", "used_within=1h", "expires_within=7d", "q=alice"]
)
def test_every_filter_of_the_list_can_be_revoked(client, revoker, alice, query):
    held = pair_of(alice)
    client.force_login(revoker)
    url = f"{reverse(f'{TOKENS}_matching')}?{query}"
    shown = len(client.get(reverse(f"{TOKENS}_changelist") + f"?{query}").context["cl"].result_list)
    assert shown == 1
    client.post(url, REASON)
    assert refused(held.refresh)


def test_status_alone_reaches_everybody_and_needs_that_permission(client, revoker, sam, alice):
    held = pair_of(alice)
    url = f"{reverse(f'{TOKENS}_matching')}?status=active"
    client.force_login(revoker)
    assert client.post(url, REASON).status_code == 403
    assert not refused(held.refresh)
    client.force_login(sam)
    client.post(url, REASON)
    assert refused(held.refresh)


@pytest.mark.parametrize(
    "query", ["", "status=revoked", "expires_within=1h", "q=zz", "user=nobody", "user=alice&q=bob"]
)
def test_filters_that_match_nothing_live_end_nothing(client, revoker, alice, query):
    held = pair_of(alice)
    client.force_login(revoker)
    client.post(f"{reverse(f'{TOKENS}_matching')}?{query}", REASON)
    assert not refused(held.refresh)


def test_above_a_number_it_is_typed(client, revoker, alice):
    for _ in range(26):
        held = pair_of(alice)
    client.force_login(revoker)
    url = reverse("admin:tokens_session_matching") + "?user=alice"
    assert client.post(url, REASON | {"number": "25"}).status_code == 200
    assert client.post(url, REASON | {"number": "26"}).status_code == 302
    assert refused(held.refresh)


def test_all_of_a_user_from_the_users_page(client, sam, alice):
    held = pair_of(alice)
    client.force_login(sam)
    page = client.get(reverse("admin:auth_user_change", args=[alice.pk])).content.decode()
    assert str(held.session.pk) in page
    url = reverse("admin:auth_user_revoke", args=[alice.pk])
    assert url in page
    client.post(url, REASON)
    assert refused(held.refresh)
    assert Cutoff.objects.get().user == alice


def test_all_of_many_users_from_the_list(client, sam, alice, bob):
    pairs = [pair_of(alice), pair_of(bob)]
    client.force_login(sam)
    form = {"action": "revoke_all_tokens", "_selected_action": [str(alice.pk), str(bob.pk)]}
    url = reverse("admin:auth_user_changelist")
    assert b"of 2 users" in client.post(url, form | {"index": "0"}).content
    client.post(url, form | REASON)
    assert all(refused(pair.refresh) for pair in pairs)
    assert Event.objects.filter(kind=Kind.REVOKE_USER).count() == 2
    assert LogEntry.objects.count() == 2


def test_everybody_after_a_typed_word(client, sam, alice):
    held = pair_of(alice)
    client.force_login(sam)
    url = reverse("admin:tokens_cutoff_add")
    assert client.post(url, {"reason": "key leaked", "typed": "all"}).status_code == 200
    assert Cutoff.objects.count() == 0
    assert client.post(url, {"reason": "key leaked", "typed": "everyone"}).status_code == 302
    assert refused(held.refresh)
    assert Event.objects.get(kind=Kind.CUTOFF).reason == "key leaked"


def test_sent_again_it_is_written_down_once(client, revoker, alice):
    held = pair_of(alice)
    client.force_login(revoker)
    url = reverse("admin:tokens_session_revoke", args=[held.session.pk])
    client.post(url, REASON)
    assert "Nothing was revoked" in client.post(url, REASON, follow=True).text
    assert LogEntry.objects.count() == 1


def test_a_user_who_holds_all_of_it_can_be_deleted(client, sam, alice):
    held = pair_of(alice)
    client.force_login(sam)
    client.post(reverse("admin:auth_user_revoke", args=[alice.pk]), REASON)
    url = reverse("admin:auth_user_delete", args=[alice.pk])
    assert client.get(url).status_code == 200
    assert client.post(url, {"post": "yes"}).status_code == 302
    assert not User.objects.filter(pk=alice.pk).exists()
    assert refused(held.refresh)
    form = {"action": "delete_selected", "_selected_action": [str(sam.pk)], "index": "0"}
    answer = client.post(reverse("admin:auth_user_changelist"), form)
    assert b"Are you sure" in answer.content


def test_many_are_begun_and_then_worked_off(client, revoker, alice, bob, monkeypatch):
    monkeypatch.setattr("tokens.admin.revoking.LONG", 2)
    held = [pair_of(alice) for _ in range(3)]
    kept = pair_of(bob)
    client.force_login(revoker)
    answer = client.post(reverse("admin:tokens_session_matching") + "?user=alice", REASON)
    job = RevocationJob.objects.get()
    assert answer.url == reverse("tokens_staff:revoke-job", args=[job.pk])
    assert (job.expected, job.reason, job.actor) == (3, "lost device", revoker)
    assert LogEntry.objects.count() == 1
    work_off(job=job, seconds=30)
    assert all(refused(pair.refresh) for pair in held)
    assert not refused(kept.refresh)


def test_a_cut_off_of_many_holds_before_it_is_worked_off(client, sam, alice, monkeypatch):
    monkeypatch.setattr("tokens.admin.trail.LONG", 0)
    held = pair_of(alice)
    client.force_login(sam)
    form = {"reason": "key leaked", "typed": "everyone"}
    answer = client.post(reverse("admin:tokens_cutoff_add"), form)
    assert answer.url == reverse("tokens_staff:revoke-job", args=[RevocationJob.objects.get().pk])
    assert refused(held.refresh)
    assert Event.objects.get(kind=Kind.CUTOFF).reason == "key leaked"
