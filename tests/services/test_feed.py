"""GET api/revocations tells services every revocation, whatever way it was made."""

import base64
import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone

from tests.services.test_credentials import basic
from tests.support.tokens import pair_of
from tests.support.users import PASSWORD
from tokens.jwt.claims import parse
from tokens.models import BlacklistedToken, Cutoff, FeedEntry, OutstandingToken, Service, Session
from tokens.revocation import cut_off, revoke_session, revoke_user
from tokens.services import feed
from tokens.services.feed import CursorOutlived, read_feed
from tokens.services.registry import add_service
from tokens.sessions.refresh import rotate

# A reader does not see what is not committed, so the tests commit.
pytestmark = pytest.mark.django_db(transaction=True)


def follow(after="", **options):
    """Read to the end, and return what came and the cursor there."""
    came = []
    while True:
        page = read_feed(after=after, **options)
        came += page.revocations
        after = page.cursor
        if not page.revocations:
            return came, after


def refuses(revocations, access):
    """Tell whether a service refuses an access token."""
    claims = parse(access).payload
    return any(
        one.get("sid") == claims["sid"]
        or (
            one.get("user_id", str(claims["user_id"])) == str(claims["user_id"])
            and claims["sid_at"] < one.get("before", 0)
        )
        for one in revocations
    )


def by_act(pair):
    revoke_session(session=pair.session, actor=None, reason="why")


def of_user(pair):
    revoke_user(user=pair.session.user, actor=None, reason="why")


def cut_off_user(pair):
    cut_off(user=pair.session.user, actor=None, reason="why")


def cut_off_all(pair):
    cut_off(actor=None, reason="why")


def deactivated(pair):
    pair.session.user.is_active = False
    pair.session.user.save()


def deactivated_in_database(pair):
    User.objects.filter(pk=pair.session.user_id).update(is_active=False)


def password_changed(pair):
    pair.session.user.set_password("another good password 7")
    pair.session.user.save()


def password_changed_in_database(pair):
    User.objects.filter(pk=pair.session.user_id).update(password=make_password("another one 7"))


def deleted(pair):
    pair.session.user.delete()


def blacklisted_elsewhere(pair):
    BlacklistedToken.objects.create(token=pair.session.current)


def token_lost(pair):
    OutstandingToken.objects.filter(pk=pair.session.current_id).delete()


def session_deleted(pair):
    Session.objects.filter(pk=pair.session.pk).delete()


def revoked_in_database(pair):
    Session.objects.filter(pk=pair.session.pk).update(revoked_at=timezone.now())


def cut_short(pair):
    Session.objects.filter(pk=pair.session.pk).update(expires_at=timezone.now())


WAYS = [
    by_act, of_user, cut_off_user, cut_off_all, deactivated, deactivated_in_database,
    password_changed, password_changed_in_database, deleted, blacklisted_elsewhere, token_lost,
    session_deleted, revoked_in_database, cut_short,
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_end_a_session_reaches_the_feed(alice, bob, api, way):
    pair, other = pair_of(alice), pair_of(bob)
    before = follow()[1]
    way(pair)
    assert api.get("/api/restricted", HTTP_AUTHORIZATION=f"Bearer {pair.access}").status_code == 401
    for revocations in (follow(before)[0], follow()[0]):
        assert refuses(revocations, pair.access)
        assert refuses(revocations, other.access) == (way is cut_off_all)


@pytest.mark.parametrize("way", [of_user, cut_off_user, cut_off_all, password_changed])
def test_login_right_after_a_revocation_is_not_in_the_feed(alice, way):
    way(pair_of(alice))
    alice.refresh_from_db()
    assert not refuses(follow()[0], pair_of(alice).access)


def test_refreshed_token_of_a_cut_off_session_is_refused(alice, api):
    """The feed compares the login, not the issue, of a token."""
    pair = pair_of(alice)
    Cutoff.objects.create(not_before=timezone.now(), reason="why")
    assert refuses(follow()[0], pair.access)
    assert "sid_at" in parse(pair.access).payload


def test_rotation_and_logins_leave_nothing_in_the_feed(alice):
    rotate(refresh=pair_of(alice).refresh)
    with transaction.atomic():
        pair = pair_of(alice)
    rotate_again = rotate(refresh=pair.refresh)
    rotate(refresh=rotate_again.refresh)
    assert not FeedEntry.objects.exists()


def test_every_way_to_refresh_leaves_nothing_in_the_feed(alice):
    from tokens.sessions.refresh import renew, rotate_in_transaction

    pair = rotate_in_transaction(refresh=pair_of(alice).refresh)
    pair = renew(refresh=pair.refresh)
    first = pair.refresh
    rotate(refresh=first)
    rotate(refresh=first)  # a retry within the grace
    assert not FeedEntry.objects.exists()


def test_upgraded_hash_leaves_nothing_in_the_feed(alice, client, settings):
    pair = pair_of(alice)
    User.objects.filter(pk=alice.pk).update(
        password=make_password(PASSWORD, hasher="pbkdf2_sha256")
    )
    FeedEntry.objects.all().delete()
    assert client.login(username="alice", password=PASSWORD)
    alice.refresh_from_db()
    assert not alice.password.startswith("pbkdf2")
    assert not refuses(follow()[0], pair.access)


def test_repeated_poll_says_nothing_twice(alice):
    by_act(pair_of(alice))
    came, after = follow()
    assert len(came) == 1
    assert follow(after)[0] == []
    by_act(pair_of(alice))
    assert len(follow(after)[0]) == 1


def test_page_ends_where_the_next_begins(alice):
    pairs = [pair_of(alice) for _ in range(7)]
    _came, before = follow()
    for pair in pairs:
        by_act(pair)
    for start in ("", before):
        came, _after = follow(start, size=3)
        assert [one["sid"] for one in came] == [str(pair.session.pk) for pair in pairs]


def test_answer_between_pages_does_not_claim_to_be_complete(alice):
    for _ in range(3):
        by_act(pair_of(alice))
    page = read_feed(size=2)
    assert page.as_of < timezone.now().timestamp() - 60
    page = read_feed(after=page.cursor, size=2)
    page = read_feed(after=page.cursor, size=2)
    assert page.as_of > timezone.now().timestamp() - 60


def test_what_commits_between_two_pages_comes_after_them(alice):
    late = pair_of(alice)
    for _ in range(4):
        by_act(pair_of(alice))
    first = read_feed(size=2)
    by_act(late)
    came, _after = follow(first.cursor, size=2)
    assert {"sid": str(late.session.pk)} in came
    assert len(came) == 3


def test_new_reader_is_told_only_what_an_access_token_can_outlive(alice):
    by_act(pair_of(alice))
    FeedEntry.objects.update(at=timezone.now() - feed.kept_for() - timedelta(seconds=1))
    recent = pair_of(alice)
    by_act(recent)
    assert follow()[0] == [{"sid": str(recent.session.pk)}]


@pytest.mark.parametrize(
    "text", ["x", "=", "é", "W10", base64.urlsafe_b64encode(b"[1,1e400,null,null,[0,0]]").decode()]
)
def test_unknown_cursor_is_refused(text):
    with pytest.raises(CursorOutlived):
        read_feed(after=text)


def test_cursor_of_another_server_or_a_later_snapshot_is_refused(alice):
    cursor = feed.Cursor.from_text(read_feed().cursor)
    base = cursor.base
    for other in (
        feed.Snapshot("another", base.bottom, base.top, ()),
        feed.Snapshot(base.source, base.bottom, base.top + 10_000_000, ()),
    ):
        with pytest.raises(CursorOutlived):
            read_feed(after=feed.Cursor(cursor.as_of, other).as_text())
    with pytest.raises(CursorOutlived):
        read_feed(after=feed.Cursor(cursor.as_of - 86_400, base).as_text())


def test_old_cursor_gets_a_new_one_before_it_is_outlived(alice):
    cursor = feed.Cursor.from_text(read_feed().cursor)
    aged = feed.Cursor(cursor.as_of - feed.kept_for().total_seconds(), cursor.base).as_text()
    page = read_feed(after=aged)
    assert (page.new, page.revocations) == (True, [])
    assert page.cursor != aged


# --- Over HTTP.


@pytest.fixture
def reader(db):
    return basic(
        "reader", add_service(name="reader", may_introspect=False, may_read_feed=True).secret
    )


def test_call_answers_with_cursor_instant_and_revocations(api, alice, reader):
    pair = pair_of(alice)
    by_act(pair)
    answer = api.get("/api/revocations", **reader)
    assert answer.status_code == 200
    body = answer.json()
    assert body.keys() == {"cursor", "as_of", "revocations"}
    assert body["revocations"] == [{"sid": str(pair.session.pk)}]
    assert abs(body["as_of"] - timezone.now().timestamp()) < 5


def test_call_without_news_is_a_304(api, alice, reader):
    first = api.get("/api/revocations", **reader)
    asked = {"after": first.json()["cursor"]}
    same = {**reader, "HTTP_IF_NONE_MATCH": first.headers["ETag"]}
    again = api.get("/api/revocations", asked, **same)
    assert (again.status_code, again.content) == (304, b"")
    assert api.get("/api/revocations", asked, **reader).json()["cursor"] == asked["after"]
    by_act(pair_of(alice))
    assert api.get("/api/revocations", asked, **same).status_code == 200


def test_call_with_an_unknown_cursor_is_a_410(api, reader):
    answer = api.get("/api/revocations", {"after": "x"}, **reader)
    assert (answer.status_code, answer.json().keys()) == (410, {"detail"})
    assert api.get("/api/revocations", {"before": "x"}, **reader).status_code == 400


def test_call_needs_a_service_that_may_read_the_feed(api, alice, reader):
    other = add_service(name="other", may_introspect=True, may_read_feed=False)
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {pair_of(alice).access}"}
    assert api.get("/api/revocations", **basic("other", other.secret)).status_code == 403
    for header in ({}, bearer, basic("reader", "wrong")):
        answer = api.get("/api/revocations", **header)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Basic")


def test_idle_poll_reads_once_for_the_feed_and_writes_nothing(
    api, alice, reader, django_assert_num_queries
):
    first = api.get("/api/revocations", **reader)
    asked = {"after": first.json()["cursor"]}
    same = {**reader, "HTTP_IF_NONE_MATCH": first.headers["ETag"]}
    now = timezone.now()
    Service.objects.update(confirmed_at=now, last_call_at=now)
    # SQLite, whose statements cost little, asks for the last entry and then for the entries.
    with django_assert_num_queries(2 if connection.vendor == "postgresql" else 3) as ran:
        assert api.get("/api/revocations", asked, **same).status_code == 304
    assert not [one for one in ran.captured_queries if "UPDATE" in str(one["sql"])]


def test_poll_reads_one_range_of_an_index(alice):
    page = read_feed()
    cursor = feed.Cursor.from_text(page.cursor)
    rows = feed._entries(cursor, feed._current()[0], timezone.now())[:100]
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as to:
                to.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        plan = rows.explain()
    assert "tokens_feed_transaction" in plan
    assert "temp b-tree" not in plan.lower()
    assert "Sort" not in plan


def test_session_that_never_was_has_no_entry(alice):
    Session.objects.filter(pk=uuid.uuid4()).delete()
    assert follow()[0] == []
