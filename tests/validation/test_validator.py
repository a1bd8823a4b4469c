"""The checks come in order, the first that fails decides, and a fault is no refusal."""

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from tests.support.tokens import failed, later, pair_of, status_of
from tokens.jwt.claims import parse
from tokens.models import BlacklistedToken, OutstandingToken, Session
from tokens.revocation import cut_off, revoke_session
from tokens.sessions.refresh import rotate
from tokens.validation.validator import CHECKS, validate, validate_stored


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
def test_both_tokens_of_an_ended_session_fail_the_same_check(alice, befall, check):
    pair = pair_of(alice)
    befall(pair, alice)
    assert failed(pair.refresh) == failed(pair.access) == check


def test_account_deleted_by_sql_has_no_valid_tokens(alice):
    pair = pair_of(alice)
    OutstandingToken.objects.update(user=None)
    delete(pair, alice)
    assert failed(pair.refresh) == failed(pair.access) == "user"


def test_valid_token_passes_every_check(alice):
    validation = validate(token=pair_of(alice).access)
    assert validation.active
    assert [check.name for check in validation.checks] == list(CHECKS)
    assert all(check.passed for check in validation.checks)
    assert validation.answer == (200, {"response": "YOU ARE ALLOWED HERE"})
    assert validation.user == alice


def test_checks_after_a_failed_one_do_not_run(alice):
    pair = pair_of(alice)
    deactivate(pair, alice)
    validation = validate(token=pair.refresh)
    assert [check.passed for check in validation.checks] == [True] * 6 + [False, None]
    assert validation.failed == "user"
    assert validation.answer == (
        401,
        {"detail": "Token is no longer valid", "code": "token_not_valid"},
    )


def test_message_for_the_client_does_not_name_the_reason(alice):
    pair = pair_of(alice)
    told = set()
    for befall in (deactivate, change_password, revoke):
        befall(pair, alice)
        told.add(validate(token=pair.refresh).message)
    assert told == {"Token is no longer valid"}


def test_repr_of_a_validation_shows_no_claims(alice):
    pair = pair_of(alice, email="a@example.com")
    assert "a@example.com" not in repr(validate(token=pair.access))


def test_predecessor_within_the_grace_is_valid_as_for_a_refresh(alice):
    first = pair_of(alice)
    rotate(refresh=first.refresh)
    assert validate(token=first.refresh).retry
    with later(seconds=11):
        assert validate(token=first.refresh).reuse


def test_stored_token_is_validated_like_the_signed_one(alice):
    pair = pair_of(alice)
    claims = parse(OutstandingToken.objects.get().token).payload
    assert validate_stored(claims=claims).active
    assert validate_stored(claims=claims).checks[0].passed is None
    with later(days=7):
        assert validate_stored(claims=claims).failed == "times"
    revoke(pair, alice)
    assert validate_stored(claims=claims).failed == "revoked"


def test_bearer_call_sends_one_query(alice, django_assert_num_queries):
    access = pair_of(alice).access
    with django_assert_num_queries(1):
        assert validate(token=access).active


def test_deleted_blacklist_row_makes_no_token_valid_again(alice):
    first = pair_of(alice)
    rotate(refresh=first.refresh)
    BlacklistedToken.objects.all().delete()
    with later(seconds=11):
        assert failed(first.refresh) == "revoked"
        assert status_of(first.refresh) == "rotated"


def results(validation) -> dict[str, bool | None]:
    return {check.name: check.passed for check in validation.checks}


ALL_PASS = dict.fromkeys(CHECKS, True)


def test_thorough_validation_of_an_expired_token_says_that_it_was_revoked_too(alice) -> None:
    pair = pair_of(alice)
    revoke(pair, alice)
    claims = parse(pair.refresh).payload
    with later(days=40):
        for token in (pair.access, pair.refresh):
            found = validate(token=token, thorough=True)
            assert (found.failed, found.message) == ("times", validate(token=token).message)
            assert results(found) == ALL_PASS | {"times": False, "revoked": False, "session": False}
            assert found.session == pair.session
        stored = validate_stored(claims=claims)
        assert (stored.failed, stored.reuse) == ("times", False)
        assert results(stored)["revoked"] is False


def test_thorough_validation_names_every_failing_check(alice) -> None:
    pair = pair_of(alice)
    cut(pair, alice)
    deactivate(pair, alice)
    revoke(pair, alice)
    found = validate(token=pair.refresh, thorough=True)
    assert results(found) == ALL_PASS | dict.fromkeys(
        ("revoked", "session", "user", "cut-off"), False
    )
    assert found.reuse
    assert found.failed == validate(token=pair.refresh).failed == "revoked"


def test_thorough_validation_judges_nothing_by_a_forged_token(alice) -> None:
    head, _dot, signature = pair_of(alice).access.rpartition(".")
    with later(days=40):
        found = validate(token=f"{head}.{signature[::-1]}", thorough=True)
    assert found.failed == "signature"
    assert set(results(found).values()) == {False, None}


def test_thorough_validation_of_a_valid_token_passes_every_check(alice) -> None:
    assert results(validate(token=pair_of(alice).access, thorough=True)) == ALL_PASS
