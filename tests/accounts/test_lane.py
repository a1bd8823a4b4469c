"""Passwords are hashed in turns: few at once, few waiting, and known addresses first."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.support.tokens import kinds
from tests.support.users import PASSWORD
from tokens.accounts import lane as lanes
from tokens.accounts.lane import HashingLane, LoginBusy
from tokens.accounts.passwords import check
from tokens.accounts.throttle import is_known_address
from tokens.models import LoginThrottle
from tokens.origin import Origin, acting_from


@pytest.fixture(autouse=True)
def _one_hash_and_two_places(settings):
    settings.LOGIN_HASHES = 1
    settings.LOGIN_WAITING = 2


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


class Logins:
    """Logins in threads; ``order`` has the names of those that had a turn."""

    def __init__(self):
        self.lane, self.order, self.pool = HashingLane(), [], ThreadPoolExecutor(40)
        self.most = 0

    def start(self, name, *, known=False):
        before = len(self.lane._queue)
        future = self.pool.submit(self._run, name, known)
        wait_until(lambda: future.done() or len(self.lane._queue) > before)
        return future

    def _run(self, name, known):
        with self.lane.turn(known=lambda: known):
            self.most = max(self.most, self.lane._hashing)
            self.order.append(name)


def test_known_address_goes_before_strangers_and_has_the_last_place():
    logins = Logins()
    with logins.lane.turn(known=lambda: False):
        stranger = logins.start("stranger")
        with pytest.raises(LoginBusy):
            logins.start("another stranger").result()
        owner = logins.start("owner", known=True)
        with pytest.raises(LoginBusy):
            logins.start("owner elsewhere", known=True).result()
    stranger.result(), owner.result()
    assert logins.order == ["owner", "stranger"]


@pytest.mark.parametrize("hashes", [1, 2, 3])
def test_no_more_hashes_run_at_once_than_the_setting_says(settings, hashes):
    settings.LOGIN_HASHES, settings.LOGIN_WAITING = hashes, 100
    logins = Logins()
    with ExitStack() as held:
        for _ in range(hashes):
            held.enter_context(logins.lane.turn(known=lambda: False))
        futures = [logins.start(str(number)) for number in range(30)]
        assert logins.order == []
    for future in futures:
        future.result()
    assert sorted(map(int, logins.order)) == list(range(30))
    assert logins.most <= hashes
    assert (logins.lane._hashing, logins.lane._queue) == (0, [])


def test_wait_is_bounded(monkeypatch):
    monkeypatch.setattr(lanes, "WAIT_SECONDS", 0.01)
    logins = Logins()
    with logins.lane.turn(known=lambda: False), pytest.raises(LoginBusy):
        logins.start("late").result()
    assert logins.lane._queue == []


def test_error_inside_a_turn_gives_it_back():
    lane = HashingLane()
    with pytest.raises(ZeroDivisionError), lane.turn(known=lambda: False):
        raise ZeroDivisionError
    with lane.turn(known=lambda: pytest.fail("a turn was free")):
        assert lane._hashing == 1


def test_busy_login_is_a_503_with_retry_after_and_counts_nothing(settings, api, client, alice):
    settings.LOGIN_WAITING = 0
    right = {"username": "alice", "password": PASSWORD}
    taken, done = threading.Event(), threading.Event()

    def hold():
        with lanes.lane.turn(known=lambda: False):
            taken.set()
            done.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    taken.wait(20)
    try:
        answers = [api.post("/api/login", right, format="json")]
        answers += [client.post(f"/{page}/login/", right) for page in ("staff", "account", "admin")]
    finally:
        done.set()
        thread.join()
    assert [answer.status_code for answer in answers] == [503] * 4
    assert {answer.headers["Retry-After"] for answer in answers} == {"1"}
    assert answers[0].json() == {"detail": "Too many logins at once. Try again in a moment."}
    assert not LoginThrottle.objects.exists()
    assert kinds() == []
    assert api.post("/api/login", right, format="json").status_code == 200


def test_address_is_known_after_a_login(alice):
    with acting_from(Origin(ip="192.0.2.1")):
        assert not is_known_address(username="alice")
        assert check(user=alice, username="alice", password=PASSWORD)
        assert is_known_address(username="alice")
        assert not is_known_address(username="bob")
    with acting_from(Origin(ip="192.0.2.2")):
        assert not is_known_address(username="alice")
