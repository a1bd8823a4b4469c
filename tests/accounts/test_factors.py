"""Second factors: which codes count, how often, and what is stored of them."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from django.contrib.auth import authenticate
from django.db import connection
from django.test import override_settings

from tests.support.factors import code_of, with_app
from tests.support.users import PASSWORD
from tokens.accounts import factors, recovery, totp
from tokens.accounts.factors import FactorMissing, FactorNeeded, check_code, offering
from tokens.accounts.passwords import LoginLocked, unlock
from tokens.models import Event, Factor, FactorKind, Kind, RecoveryCode

pytestmark = pytest.mark.django_db
# RFC 6238, appendix B: the key of its examples, and the last six digits of its codes.
RFC_KEY = b"12345678901234567890"


@pytest.mark.parametrize(
    ("at", "code"), [(59, "287082"), (1111111109, "081804"), (20000000000, "353130")]
)
def test_codes_are_those_of_rfc_6238(at, code):
    assert totp._totp(RFC_KEY).generate(at).decode() == code


def test_password_alone_opens_an_account_without_a_factor(alice):
    assert authenticate(None, username="alice", password=PASSWORD) == alice


def test_password_alone_asks_for_the_factor(alice):
    with_app(alice)
    with pytest.raises(FactorNeeded) as asked:
        authenticate(None, username="alice", password=PASSWORD)
    assert asked.value.user == alice
    assert authenticate(None, username="alice", password="wrong") is None
    with override_settings(STAFF_MFA="off"):
        assert authenticate(None, username="alice", password=PASSWORD) == alice


def test_password_and_code_open_it(alice):
    key = with_app(alice)
    with offering(code_of(key)):
        assert authenticate(None, username="alice", password=PASSWORD) == alice
    assert Factor.objects.get().last_used_at is not None


@pytest.mark.parametrize("given", ["", "000000"])
def test_other_backend_is_not_asked_after_the_factor(alice, settings, given):
    settings.AUTHENTICATION_BACKENDS = [
        "tokens.accounts.backend.ThrottledModelBackend",
        "django.contrib.auth.backends.ModelBackend",
    ]
    key = with_app(alice)
    with offering(given), suppress(FactorNeeded):
        assert authenticate(None, username="alice", password=PASSWORD) is None
    with offering(code_of(key)):
        assert authenticate(None, username="alice", password=PASSWORD) == alice


@pytest.mark.parametrize("typed", ["{} {}", " {}{} "])
def test_spaces_in_a_code_are_ignored(alice, typed):
    code = code_of(with_app(alice))
    assert check_code(user=alice, code=typed.format(code[:3], code[3:]))


@pytest.mark.parametrize(("steps", "right"), [(-2, False), (-1, True), (1, True), (2, False)])
def test_code_may_be_one_step_away(alice, steps, right):
    assert check_code(user=alice, code=code_of(with_app(alice), steps=steps)) is right


@pytest.mark.parametrize("wrong", ["", "000000x", "١٢٣٤٥٦", "1234567", "12345", "\0" * 6, "é" * 30])
def test_other_text_is_no_code(alice, wrong):
    with_app(alice)
    assert not check_code(user=alice, code=wrong)
    event = Event.objects.get(kind=Kind.LOGIN_REFUSED)
    assert (event.subject, event.reason) == (alice, "wrong code")


def test_code_works_once_and_then_none_before_it(alice):
    key = with_app(alice)
    assert check_code(user=alice, code=code_of(key, steps=1))
    assert not check_code(user=alice, code=code_of(key, steps=1))
    assert not check_code(user=alice, code=code_of(key))


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_of_two_logins_with_one_code_one_is_let_in(alice):
    code = code_of(with_app(alice))

    def use(_):
        try:
            return check_code(user=alice, code=code)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(use, range(4))) == [False, False, False, True]


def test_code_of_another_account_is_wrong(alice, bob):
    key = with_app(bob)
    with_app(alice)
    assert not check_code(user=alice, code=code_of(key))


def test_key_moved_to_another_account_has_no_codes(alice, bob):
    key = with_app(bob)
    Factor.objects.update(user=alice)
    assert not check_code(user=alice, code=code_of(key))


def test_stored_key_is_not_readable(alice):
    key = with_app(alice)
    stored = bytes(Factor.objects.get().credential)
    assert key not in stored
    assert totp.typed_key(key).replace(" ", "").encode() not in stored


@pytest.mark.parametrize("rubbish", [b"", b"x", b"\xff" * 200])
def test_rubbish_in_place_of_a_key_has_no_codes_and_still_asks(alice, rubbish):
    with_app(alice)
    Factor.objects.update(credential=rubbish)
    assert not check_code(user=alice, code="123456")
    with pytest.raises(FactorNeeded):
        authenticate(None, username="alice", password=PASSWORD)


def test_key_outlives_a_new_secret_key_with_fallback(alice, settings):
    key = with_app(alice)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "n" * 60, [settings.SECRET_KEY]
    assert check_code(user=alice, code=code_of(key))
    settings.SECRET_KEY_FALLBACKS = []
    assert not check_code(user=alice, code=code_of(key, steps=1))


def test_wrong_codes_lock_however_often_the_password_is_right(alice, settings):
    settings.LOGIN_ATTEMPTS = 3
    key = with_app(alice)
    for _ in range(3):
        with offering("000000"):
            assert authenticate(None, username="alice", password=PASSWORD) is None
    with offering(code_of(key)), pytest.raises(LoginLocked):
        authenticate(None, username="alice", password=PASSWORD)
    assert Event.objects.get(kind=Kind.LOGIN_LOCKED).data == {"by": "second factor"}
    unlock(username="alice", actor=None, reason="called")
    assert check_code(user=alice, code=code_of(key))


def test_right_code_starts_the_count_again(alice, settings):
    settings.LOGIN_ATTEMPTS = 2
    key = with_app(alice)
    for steps in (-1, 0, 1):
        assert not check_code(user=alice, code="000000")
        assert check_code(user=alice, code=code_of(key, steps=steps))


def test_recovery_code_opens_once(alice):
    with_app(alice)
    codes = factors.new_recovery_codes(alice)
    assert len(set(codes)) == recovery.CODES
    assert check_code(user=alice, code=f" {codes[0].upper()} ")
    assert not check_code(user=alice, code=codes[0])
    assert check_code(user=alice, code=codes[1].replace("-", ""))
    assert factors.codes_left(alice) == recovery.CODES - 2
    assert Event.objects.filter(kind=Kind.RECOVERY_CODE_USED, subject=alice).count() == 2


def test_new_recovery_codes_end_the_old_ones(alice, bob):
    with_app(alice)
    old, other = factors.new_recovery_codes(alice), factors.new_recovery_codes(bob)
    new = factors.new_recovery_codes(alice)
    assert not check_code(user=alice, code=old[0])
    assert not check_code(user=alice, code=other[0])
    assert check_code(user=alice, code=new[0])
    assert factors.codes_left(bob) == recovery.CODES


def test_recovery_codes_are_stored_as_digests(alice):
    codes = factors.new_recovery_codes(alice)
    stored = "".join(RecoveryCode.objects.values_list("digest", flat=True))
    assert not any(code.replace("-", "") in stored for code in codes)


def test_last_factor_takes_the_recovery_codes_along(alice):
    with_app(alice, "old phone")
    with_app(alice)
    factors.new_recovery_codes(alice)
    first, last = factors.factors_of(alice)
    factors.remove(user=alice, factor=first)
    assert factors.codes_left(alice) == recovery.CODES
    factors.remove(user=alice, factor=last)
    assert factors.codes_left(alice) == 0
    assert authenticate(None, username="alice", password=PASSWORD) == alice
    events = Event.objects.filter(kind=Kind.FACTOR_REMOVED, subject=alice)
    assert [event.data["name"] for event in events.order_by("id")] == ["old phone", "phone"]


def test_factor_of_another_account_is_not_removed(alice, bob):
    with_app(bob)
    factors.remove(user=alice, factor=Factor.objects.get())
    assert Factor.objects.get().user == bob
    assert not Event.objects.filter(kind=Kind.FACTOR_REMOVED).exists()


def test_reset_removes_everything_and_says_why(alice, sam):
    with_app(alice)
    factors.new_recovery_codes(alice)
    assert factors.reset(user=alice, actor=sam, reason="lost phone") == 1
    assert not factors.has_factor(alice)
    assert factors.codes_left(alice) == 0
    event = Event.objects.get(kind=Kind.FACTORS_RESET)
    assert (event.actor, event.subject, event.reason) == (sam, alice, "lost phone")
    assert factors.reset(user=alice, actor=sam, reason="again") == 0


def test_wrong_code_adds_no_app(alice):
    key = totp.new_key()
    assert factors.add_app(user=alice, name="phone", key=key, code="000000") is None
    assert not factors.has_factor(alice)


def test_number_of_factors_is_bounded(alice, monkeypatch):
    monkeypatch.setattr(factors, "MOST", 1)
    with_app(alice)
    with pytest.raises(factors.TooManyFactors):
        with_app(alice)


@pytest.mark.parametrize("mode", ["off", "optional"])
def test_staff_need_no_factor_unless_it_is_required(sam, settings, mode):
    settings.STAFF_MFA = mode
    factors.require_of_staff(sam)


def test_required_factor_of_staff(sam, alice, settings):
    settings.STAFF_MFA = "required"
    factors.require_of_staff(alice)
    with pytest.raises(FactorMissing):
        factors.require_of_staff(sam)
    with_app(sam)
    factors.require_of_staff(sam)
    assert factors.factors_of(sam, FactorKind.PASSKEY) == []


def test_key_is_added_once(alice):
    key = totp.new_key()
    codes = [code_of(key, steps=steps) for steps in (0, 1)]
    assert factors.add_app(user=alice, name="phone", key=key, code=codes[0])
    assert factors.add_app(user=alice, name="again", key=key, code=codes[1]) is None
    assert not check_code(user=alice, code=codes[0])


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_form_that_is_sent_twice_at_once_adds_one_app(alice):
    key = totp.new_key()
    code = code_of(key)

    def add(_):
        try:
            return factors.add_app(user=alice, name="phone", key=key, code=code) is not None
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(add, range(4))) == [False, False, False, True]
    assert factors.codes_left(alice) == recovery.CODES
