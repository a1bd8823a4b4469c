"""A database that fails before any statement leaves nothing half done.

The response is a 503, and the same call works afterwards.
"""

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from django.utils import timezone

from tests.support.database.snapshot import fault_before, snapshot
from tests.support.tokens import failed, jti, pair_of
from tests.support.users import PASSWORD
from tokens.models import Cutoff, Event, Kind, Session
from tokens.revocation import Selection, cut_off, revoke_matching, revoke_user
from tokens.sessions.refresh import rotate

pytestmark = pytest.mark.django_db(transaction=True)


def faulted(act):
    """Do ``act`` with a fault before its first statement, its second, until it succeeds.

    Yield what it returned or raised, and the statement that failed (None if none did).
    """
    number = 0
    while True:
        with fault_before(number) as seen:
            try:
                result = act()
            except OperationalError as error:
                result = error
        if len(seen) <= number:
            yield result, None
            return
        yield result, seen[-1]
        number += 1


def all_or_nothing(call, *, status, least):
    """Every fault is a 503 that left everything as it was; the last answer is ``status``."""
    before = snapshot()
    answers = 0
    for answer, statement in faulted(call):
        # A refused call is refused, whether it is remembered or not.
        if statement is None or answer.status_code == status == 401:
            assert answer.status_code == status
            break
        answers += 1
        assert answer.status_code == 503, statement
        assert int(answer.headers["Retry-After"]) > 0
        assert snapshot() == before, statement
    assert answers >= least


@pytest.fixture
def post(api):
    return lambda path, **body: api.post(f"/api/{path}", body, format="json")


def test_rotation_interrupted_by_a_database_fault_is_all_or_nothing(post, alice):
    pair = pair_of(alice)
    all_or_nothing(lambda: post("refresh", refresh=pair.refresh), status=200, least=2)
    assert Session.objects.get().rotations == 1


def test_retry_interrupted_by_a_database_fault_is_all_or_nothing(post, alice):
    pair = pair_of(alice)
    rotate(refresh=pair.refresh)
    all_or_nothing(lambda: post("refresh", refresh=pair.refresh), status=200, least=4)


def test_reuse_interrupted_by_a_database_fault_is_all_or_nothing(post, alice, settings):
    settings.REFRESH_GRACE_SECONDS = 0
    first = pair_of(alice)
    second = rotate(refresh=first.refresh)
    all_or_nothing(lambda: post("refresh", refresh=first.refresh), status=401, least=4)
    assert failed(second.refresh) == "revoked"


def test_login_interrupted_by_a_database_fault_is_all_or_nothing(post, alice):
    who = {"username": "alice", "password": PASSWORD}
    post("login", **who)
    all_or_nothing(lambda: post("login", **who), status=200, least=4)


def test_logout_interrupted_by_a_database_fault_is_all_or_nothing(post, alice):
    pair = pair_of(alice)
    all_or_nothing(lambda: post("logout", refresh=pair.refresh), status=200, least=4)
    assert failed(pair.access) == "revoked"


def test_revocation_by_the_holder_interrupted_by_a_database_fault_is_all_or_nothing(post, alice):
    pair = pair_of(alice)
    all_or_nothing(lambda: post("revoke", token=pair.access), status=200, least=4)
    assert failed(pair.refresh) == "revoked"


@pytest.mark.parametrize("query", ["", "?keep=current"])
def test_end_of_own_sessions_interrupted_by_a_database_fault_is_all_or_nothing(api, alice, query):
    here, there = pair_of(alice), pair_of(alice)
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {here.access}")
    all_or_nothing(lambda: api.delete(f"/api/sessions{query}"), status=200, least=4)
    assert failed(there.access) == "revoked"
    assert (failed(here.access) is None) is bool(query)


@pytest.mark.parametrize("what", ["tokens", "sessions", "users"])
def test_staff_api_act_interrupted_by_a_database_fault_is_all_or_nothing(
    api, post, alice, revoker, what
):
    pair = pair_of(alice)
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {pair_of(revoker).access}")
    target = {"tokens": jti(pair.refresh), "sessions": pair.session.pk, "users": alice.pk}[what]
    path = f"staff/{what}/{target}/revoke"
    all_or_nothing(lambda: post(path, reason="lost"), status=200, least=4)
    assert failed(pair.access) == "revoked"


def test_reading_of_claims_interrupted_by_a_database_fault_is_all_or_nothing(api, alice, viewer):
    """It leaves an event, or it is not answered."""
    pair = pair_of(alice)
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {pair_of(viewer).access}")
    path = f"/api/staff/tokens/{jti(pair.refresh)}"
    all_or_nothing(lambda: api.get(path), status=200, least=4)


def test_what_only_reads_says_unable_and_not_revoked(post, api, alice):
    pair = pair_of(alice)
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {pair.access}")
    for call in (
        lambda: api.get("/api/restricted"),
        lambda: post("verify", token=pair.access),
        lambda: post("verify", token=pair.refresh),
    ):
        all_or_nothing(call, status=200, least=1)


@pytest.mark.parametrize(
    "act",
    [
        lambda user: revoke_user(user=user, actor=None, reason="x"),
        lambda user: User.objects.get(pk=user.pk).delete(),
    ],
    ids=["revoke_user", "delete"],
)
def test_staff_act_interrupted_by_a_database_fault_is_all_or_nothing(alice, act):
    pair = pair_of(alice)
    before = snapshot()
    for _, statement in faulted(lambda: act(alice)):
        if statement is not None:
            assert snapshot() == before, statement
    assert failed(pair.access) == "revoked"


def test_a_batch_commits_with_its_event_or_not_at_all(alice):
    pair_of(alice)
    everybody = Selection(everybody=True)
    for _ in faulted(lambda: revoke_matching(selection=everybody, actor=None, reason="x")):
        ended = Session.objects.filter(revoked_at__isnull=False).count()
        assert Event.objects.filter(kind=Kind.REVOKE_MATCHING).count() == ended
    assert ended == 1


def test_a_cut_off_holds_from_its_own_commit_on(alice):
    """Its sessions are settled behind it: a fault there takes nothing of it back."""
    pair = pair_of(alice)
    for _ in faulted(lambda: cut_off(not_before=timezone.now(), actor=None, reason="breach")):
        cut = Cutoff.objects.count()
        assert Event.objects.filter(kind=Kind.CUTOFF).count() == cut
        assert (failed(pair.access) is None) is (cut == 0)
    assert failed(pair.access) == "revoked"


@pytest.mark.parametrize("what", ["password", "active"])
def test_an_account_is_not_changed_where_its_tokens_cannot_end(alice, what):
    pair = pair_of(alice)

    def change():
        user = User.objects.get(pk=alice.pk)
        if what == "password":
            user.set_password("another password entirely 7")
        user.is_active = what != "active"
        user.save()

    for _ in faulted(change):
        user = User.objects.get(pk=alice.pk)
        changed = not (user.is_active and user.check_password(PASSWORD))
        assert failed(pair.access) is not None or not changed
    assert changed
