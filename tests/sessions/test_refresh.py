"""One refresh token for the next: one successor, the same one for a retry, none for reuse."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.support.tokens import failed, jti, kinds, later, pair_of, refused, status_of
from tokens.jwt.signing import read
from tokens.models import BlacklistedToken, Event, Kind, OutstandingToken, Session
from tokens.models.reasons import Reason
from tokens.revocation import revoke_session
from tokens.sessions.refresh import rotate
from tokens.validation.validator import TokenRejected


def test_rotation_uses_the_token_up_and_issues_its_successor(alice):
    first = pair_of(alice, tenant="north")
    second = rotate(refresh=first.refresh)
    assert failed(second.refresh) is None
    assert failed(second.access) is None
    assert read(second.refresh)["tenant"] == "north"
    assert status_of(first.refresh) == "rotated"
    assert status_of(second.refresh) == "active"
    session = Session.objects.get()
    assert (session.rotations, session.current.jti) == (1, jti(second.refresh))
    assert BlacklistedToken.objects.get().token.jti == jti(first.refresh)


def test_retry_within_the_grace_gets_the_same_successor(alice):
    first = pair_of(alice)
    second = rotate(refresh=first.refresh)
    again = rotate(refresh=first.refresh)
    assert again.refresh == second.refresh
    assert failed(again.access) is None
    assert OutstandingToken.objects.count() == 2
    assert kinds() == [Kind.LOGIN, Kind.REFRESH, Kind.REFRESH_RETRY]


def test_retry_counts_as_a_use_of_the_session(alice):
    first = pair_of(alice)
    used = rotate(refresh=first.refresh).session.last_used_at
    rotate(refresh=first.refresh)
    assert Session.objects.get().last_used_at > used


def test_used_up_token_after_the_grace_revokes_the_session(alice):
    first = pair_of(alice)
    second = rotate(refresh=first.refresh)
    with later(seconds=11):
        assert refused(first.refresh)
        assert failed(second.refresh) == failed(second.access) == "revoked"
    event = Event.objects.get(kind=Kind.REUSE)
    assert (event.jti, event.reason, event.subject) == (jti(first.refresh), Reason.REUSE, alice)
    assert event.count == 1


def test_second_last_token_revokes_the_session_even_within_the_grace(alice):
    first = pair_of(alice)
    second = rotate(refresh=first.refresh)
    third = rotate(refresh=second.refresh)
    assert refused(first.refresh)
    assert failed(third.refresh) == "revoked"


def test_retry_is_a_reuse_if_the_grace_is_zero(alice, settings):
    settings.REFRESH_GRACE_SECONDS = 0
    first = pair_of(alice)
    second = rotate(refresh=first.refresh)
    # As where this host's clock runs behind the one that rotated.
    Session.objects.update(rotated_at=timezone.now() + timedelta(seconds=1))
    assert refused(first.refresh)
    assert failed(second.refresh) == "revoked"


def test_revoked_session_has_no_grace(alice):
    first = pair_of(alice)
    second = rotate(refresh=first.refresh)
    revoke_session(session=second.session, actor=None, reason="lost phone")
    assert refused(first.refresh)
    assert refused(second.refresh)


def test_blacklisted_successor_ends_the_grace(alice):
    first = pair_of(alice)
    second = rotate(refresh=first.refresh)
    BlacklistedToken.objects.create(token=OutstandingToken.objects.get(jti=jti(second.refresh)))
    assert failed(second.access) == "revoked"
    assert refused(first.refresh)


def test_repeated_reuse_is_recorded_once(alice):
    pair = pair_of(alice)
    revoke_session(session=pair.session, actor=None, reason="lost phone")
    for _ in range(3):
        assert refused(pair.refresh)
    assert kinds().count(Kind.REUSE) == 1


def test_refreshing_stops_at_the_end_of_the_session(alice):
    pair = pair_of(alice)
    for day in (6, 12, 18, 24, 29):
        with later(days=day):
            pair = rotate(refresh=pair.refresh)
            assert read(pair.refresh)["exp"] <= int(pair.session.expires_at.timestamp())
    with later(days=29, hours=23, minutes=58):
        pair = rotate(refresh=pair.refresh)
        assert read(pair.access)["exp"] == int(pair.session.expires_at.timestamp())
    with later(days=30):
        assert failed(pair.refresh) == failed(pair.access) == "times"


def test_refresh_on_one_device_leaves_the_others_alone(alice):
    phone, laptop = pair_of(alice), pair_of(alice)
    second = rotate(refresh=phone.refresh)
    with later(seconds=11):
        assert refused(phone.refresh)
    assert failed(second.refresh) == "revoked"
    assert failed(laptop.refresh) is failed(laptop.access) is None


def test_access_token_cannot_be_refreshed(alice):
    with pytest.raises(TokenRejected) as raised:
        rotate(refresh=pair_of(alice).access)
    assert raised.value.validation.failed == "type"


def test_custom_claim_cannot_make_the_successor_differ(alice):
    first = pair_of(alice, roles=["a"], tenant=None)
    second = rotate(refresh=first.refresh)
    own = {"exp", "iat", "jti"}
    kept = {name: value for name, value in read(first.refresh).items() if name not in own}
    assert kept.items() <= read(second.refresh).items()
