"""The list of accounts, if the project leaves it to Django.

It is searched by prefix and paged by key, and thousands of accounts can be revoked at once.
"""

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.urls import reverse

from tests.support.tokens import pair_of, refused
from tests.support.users import make_user
from tokens.models import RevocationJob
from tokens.revocation import work_off

USERS = reverse("admin:auth_user_changelist")
REASON = {"reason": "left the company", "confirm": "1"}


@pytest.fixture
def crowd(sam, client):
    names = [f"crowd{number:03}" for number in range(130)]
    User.objects.bulk_create(User(username=name, is_active=name < "crowd120") for name in names)
    if connection.vendor == "postgresql":
        # What the planner believes outlives the test that made it believe so.
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE auth_user")
    client.force_login(sam)
    return names


def shown(changelist):
    return [user.username for user in changelist.result_list]


def test_pages_go_by_name_and_come_back(client, crowd):
    first = client.get(USERS).context["cl"]
    assert shown(first) == crowd[:100]
    assert not first.newer_link
    second = client.get(USERS + first.older_link).context["cl"]
    assert shown(second) == [*crowd[100:], "sam"]
    assert not second.older_link
    assert shown(client.get(USERS + second.newer_link).context["cl"]) == crowd[:100]


def test_filters_and_the_other_way_round_are_paged_alike(client, crowd):
    down = client.get(USERS, {"o": "-1", "is_active__exact": "1"}).context["cl"]
    assert shown(down) == ["sam", *crowd[119:20:-1]]
    assert shown(client.get(USERS + down.older_link).context["cl"]) == crowd[20::-1]


def test_sorted_by_anything_else_it_is_djangos_own(client, crowd):
    listed = client.get(USERS, {"o": "2"})
    assert listed.context["cl"].paginator.num_pages == 2
    assert b"?o=2&amp;p=2" in listed.content
    assert len(client.get(USERS, {"o": "2", "p": "2"}).context["cl"].result_list) == 31


@pytest.mark.parametrize(
    ("typed", "found"),
    [("CROWD12", 10), ("crowd005", 1), ("sam@", 1), ("rowd", 0), ("", 100), ("\0", 100)],
)
def test_a_name_is_found_by_its_start(client, crowd, typed, found):
    assert len(client.get(USERS, {"q": typed}).context["cl"].result_list) == found


def test_a_cursor_that_is_none_gives_the_first_page(client, crowd):
    assert shown(client.get(USERS, {"cursor": "nonsense"}).context["cl"]) == crowd[:100]


def test_all_that_are_found_are_ended_as_one(client, crowd, alice):
    held, kept = pair_of(User.objects.get(username="crowd007")), pair_of(alice)
    across = {"action": "revoke_all_tokens", "_selected_action": "1", "select_across": "1"}
    address = f"{USERS}?q=crowd"
    review = client.post(address, across | {"index": "0"})
    assert review.content.count(b"_selected_action") == 1
    assert b"revokes 1 session and 1 token of 1 user." in review.content
    client.post(address, across | REASON)
    assert refused(held.refresh)
    assert not refused(kept.refresh)


def test_many_sessions_of_several_users_are_left_to_a_job(client, crowd, alice, bob, monkeypatch):
    monkeypatch.setattr("tokens.admin.revoking.LONG", 2)
    held = [pair_of(user) for user in (alice, alice, bob)]
    chosen = {"action": "revoke_all_tokens", "_selected_action": [alice.pk, bob.pk]}
    answer = client.post(USERS, chosen | REASON)
    job = RevocationJob.objects.get()
    assert answer.url == reverse("tokens_staff:revoke-job", args=[job.pk])
    work_off(job=job, seconds=30)
    assert all(refused(pair.refresh) for pair in held)


def test_more_than_fit_into_a_statement_are_refused_in_words(client, crowd, monkeypatch):
    monkeypatch.setattr("tokens.admin.users.AT_ONCE", 100)
    held = pair_of(make_user("crowd"))
    across = {"action": "revoke_all_tokens", "_selected_action": "1", "select_across": "1"}
    answer = client.post(USERS, across | REASON, follow=True)
    assert b"More than 100 users at once" in answer.content
    assert not refused(held.refresh)
