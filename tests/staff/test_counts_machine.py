"""The numbers on all pages agree with one another and with what can be refreshed.

After a random sequence of acts, each page is asked for its live sessions.
"""

import re
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.clock import travel
from tests.support.database.trial import trial
from tests.support.effort import times
from tests.support.users import make_user
from tokens.models import BlacklistedToken, Cutoff, Session
from tokens.revocation import cut_off, revoke_session, revoke_user
from tokens.sessions.issue import open_session
from tokens.sessions.refresh import rotate_in_transaction
from tokens.validation.validator import validate

START = datetime(2030, 1, 1, 12, 0, 0, 500_000, tzinfo=UTC)
AGES = (1, 3600, 4 * 86_400, 8 * 86_400)


class Acts:
    """Act on the sessions of three people. ``which`` chooses one of each kind."""

    def __init__(self, clock):
        self.clock = clock
        self.newest: dict[object, str] = {}
        self.sam = make_user("sam", is_staff=True, is_superuser=True)
        self.people = [make_user(name).pk for name in ("alice", "bob", "carol")]
        for which in (0, 0, 1, 2):
            self.log_in(which)

    def log_in(self, which):
        user = User.objects.filter(pk=self.people[which % 3], is_active=True).first()
        if user is not None:
            opened = open_session(user=user)
            self.newest[opened.session.pk] = opened.refresh

    def session(self, which):
        return Session.objects.order_by("created_at", "pk")[which % Session.objects.count()]

    def use_a_session(self, which):
        session = self.session(which)
        if validate(token=self.newest[session.pk]).active:
            self.newest[session.pk] = rotate_in_transaction(refresh=self.newest[session.pk]).refresh

    def revoke_session(self, which):
        revoke_session(session=self.session(which), actor=None, reason="test")

    def revoke_user(self, which):
        if (user := self.session(which).user) is not None:
            revoke_user(user=user, actor=None, reason="test")

    def blacklist(self, which):
        """Add the row that another service on the same tables adds."""
        BlacklistedToken.objects.get_or_create(token=self.session(which).current)

    def cut_user_off(self, which):
        if (user := self.session(which).user) is not None:
            at = datetime.now(UTC) - timedelta(seconds=AGES[which % 4])
            cut_off(user=user, not_before=at, actor=None, reason="test")

    def cut_everybody_off(self, which):
        at = datetime.now(UTC) - timedelta(seconds=AGES[which % 4])
        cut_off(not_before=at, actor=None, reason="test")

    def restore_a_cutoff(self, which):
        """Add the row that a restored backup brings back, without an act."""
        at = datetime.now(UTC) - timedelta(seconds=AGES[which % 4])
        Cutoff.objects.create(user=self.session(which).user, not_before=at)

    def deactivate(self, which):
        User.objects.filter(pk=self.people[which % 3]).update(is_active=False)

    def activate(self, which):
        for user in User.objects.filter(pk=self.people[which % 3]):
            user.is_active = True
            user.save()

    def delete(self, which):
        User.objects.filter(pk=self.people[which % 3]).delete()

    def time_passes(self, which):
        self.clock.shift(timedelta(seconds=AGES[which % 4]))

    def revoke_by_filter(self, which):
        """Revoke what a list shows, and compare the result with the list and the review."""
        of = ("tokens", "sessions")[which // 3 % 2]
        query = {"user": self.people[which % 3], "status": "active"}
        page = self.staff.get(f"/staff/{of}/", query)
        review = self.staff.get("/staff/revoke/", {**query, "matching": of})
        number = len(page.context["page"].rows)
        assert review.context["found"].sessions == number
        if number:
            address = review.wsgi_request.get_full_path()
            done = self.staff.post(address, {"reason": "lost device"}, follow=True)
            assert re.search(rf"Revoked {number} sessions? of 1 person", done.text)

    @property
    def staff(self):
        client = Client()
        client.force_login(User.objects.get(pk=self.sam.pk))
        return client

    def compare_pages(self):
        can_refresh = {
            session: session.user_id
            for session in Session.objects.all()
            if validate(token=self.newest[session.pk]).active
        }
        number, staff = len(can_refresh), self.staff
        overview = staff.get("/staff/").text
        (tile,) = re.findall(r'tile-number">\s*([\d,]+)\s*<', overview)[:1]
        assert tile == str(number)
        for of in ("tokens", "sessions"):
            page = staff.get(f"/staff/{of}/?status=active").context["page"]
            assert len(page.rows) == number
            review = staff.get(f"/staff/revoke/?matching={of}&status=active").context["found"]
            assert (review.sessions, review.tokens) == (number, number)
        listed = staff.get("/admin/tokens/session/?status=active").context["cl"].result_list
        assert {row.pk for row in listed} == {session.pk for session in can_refresh}
        held = Counter(can_refresh.values())
        for user in User.objects.filter(pk__in=self.people):
            self.compare_pages_about(user, held[user.pk], staff)

    def compare_pages_about(self, user, number, staff):
        shown = staff.get(f"/staff/users/{user.pk}/")
        assert re.search(rf"<strong>{number}</strong> live session", shown.text)
        statuses = Counter(row.status for row in shown.context["sessions"].rows)
        assert statuses["active"] == number
        in_admin = staff.get(f"/admin/auth/user/{user.pk}/change/").text
        assert len(re.findall(r"<td><a href=\"/admin/tokens/session/", in_admin)) == number
        if user.is_active:
            own = Client()
            own.force_login(user)
            assert own.get("/account/sessions/").context["own"].number == number
            assert len(own.get("/account/sessions/end/").context["ending"]) == number


ACTS = [name for name in vars(Acts) if name[0] != "_" and name not in ("session", "staff")]
ACTS = [name for name in ACTS if not name.startswith("compare")]


@pytest.mark.timeout(times(300))
@settings(
    max_examples=times(3),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    steps=st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 99)), min_size=8, max_size=16)
)
def test_pages_agree_on_live_sessions_after_any_acts(db, steps):
    with travel(START, tick=False) as clock, trial():
        acts = Acts(clock)
        for name, which in steps:
            getattr(acts, name)(which)
        acts.compare_pages()
