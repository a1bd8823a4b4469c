"""The checks come in order, the first that fails decides, and a fault is no refusal."""

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from tests.support.lifecycle import failed, later, pair_of, status_of
from tokens.claims import parse
from tokens.models import BlacklistedToken, OutstandingToken, Session
from tokens.revocation import cut_off, revoke_session
from tokens.rotation import rotate
from tokens.verdict import CHECKS, explain, explain_stored


def lose_row(pair, user):
    OutstandingToken.objects.all().delete()


def lose_session(pair, user):
    Session.objects.all().delete()


def revoke(pair, user):
    revoke_session(session=pair.session, actor=None, reason="test")


def blacklist(pair, user):
    BlacklistedToken.objects.create(token=OutstandingToken.objects.get())


def deactivate(pair, user):
    User.objects.update(is_active=False)


def change_password(pair, user):
    User.objects.update(password="argon2$other")


def delete(pair, user):
    User.objects.filter(pk=user.pk)._raw_delete("default")
    Session.objects.update(user=None)


def end(pair, user):
    Session.objects.update(expires_at=timezone.now())


def cut(pair, user):
    cut_off(user=user, not_before=timezone.now(), actor=None, reason="test")
    Session.objects.update(revoked_at=None)
    BlacklistedToken.objects.all().delete()


@pytest.mark.parametrize(
    ("befall", "check"),
    [
        (lose_row, "known"),
        (lose_session, "known"),
        (revoke, "revoked"),
        (blacklist, "revoked"),
        (end, "session"),
        (deactivate, "user"),
        (change_password, "user"),
        (cut, "cut-off"),
    ],
)
def test_whatever_befalls_it_both_tokens_fail_the_same_check(alice, befall, check):
    pair = pair_of(alice)
    befall(pair, alice)
    assert failed(pair.refresh) == failed(pair.access) == check


def test_an_account_that_is_gone_by_plain_sql_has_no_tokens(alice):
    pair = pair_of(alice)
    OutstandingToken.objects.update(user=None)
    delete(pair, alice)
    assert failed(pair.refresh) == failed(pair.access) == "user"


def test_a_good_token_passes_every_check(alice):
    verdict = explain(token=pair_of(alice).access)
    assert verdict.active
    assert [check.name for check in verdict.checks] == list(CHECKS)
    assert all(check.passed for check in verdict.checks)
    assert verdict.answer == (200, {"response": "YOU ARE ALLOWED HERE"})
    assert verdict.user == alice


def test_checks_after_the_failing_one_are_not_made(alice):
    pair = pair_of(alice)
    deactivate(pair, alice)
    verdict = explain(token=pair.refresh)
    assert [check.passed for check in verdict.checks] == [True] * 6 + [False, None]
    assert verdict.first_failure.name == "user"
    assert verdict.answer == (
        401,
        {"detail": "Token is no longer valid", "code": "token_not_valid"},
    )


def test_the_client_is_not_told_why(alice):
    pair = pair_of(alice)
    told = set()
    for befall in (deactivate, change_password, revoke):
        befall(pair, alice)
        told.add(explain(token=pair.refresh).message)
    assert told == {"Token is no longer valid"}


def test_repr_shows_no_claims(alice):
    pair = pair_of(alice, email="a@example.com")
    assert "a@example.com" not in repr(explain(token=pair.access))


def test_within_the_grace_the_predecessor_is_active_as_refresh_will_find_it(alice):
    first = pair_of(alice)
    rotate(refresh=first.refresh)
    assert explain(token=first.refresh).retry
    with later(seconds=11):
        assert explain(token=first.refresh).reuse


def test_a_stored_token_is_judged_like_the_signed_one(alice):
    pair = pair_of(alice)
    claims = parse(OutstandingToken.objects.get().token).payload
    assert explain_stored(claims=claims).active
    assert explain_stored(claims=claims).checks[0].passed is None
    with later(days=7):
        assert explain_stored(claims=claims).failed == "times"
    revoke(pair, alice)
    assert explain_stored(claims=claims).failed == "revoked"


def test_a_bearer_call_costs_one_query(alice, django_assert_num_queries):
    access = pair_of(alice).access
    with django_assert_num_queries(1):
        assert explain(token=access).active


def test_a_blacklist_row_that_was_deleted_brings_nothing_back(alice):
    first = pair_of(alice)
    rotate(refresh=first.refresh)
    BlacklistedToken.objects.all().delete()
    with later(seconds=11):
        assert failed(first.refresh) == "revoked"
        assert status_of(first.refresh) == "rotated"
