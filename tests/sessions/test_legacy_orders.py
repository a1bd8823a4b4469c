"""In any order of events, a legacy refresh token opens at most one session, and none once ended."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import override_settings
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.effort import times
from tests.support.legacy import legacy_pair
from tests.support.tokens import failed
from tests.support.users import make_user
from tokens import revocation
from tokens.models import BlacklistedToken, Cutoff, OutstandingToken, Session
from tokens.sessions.issue import IssuedPair
from tokens.sessions.refresh import rotate
from tokens.validation.validator import TokenRejected

pytestmark = pytest.mark.django_db(transaction=True)


class Life:
    """Hold a legacy token and what the acts so far mean for it."""

    def __init__(self):
        Cutoff.objects.all().delete()
        User.objects.filter(username="alice").delete()
        self.user = make_user("alice")
        self.pair = legacy_pair(self.user)
        self.opened = self.ended = self.over = False
        # The pair of the session, and whether it is alive.
        self.successor, self.alive = None, False

    def present(self, _number: int = 0) -> IssuedPair | None:
        try:
            return rotate(refresh=self.pair.refresh)
        except TokenRejected:
            return None

    def refresh(self) -> None:
        self._presented([self.present()])

    def refresh_twice_at_once(self) -> None:
        barrier = Barrier(2)

        def together(number: int) -> IssuedPair | None:
            barrier.wait(30)
            try:
                return self.present(number)
            finally:
                connection.close()

        with ThreadPoolExecutor(2) as pool:
            self._presented(list(pool.map(together, range(2))))

    def _presented(self, answers: list[IssuedPair | None]) -> None:
        accepted = [pair for pair in answers if pair is not None]
        expected = not (self.opened or self.ended or self.over)
        assert len(accepted) == expected
        if accepted:
            self.opened, self.successor = True, accepted[0]
            self.alive = len(answers) == 1
        elif not self.over:
            self.alive = False  # A reuse.

    def blacklist(self) -> None:
        """Log out at another service, which writes to simplejwt's table."""
        BlacklistedToken.objects.get_or_create(
            token=OutstandingToken.objects.get(jti=self.pair.jti)
        )
        self.ended = True

    def cut_off_user(self) -> None:
        self._cut_off(self.user)

    def cut_off_everybody(self) -> None:
        self._cut_off(None)

    def _cut_off(self, user: User | None) -> None:
        revocation.cut_off(user=user, not_before=timezone.now(), actor=None, reason="x")
        self._end()

    def deactivate(self) -> None:
        self.user.is_active = False
        self.user.save()
        self._end()

    def reactivate(self) -> None:
        self.user.is_active = True
        self.user.save()

    def change_password(self) -> None:
        self.user.set_password("another correct horse 7")
        self.user.save()
        self._end()

    def _end(self) -> None:
        self.ended, self.alive = True, False

    def reach_the_end_of_the_transition(self) -> None:
        self.over = True

    def check(self) -> None:
        assert Session.objects.filter(user=self.user).count() == self.opened
        if self.successor is not None:
            assert (failed(self.successor.access) is None) is self.alive


ACTS = (
    *(Life.refresh, Life.refresh_twice_at_once, Life.blacklist),
    *(Life.cut_off_user, Life.cut_off_everybody, Life.deactivate, Life.reactivate),
    *(Life.change_password, Life.reach_the_end_of_the_transition),
)


@given(acts=st.lists(st.sampled_from(ACTS), min_size=2, max_size=7))
@settings(max_examples=times(12), deadline=None)
def test_legacy_token_opens_at_most_one_session(acts):
    life = Life()
    for act in acts:
        until = "2020-01-01" if life.over else None
        with override_settings(LEGACY_UNTIL=until, REFRESH_GRACE_SECONDS=0):
            act(life)
            life.check()
