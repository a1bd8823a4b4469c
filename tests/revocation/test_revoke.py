"""Each act ends what it says, says how much, writes one event, and is harmless to repeat."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from tests.support.tokens import failed, jti, kinds, later, pair_of, status_of
from tokens.models import BlacklistedToken, Event, Kind, OutstandingToken, Session
from tokens.revocation import (
    Revocation,
    Selection,
    preview,
    revoke_matching,
    revoke_session,
    revoke_token,
    revoke_user,
)
from tokens.sessions.refresh import rotate

NOTHING = Revocation()


@pytest.fixture
def foreign(alice):
    """Return a refresh token that another service on the same tables issued to Alice."""
    return OutstandingToken.objects.create(
        user=alice,
        jti="foreign",
        token="e30.e30.",
        created_at=timezone.now(),
        expires_at=timezone.now() + timedelta(days=1),
    )


def last_event():
    return Event.objects.order_by("pk").last()


def test_revoking_a_token_ends_its_session(alice, sam):
    pair, other = pair_of(alice), pair_of(alice)
    ended = revoke_token(jti=jti(pair.refresh), actor=sam, reason="leaked")
    assert ended == Revocation(tokens=1, sessions=1, users=1)
    assert failed(pair.refresh) == failed(pair.access) == "revoked"
    assert status_of(pair.refresh) == "revoked"
    assert failed(other.refresh) is None
    event = last_event()
    assert (event.kind, event.actor, event.subject) == (Kind.REVOKE_TOKEN, sam, alice)
    assert (event.reason, event.jti, event.count) == ("leaked", jti(pair.refresh), 1)


def test_revoking_a_used_up_token_ends_its_session(alice):
    first = pair_of(alice)
    second = rotate(refresh=first.refresh)
    assert revoke_token(jti=jti(first.refresh), actor=None, reason="leaked").sessions == 1
    assert failed(second.refresh) == "revoked"


def test_revoked_token_of_another_service_is_blacklisted(foreign, sam):
    assert revoke_token(jti="foreign", actor=sam, reason="x") == Revocation(1, 0, 1)
    assert BlacklistedToken.objects.get().token == foreign


def test_revoking_an_unknown_id_ends_nothing(db):
    assert revoke_token(jti="nobody", actor=None, reason="x") == NOTHING
    assert kinds() == []


def test_revoked_session_records_the_actor_and_the_reason(alice, sam):
    pair = pair_of(alice)
    revoke_session(session=pair.session, actor=sam, reason="lost phone")
    session = Session.objects.get()
    assert (session.revoked_by, session.revoked_by_name) == (sam, "sam")
    assert session.revoke_reason == "lost phone"
    assert session.revoked_at is not None


def test_revoking_a_user_ends_tokens_of_other_services_too(alice, bob, sam, foreign):
    pairs, other = [pair_of(alice) for _ in range(3)], pair_of(bob)
    ended = revoke_user(user=alice, actor=sam, reason="gone")
    assert ended == Revocation(tokens=4, sessions=3, users=1)
    assert {failed(pair.refresh) for pair in pairs} == {"revoked"}
    assert failed(other.refresh) is None
    assert (last_event().kind, last_event().count) == (Kind.REVOKE_USER, 4)


def test_revoking_a_user_can_keep_one_session(alice):
    kept, gone = pair_of(alice), pair_of(alice)
    ended = revoke_user(user=alice, actor=alice, reason="elsewhere", keep=kept.session)
    assert ended == Revocation(1, 1, 1)
    assert failed(kept.refresh) is failed(kept.access) is None
    assert failed(gone.access) == "revoked"


def test_expired_sessions_are_not_counted_as_revoked(alice, foreign):
    pair_of(alice)
    with later(days=31):
        assert revoke_user(user=alice, actor=None, reason="x") == NOTHING
        selection = Selection(users=(alice.pk,))
        assert revoke_matching(selection=selection, actor=None, reason="x") == NOTHING


def test_restored_row_is_refused_after_everything_was_revoked(alice):
    pair = pair_of(alice)
    revoke_user(user=alice, actor=None, reason="gone")
    BlacklistedToken.objects.all().delete()
    Session.objects.update(revoked_at=None)
    assert failed(pair.refresh) == failed(pair.access) == "cut-off"


@pytest.mark.parametrize(
    "selection",
    [
        lambda pair: Selection(jtis=(jti(pair.refresh),)),
        lambda pair: Selection(sessions=(pair.session.pk,)),
        lambda pair: Selection(users=(pair.session.user_id,)),
        lambda pair: Selection(issued_before=timezone.now()),
        lambda pair: Selection(everybody=True),
    ],
    ids=["jti", "session", "user", "issued", "everybody"],
)
def test_preview_counts_the_sessions_that_the_act_ends(alice, selection):
    chosen = selection(pair_of(alice))
    before = preview(selection=chosen)
    ended = revoke_matching(selection=chosen, actor=None, reason="x")
    assert (
        ended == Revocation(before.tokens, before.sessions, before.users) == (Revocation(1, 1, 1))
    )


def test_empty_selection_selects_no_session(alice):
    pair = pair_of(alice)
    assert revoke_matching(selection=Selection(), actor=None, reason="x") == NOTHING
    assert preview(selection=Selection()).sessions == 0
    assert failed(pair.refresh) is None


def test_preview_names_the_last_expiry_of_an_access_token(alice):
    first = pair_of(alice)
    second = rotate(refresh=first.refresh)
    counted = preview(selection=Selection(everybody=True))
    lifetime = settings.SIMPLE_JWT["ACCESS_TOKEN_LIFETIME"]
    assert counted.last_access == second.session.last_used_at + lifetime
    with later(minutes=6):
        assert preview(selection=Selection(everybody=True)).last_access is None


@pytest.mark.parametrize(
    "act",
    [
        lambda pair, **why: revoke_token(jti=jti(pair.refresh), **why),
        lambda pair, **why: revoke_session(session=pair.session, **why),
        lambda pair, **why: revoke_user(user=pair.session.user, **why),
        lambda pair, **why: revoke_matching(selection=Selection(everybody=True), **why),
    ],
    ids=["token", "session", "user", "matching"],
)
def test_repeated_revocation_changes_nothing_and_records_nothing(alice, sam, act):
    pair = pair_of(alice)
    assert act(pair, actor=sam, reason="first")
    trail = kinds()
    assert act(pair, actor=None, reason="second") == NOTHING
    assert kinds() == trail
    assert Session.objects.get().revoke_reason == "first"


def test_sessions_of_deleted_accounts_are_not_live(alice):
    pair_of(alice)
    Session.objects.update(user=None)
    ended = revoke_matching(selection=Selection(everybody=True), actor=None, reason="x")
    assert ended == NOTHING
