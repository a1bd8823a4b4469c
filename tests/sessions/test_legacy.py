"""Tokens that simplejwt issued before the app was added stay valid, and can be revoked."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone
from rest_framework_simplejwt.settings import api_settings

from tests.support.database.interleave import held
from tests.support.legacy import legacy_pair
from tests.support.tokens import failed, jti, kinds, later, pair_of, refused, status_of
from tokens import revocation
from tokens.jwt.claims import parse, redact
from tokens.models import BlacklistedToken, Event, Kind, OutstandingToken, Session
from tokens.models.reasons import Reason
from tokens.sessions.refresh import renew, rotate
from tokens.validation import legacy, validate
from tokens.validation.validator import TokenRejected

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _transition(settings):
    settings.LEGACY_UNTIL = None


def test_access_token_is_accepted_with_one_query(alice, django_assert_num_queries):
    pair = legacy_pair(alice)
    assert failed(pair.access) is None
    with django_assert_num_queries(1):
        validation = validate(token=pair.access)
    assert (validation.user, validation.session, validation.legacy) == (alice, None, True)


def test_session_token_is_still_validated_with_one_query(alice, django_assert_num_queries):
    access = pair_of(alice).access
    validate(token=access)
    with django_assert_num_queries(1):
        assert failed(access) is None


def test_bearer_call_with_a_legacy_token_works(api, alice):
    call = api.get(
        "/api/restricted", headers={"authorization": f"Bearer {legacy_pair(alice).access}"}
    )
    assert call.status_code == 200


def test_own_sessions_can_be_listed_and_ended_with_a_legacy_token(api, alice):
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {legacy_pair(alice).access}")
    pair_of(alice)
    assert [row["current"] for row in api.get("/api/sessions").json()["results"]] == [False]
    assert api.delete("/api/sessions?keep=current").status_code == 400
    assert api.delete("/api/sessions").status_code == 200
    assert api.get("/api/sessions").status_code == 401


def test_refresh_opens_a_session_that_begins_with_the_token(alice):
    issued = timezone.now().replace(microsecond=0) - timedelta(days=3)
    first = legacy_pair(alice, issued=issued, tenant="north")
    second = rotate(refresh=first.refresh)
    session = Session.objects.get()
    assert session.user == alice
    assert session.created_at == issued
    assert session.expires_at == issued + timedelta(days=30)
    assert session.current.jti == jti(second.refresh)
    assert failed(second.refresh) is failed(second.access) is None
    for token in (second.refresh, second.access):
        assert parse(token).payload["tenant"] == "north"
        assert parse(token).payload["sid"] == str(session.pk)
    assert kinds() == [Kind.LEGACY_ADOPTED, Kind.REFRESH]
    assert Event.objects.get(kind=Kind.LEGACY_ADOPTED).jti == first.jti


def test_refresh_leaves_no_signature_in_the_row(alice):
    first = legacy_pair(alice)
    rotate(refresh=first.refresh)
    assert OutstandingToken.objects.get(jti=first.jti).token == redact(first.refresh)


def test_retry_within_the_grace_gets_the_same_successor(alice):
    first = legacy_pair(alice)
    second = rotate(refresh=first.refresh)
    assert rotate(refresh=first.refresh).refresh == second.refresh
    assert Session.objects.count() == 1


def test_used_up_token_after_the_grace_revokes_its_session(alice):
    first = legacy_pair(alice)
    second = rotate(refresh=first.refresh)
    with later(seconds=11):
        assert refused(first.refresh)
    assert failed(second.access) == "revoked"
    assert Event.objects.get(kind=Kind.REUSE).reason == Reason.REUSE


def test_project_that_does_not_rotate_keeps_its_refresh_token(alice):
    first = legacy_pair(alice)
    for _ in range(2):
        pair = renew(refresh=first.refresh)
        assert pair.refresh == first.refresh
        assert failed(pair.access) is None
    session = Session.objects.get()
    assert session.current.jti == first.jti
    revocation.revoke_session(session=session, actor=None, reason="lost")
    assert failed(pair.access) == "revoked"
    with pytest.raises(TokenRejected):
        renew(refresh=first.refresh)


# --- Tokens that are not in simplejwt's table.


def test_token_older_than_the_table_is_accepted_and_recorded(alice):
    first = legacy_pair(alice, recorded=False)
    second = rotate(refresh=first.refresh)
    assert OutstandingToken.objects.get(jti=first.jti).token == redact(first.refresh)
    assert failed(second.refresh) is None


@pytest.fixture
def _old_table():
    rows = MigrationRecorder.Migration.objects.filter(name="0001_initial")
    rows.update(applied=timezone.now() - timedelta(days=1))


@pytest.mark.usefixtures("_old_table")
def test_token_that_the_table_would_have_recorded_is_refused(alice):
    assert failed(legacy_pair(alice, recorded=False).refresh) == "known"
    assert failed(legacy_pair(alice).refresh) is None
    old = legacy_pair(alice, recorded=False, issued=timezone.now() - timedelta(days=2))
    assert failed(old.refresh) is None


@pytest.mark.usefixtures("_old_table")
def test_revoked_token_stays_revoked_when_its_row_is_deleted(alice):
    first = legacy_pair(alice)
    revocation.revoke_token(jti=first.jti, actor=None, reason="lost")
    OutstandingToken.objects.all().delete()
    assert refused(first.refresh)


def test_logout_of_a_token_without_a_row_ends_it(api, alice):
    first = legacy_pair(alice, recorded=False)
    api.post("/api/logout", {"refresh": first.refresh}, format="json")
    assert refused(first.refresh)
    assert BlacklistedToken.objects.get().token.token == redact(first.refresh)
    assert kinds() == [Kind.LOGOUT]


# --- Everything that ends a legacy token.


def deactivated_and_back(user):
    for active in (False, True):
        user.is_active = active
        user.save()


def changed_password(user):
    user.set_password("another correct horse 7")
    user.save()


def cut_off(user, *, everybody=False):
    whose = None if everybody else user
    revocation.cut_off(user=whose, not_before=timezone.now(), actor=None, reason="x")


ENDS = {
    "revoked": lambda user: revocation.revoke_user(user=user, actor=None, reason="x"),
    "cut off": cut_off,
    "everybody cut off": lambda user: cut_off(user, everybody=True),
    "password changed": changed_password,
    "deactivated": lambda user: get_user_model().objects.update(is_active=False),
    "deactivated, and active again": deactivated_and_back,
    "deleted": lambda user: user.delete(),
}


@pytest.mark.parametrize("name", ENDS)
@pytest.mark.parametrize("recorded", [True, False])
def test_end_of_the_user_ends_legacy_tokens_at_once(alice, name, recorded):
    pair = legacy_pair(alice, recorded=recorded)
    ENDS[name](alice)
    assert failed(pair.access) in {"user", "cut-off"}
    assert failed(pair.refresh) in {"user", "cut-off", "revoked"}
    assert refused(pair.refresh)
    assert not Session.objects.exists()


@pytest.mark.parametrize("name", ENDS)
def test_list_says_what_the_validation_says(alice, name):
    pair = legacy_pair(alice)
    assert status_of(pair.refresh) == "active"
    ENDS[name](alice)
    assert status_of(pair.refresh) == "revoked"


@pytest.mark.parametrize("name", ENDS)
def test_end_of_the_user_ends_the_session_of_a_legacy_token(alice, name):
    pair = rotate(refresh=legacy_pair(alice).refresh)
    ENDS[name](alice)
    assert failed(pair.access) is not None
    assert refused(pair.refresh)


def test_cutoff_of_everybody_blacklists_legacy_tokens_for_other_services(alice, bob):
    for user in (alice, bob):
        legacy_pair(user)
    cut_off(alice)
    assert BlacklistedToken.objects.get().token.user == alice
    cut_off(alice, everybody=True)
    assert BlacklistedToken.objects.count() == 2


def test_revocation_of_everybody_reaches_legacy_tokens(alice, settings):
    everybody = revocation.Selection(everybody=True)
    pair = legacy_pair(alice)
    assert revocation.revoke_matching(selection=everybody, actor=None, reason="x").tokens == 1
    assert failed(pair.refresh) == "revoked"
    settings.LEGACY_UNTIL = "2020-01-01"
    legacy_pair(alice)
    assert not revocation.revoke_matching(selection=everybody, actor=None, reason="x")


def test_logging_out_everywhere_else_ends_legacy_tokens(alice, bob):
    ended = [legacy_pair(alice), legacy_pair(alice, recorded=False)]
    others = legacy_pair(bob)
    own = pair_of(alice)
    revocation.revoke_user(user=alice, actor=alice, reason="x", keep=own.session)
    assert failed(own.access) is None
    for pair in ended:
        assert failed(pair.access) == "cut-off"
        assert refused(pair.refresh)
    assert failed(others.access) is failed(others.refresh) is None


@pytest.mark.parametrize("everybody", [True, False])
def test_revocation_of_many_users_ends_their_legacy_tokens(alice, bob, sam, revoker, everybody):
    chosen = (
        revocation.Selection(everybody=True)
        if everybody
        else revocation.Selection(users=(alice.pk, sam.pk))
    )
    pairs = [legacy_pair(user, recorded=False) for user in (alice, sam, bob)]
    revocation.revoke_matching(selection=chosen, actor=revoker, reason="x")
    revoked, spared, other = pairs
    assert failed(revoked.access) == failed(revoked.refresh) == "cut-off"
    assert failed(spared.access) is None
    assert (failed(other.access) is None) is not everybody


def test_single_token_is_revoked(alice):
    one, other = legacy_pair(alice), legacy_pair(alice)
    assert revocation.revoke_token(jti=one.jti, actor=None, reason="lost")
    assert failed(one.refresh) == "revoked"
    assert failed(other.refresh) is None
    assert kinds() == [Kind.REVOKE_TOKEN]


def test_blacklist_of_another_service_ends_a_token(alice):
    pair = legacy_pair(alice)
    BlacklistedToken.objects.create(token=OutstandingToken.objects.get())
    assert refused(pair.refresh)


def test_token_past_the_session_days_is_refused(alice, settings):
    settings.SESSION_DAYS = 2
    pair = legacy_pair(alice, issued=timezone.now() - timedelta(days=3))
    assert refused(pair.refresh)


# --- LEGACY_UNTIL.


@pytest.mark.parametrize(
    "until", ["2020-01-01", "2020-01-01T12:00:00+02:00", datetime(2020, 1, 1, tzinfo=UTC)]
)
def test_transition_ends(alice, settings, until):
    pair = legacy_pair(alice)
    adopted = rotate(refresh=legacy_pair(alice).refresh)
    settings.LEGACY_UNTIL = until
    assert failed(pair.access) == failed(pair.refresh) == "known"
    assert refused(pair.refresh)
    assert failed(adopted.refresh) is failed(adopted.access) is None


def test_transition_lasts_until_the_instant(alice, settings):
    pair = legacy_pair(alice)
    settings.LEGACY_UNTIL = (timezone.now() + timedelta(days=2)).isoformat()
    assert failed(pair.access) is None
    with later(days=3):
        assert failed(pair.refresh) == "known"


def test_text_that_is_no_date_is_an_error(settings):
    settings.LEGACY_UNTIL = "soon"
    with pytest.raises(ValueError, match="soon"):
        legacy.transition_end()


# --- The account that the token names.


@pytest.mark.parametrize("as_type", [str, int])
def test_user_id_may_be_text_or_a_number(alice, as_type):
    assert failed(legacy_pair(alice, user_id=as_type(alice.pk)).access) is None


@pytest.mark.parametrize("value", ["x", "", 10**40, True, None, [], {}, "\0", "9" * 500])
def test_odd_user_id_is_refused(alice, value):
    pair = legacy_pair(alice, user_id=value)
    assert failed(pair.access) == failed(pair.refresh) == "user"


def test_user_id_field_and_claim_of_the_project_are_used(alice, monkeypatch):
    monkeypatch.setattr(api_settings, "USER_ID_FIELD", "username")
    monkeypatch.setattr(api_settings, "USER_ID_CLAIM", "sub")
    first = legacy_pair(alice, sub="alice")
    assert validate(token=first.access).user == alice
    second = rotate(refresh=first.refresh)
    assert validate(token=second.access).user == alice


def test_token_of_another_users_row_is_refused(alice, bob):
    pair = legacy_pair(alice, user_id=str(bob.pk))
    assert failed(pair.refresh) == "user"


def test_password_claim_of_simplejwt_is_checked(alice, monkeypatch):
    monkeypatch.setattr(api_settings, "CHECK_REVOKE_TOKEN", True)
    assert failed(legacy_pair(alice).access) == "user"
    pair = pair_of(alice)
    claim = parse(pair.access).payload[api_settings.REVOKE_TOKEN_CLAIM]
    assert failed(legacy_pair(alice, hash_password=claim).access) is None


def test_token_without_iat_is_refused(alice):
    pair = legacy_pair(alice, iat=None)
    assert failed(pair.access) == failed(pair.refresh) == "cut-off"


# --- At once.


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("grace", [0, 10])
@pytest.mark.parametrize("recorded", [True, False])
def test_concurrent_presentations_get_one_successor(alice, settings, grace, recorded):
    settings.REFRESH_GRACE_SECONDS = grace
    pair = legacy_pair(alice, recorded=recorded)
    barrier = Barrier(6)

    def present(_number):
        barrier.wait(30)
        try:
            return rotate(refresh=pair.refresh).refresh
        except TokenRejected:
            return None
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(present, range(6)))
    assert Session.objects.count() == 1
    assert OutstandingToken.objects.count() == 2
    assert len(set(answers) - {None}) == 1
    if grace:
        assert None not in answers
    else:
        assert answers.count(None) == 5
        assert Session.objects.get().revoked_at is not None


REVOCATIONS = {
    name: act for name, act in ENDS.items() if name not in {"deactivated", "deleted"}
} | {
    "token revoked": lambda user: revocation.revoke_token(
        jti=OutstandingToken.objects.order_by("pk").first().jti, actor=None, reason="x"
    ),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgresql
@pytest.mark.parametrize("name", REVOCATIONS)
@pytest.mark.parametrize(
    "at", ['INSERT INTO "tokens_session"', 'INSERT INTO "tokens_sessiontoken"', "UPDATE"]
)
def test_revocation_also_ends_the_session_that_is_being_opened(alice, name, at):
    pair = legacy_pair(alice)
    fresh = get_user_model().objects.get(pk=alice.pk)
    answer, _ = held(lambda: rotate(refresh=pair.refresh), lambda: REVOCATIONS[name](fresh), at=at)
    assert refused(pair.refresh)
    if not isinstance(answer, TokenRejected):
        assert failed(answer.access) is not None
        assert refused(answer.refresh)
