"""The permissions of every act in the admin, in one table."""

import pytest
from django.urls import reverse

from tests.support.tokens import pair_of
from tests.support.users import make_staff, make_user

OPEN = {
    "anonymous": {},
    "user": {},
    "viewer": {"tokens": 200, "token": 200, "sessions": 200, "session": 200},
    "revoker": {
        "tokens": 200, "token": 200, "sessions": 200, "session": 200,
        "revoke token": 200, "revoke session": 200, "matching": 200,
    },
    "only revokes": {},
    "auditor": {"events": 200},
    "cutter": {"everybody": 200},
    "sam": dict.fromkeys(
        ("tokens", "token", "sessions", "session", "revoke token", "revoke session", "matching",
         "events", "everybody", "revoke user"), 200,
    ),
}  # fmt: skip


@pytest.mark.parametrize("who", OPEN)
def test_who_may_open_what(client, request, alice, who):
    session = pair_of(alice).session
    name = "admin:token_blacklist_outstandingtoken"
    urls = {
        "tokens": reverse(f"{name}_changelist"),
        "token": reverse(f"{name}_change", args=[session.current_id]),
        "revoke token": reverse(f"{name}_revoke", args=[session.current_id]),
        "matching": reverse(f"{name}_matching") + "?user=alice",
        "sessions": reverse("admin:tokens_session_changelist"),
        "session": reverse("admin:tokens_session_change", args=[session.pk]),
        "revoke session": reverse("admin:tokens_session_revoke", args=[session.pk]),
        "events": reverse("admin:tokens_event_changelist"),
        "everybody": reverse("admin:tokens_cutoff_add"),
        "revoke user": reverse("admin:auth_user_revoke", args=[alice.pk]),
    }
    if who == "user":
        client.force_login(make_user("mallory"))
    elif who == "only revokes":
        client.force_login(make_staff("half", "revoke_token"))
    elif who == "cutter":
        client.force_login(make_staff("cutter", "add_cutoff"))
    elif who != "anonymous":
        client.force_login(request.getfixturevalue(who))
    shut = 302 if who in ("anonymous", "user") else 403
    answers = {what: client.get(url).status_code for what, url in urls.items()}
    assert answers == {what: OPEN[who].get(what, shut) for what in urls}


def test_a_viewer_is_offered_no_revocation(client, viewer, alice):
    session = pair_of(alice).session
    client.force_login(viewer)
    listed = client.get(reverse("admin:tokens_session_changelist") + "?user=alice").content
    page = client.get(reverse("admin:tokens_session_change", args=[session.pk])).content
    for offer in (b"/revoke/", b"revoke-matching", b"revoke_selected"):
        assert offer not in listed + page
    form = {"action": "revoke_selected", "_selected_action": [str(session.pk)], "index": "0"}
    client.post(reverse("admin:tokens_session_changelist"), form | {"confirm": "1", "reason": "x"})
    session.refresh_from_db()
    assert session.revoked_at is None


def test_simplejwts_own_blacklist_is_not_in_the_admin(client, sam):
    client.force_login(sam)
    assert client.get("/admin/token_blacklist/blacklistedtoken/").status_code == 404


def test_a_revocation_without_a_csrf_token_is_refused(alice, sam):
    from django.test import Client

    session = pair_of(alice).session
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(sam)
    url = reverse("admin:tokens_session_revoke", args=[session.pk])
    assert strict.post(url, {"reason": "x", "confirm": "1"}).status_code == 403
    session.refresh_from_db()
    assert session.revoked_at is None


def test_the_admin_login_is_throttled_like_the_api(client, settings, sam):
    settings.LOGIN_ATTEMPTS = 2
    url = reverse("admin:login")
    wrong = {"username": "sam", "password": "wrong"}
    assert [client.post(url, wrong).status_code for _ in range(3)] == [200, 200, 429]
