"""Each outstanding token and each session is in exactly one state, and the validation agrees."""

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from tests.support.tokens import failed, later, pair_of, status_of
from tokens.listing.status import live, with_session_status
from tokens.models import BlacklistedToken, Session
from tokens.revocation import revoke_session
from tokens.revocation.cutoffs import set_cutoff
from tokens.sessions.refresh import rotate


def session_status():
    status = with_session_status(Session.objects.all()).values_list("status", flat=True).get()
    assert live(Session.objects.all()).exists() == (status == "active")
    return status


def test_new_token_and_session_are_active(alice):
    assert status_of(pair_of(alice).refresh) == session_status() == "active"


def test_used_up_token_is_rotated_and_its_successor_active(alice):
    first = pair_of(alice)
    second = rotate(refresh=first.refresh)
    assert status_of(first.refresh) == "rotated"
    assert status_of(second.refresh) == session_status() == "active"


def test_rotated_token_stays_rotated_when_the_session_is_revoked(alice):
    first = pair_of(alice)
    second = rotate(refresh=first.refresh)
    revoke_session(session=second.session, actor=None, reason="x")
    assert status_of(first.refresh) == "rotated"
    assert status_of(second.refresh) == session_status() == "revoked"


def test_token_expires_by_itself_or_with_its_session(alice):
    pair = pair_of(alice)
    refresh = pair.refresh
    states = []
    for days in (6, 7, 31):
        with later(days=days):
            states.append(session_status())
    assert states == ["active", "expired", "expired"]
    Session.objects.update(expires_at=timezone.now())
    assert status_of(refresh) == session_status() == "expired"


def blacklist(pair, user):
    BlacklistedToken.objects.create(token=pair.session.current)


def revoke(pair, user):
    revoke_session(session=pair.session, actor=None, reason="x")


def deactivate(pair, user):
    User.objects.update(is_active=False)


def cut(pair, user):
    set_cutoff(user=user, not_before=timezone.now(), actor=None, reason="x")


def cut_everybody(pair, user):
    set_cutoff(user=None, not_before=timezone.now(), actor=None, reason="x")


@pytest.mark.parametrize("befall", [blacklist, revoke, deactivate, cut, cut_everybody])
def test_status_is_revoked_wherever_validation_refuses(alice, befall):
    pair = pair_of(alice)
    befall(pair, alice)
    assert status_of(pair.refresh) == session_status() == "revoked"
    assert failed(pair.refresh) is not None
