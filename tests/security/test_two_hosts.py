"""Two hosts whose clocks are wrong, on one database, behave like one host with the right time."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from random import Random

import pytest
import requests
from django.contrib.auth.models import User
from django.test import Client

from tests.support.effort import times
from tests.support.server.portal import PortalServer, serving
from tests.support.tokens import jti, pair_of
from tests.support.users import PASSWORD, make_user
from tokens.db import clock
from tokens.jwt.claims import parse
from tokens.jwt.signing import issue_at, new_access, sign, stored_refresh
from tokens.models import Cutoff, Session
from tokens.sessions.issue import session_lifetime

pytestmark = [
    pytest.mark.postgresql,
    pytest.mark.slow,
    pytest.mark.timeout(times(120)),
]
AHEAD = (3, -120)
STEPS = 60


@dataclass
class Hosts:
    """Two servers. ``staff`` is an access token that may revoke everything."""

    servers: list[PortalServer]
    staff: str = ""

    def post(self, at: int, path: str, body: object, token: str | None = None) -> requests.Response:
        return self.servers[at].call("POST", f"/api/{path}", json=body, token=token)

    def log_in(self, at: int, user: User) -> dict[str, str]:
        return self.servers[at].login(user.username, PASSWORD)

    def refresh(self, at: int, token: str) -> requests.Response:
        return self.post(at, "refresh", {"refresh": token})

    def accepts(self, at: int, access: str) -> bool:
        answer = self.servers[at].call("GET", "/api/restricted", token=access)
        assert answer.status_code in (200, 401), answer.text
        return answer.status_code == 200

    def both_accept(self, pair: dict[str, str]) -> bool:
        """Return what both hosts say about both tokens, which must be the same."""
        found = {self.accepts(at, pair["access"]) for at in (0, 1)}
        for at in (0, 1):
            found.add(self.post(at, "verify", {"token": pair["refresh"]}).status_code == 200)
        assert len(found) == 1, found
        return found.pop()

    def revoke_user(self, at: int, user: User) -> None:
        answer = self.post(at, f"staff/users/{user.pk}/revoke", {"reason": "test"}, self.staff)
        assert answer.status_code == 200, answer.text

    def log_everyone_out(self, at: int) -> None:
        browser = requests.Session()
        # A login through the API may have upgraded the hash of the password since.
        browser.cookies.update(cookies_of(User.objects.get(username="sam")))
        page = f"{self.servers[at].url}/admin/tokens/cutoff/add/"
        assert browser.get(page, timeout=30, allow_redirects=False).status_code == 200
        form = {"reason": "test", "typed": "everyone"}
        form["csrfmiddlewaretoken"] = browser.cookies["csrftoken"]
        answer = browser.post(page, data=form, timeout=30, allow_redirects=False)
        assert answer.status_code == 302, answer.text

    def opens_page(self, at: int, cookies: dict[str, str]) -> bool:
        answer = requests.get(
            f"{self.servers[at].url}/account/sessions/",
            cookies=cookies,
            timeout=30,
            allow_redirects=False,
        )
        return answer.status_code == 200


@pytest.fixture(scope="module")
def servers(
    django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[PortalServer]]:
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                serving(
                    tmp_path_factory.mktemp("host"),
                    clock_ahead=seconds,
                    WEB_CONCURRENCY="1",
                    # A predecessor stays within the grace while the test acts on its session.
                    REFRESH_GRACE_SECONDS="60",
                    LOGIN_ATTEMPTS="100000",
                )
            )
            for seconds in AHEAD
        ]


@pytest.fixture
def hosts(transactional_db: None, servers: list[PortalServer]) -> Hosts:
    found = Hosts(servers)
    sam = make_user("sam", is_staff=True, is_superuser=True)
    found.staff = pair_of(sam).access
    return found


def cookies_of(user: User) -> dict[str, str]:
    client = Client()
    client.force_login(user)
    return {name: morsel.value for name, morsel in client.cookies.items()}


def test_clocks_of_the_hosts_are_wrong(hosts: Hosts) -> None:
    for server, seconds in zip(hosts.servers, AHEAD, strict=True):
        date = server.call("GET", "/healthz").headers["Date"]
        shown = time.mktime(time.strptime(date, "%a, %d %b %Y %H:%M:%S GMT")) - time.timezone
        assert abs(shown - time.time() - seconds) < 2


@pytest.mark.parametrize("at", [0, 1])
def test_token_of_one_host_is_accepted_by_the_other_at_once(hosts: Hosts, alice: User, at) -> None:
    before = clock.ask().timestamp()
    pair = hosts.log_in(at, alice)
    after = clock.ask().timestamp()
    for token in pair.values():
        assert int(before) <= parse(token).payload["iat"] <= int(after)
    assert hosts.both_accept(pair)
    successor = hosts.refresh(1 - at, pair["refresh"])
    assert successor.status_code == 200
    assert hosts.both_accept(successor.json())
    assert hosts.refresh(at, pair["refresh"]).json()["refresh"] == successor.json()["refresh"]


@pytest.mark.parametrize("at", [0, 1])
def test_revocation_at_one_host_leaves_no_survivor_of_the_other(hosts: Hosts, alice, at) -> None:
    acts: list[Callable[[], object]] = [
        lambda: hosts.revoke_user(at, alice),
        lambda: hosts.log_everyone_out(at),
    ]
    for act in acts:
        for _ in range(2):
            pairs = [hosts.log_in(where, alice) for where in (0, 1, 1 - at)]
            act()
            fresh = [hosts.log_in(where, alice) for where in (0, 1)]
            assert not any(hosts.both_accept(pair) for pair in pairs)
            assert all(hosts.both_accept(pair) for pair in fresh)
            if act is acts[1]:  # It has ended the session of the staff too.
                hosts.staff = hosts.log_in(at, User.objects.get(username="sam"))["access"]


@pytest.mark.parametrize("at", [0, 1])
def test_browser_sessions_end_and_begin_by_one_clock(hosts: Hosts, alice: User, at: int) -> None:
    old = cookies_of(alice)
    assert hosts.opens_page(0, old)
    assert hosts.opens_page(1, old)
    hosts.log_everyone_out(at)
    fresh = cookies_of(alice)
    for where in (0, 1):
        assert not hosts.opens_page(where, old)
        assert hosts.opens_page(where, fresh)


def test_token_expires_at_both_hosts_at_once(hosts: Hosts, alice: User) -> None:
    pair = pair_of(alice)
    refresh = stored_refresh(text=pair.refresh)
    now = clock.ask()
    end = now + timedelta(seconds=2)
    session = pair.session
    short = new_access(
        refresh=refresh, sid=session.pk, opened=session.created_at, now=now, expires_at=end
    )
    access = sign(short)
    expires = short.payload["exp"]
    assert hosts.accepts(0, access) or clock.ask().timestamp() >= expires
    assert hosts.accepts(1, access) or clock.ask().timestamp() >= expires
    time.sleep(max(0, expires - clock.ask().timestamp()) + 0.01)
    assert not hosts.accepts(0, access)
    assert not hosts.accepts(1, access)


def test_token_that_was_issued_in_the_future_is_accepted(hosts: Hosts, alice: User) -> None:
    pair = pair_of(alice)
    access = new_access(
        refresh=stored_refresh(text=pair.refresh),
        sid=pair.session.pk,
        opened=pair.session.created_at,
        now=clock.ask(),
        expires_at=pair.session.expires_at,
    )
    issue_at(access, clock.ask() + timedelta(minutes=2))
    assert hosts.accepts(0, sign(access))
    assert hosts.accepts(1, sign(access))


@dataclass
class Chain:
    """A session of the model: its pairs in the order of their rotation."""

    owner: User
    pairs: list[dict[str, str]]
    alive: bool = True


@pytest.mark.parametrize("seed", range(times(1)))
def test_life_of_tokens_across_both_hosts_agrees_with_a_model(hosts: Hosts, seed: int) -> None:
    random = Random(seed)
    users = [make_user(f"user{number}") for number in range(3)]
    chains: list[Chain] = []

    def log_in(at: int) -> None:
        user = random.choice(users)
        chains.append(Chain(user, [hosts.log_in(at, user)]))

    def refresh(at: int) -> None:
        chain = random.choice(chains[-4:])
        place = random.randrange(min(3, len(chain.pairs)))
        answer = hosts.refresh(at, chain.pairs[-1 - place]["refresh"])
        assert answer.status_code == (200 if chain.alive and place < 2 else 401)
        if answer.status_code == 200 and place == 0:
            chain.pairs.append(answer.json())
        elif answer.status_code == 200:
            assert answer.json()["refresh"] == chain.pairs[-1]["refresh"]
        else:
            chain.alive = False

    def log_out(at: int) -> None:
        chain = random.choice(chains[-4:])
        hosts.post(at, "logout", {"refresh": chain.pairs[-1]["refresh"]})
        chain.alive = False

    def revoke_session(at: int) -> None:
        chain = random.choice(chains[-4:])
        path = f"staff/tokens/{jti(chain.pairs[-1]['refresh'])}/revoke"
        assert hosts.post(at, path, {"reason": "test"}, hosts.staff).status_code == 200
        chain.alive = False

    def revoke_user(at: int) -> None:
        user = random.choice(users)
        hosts.revoke_user(at, user)
        for chain in chains:
            chain.alive &= chain.owner != user

    def log_everyone_out(at: int) -> None:
        hosts.log_everyone_out(at)
        for chain in chains:
            chain.alive = False
        hosts.staff = hosts.log_in(at, User.objects.get(username="sam"))["access"]

    acts = [log_in] * 5 + [refresh] * 6 + [log_out, revoke_session, revoke_user, log_everyone_out]
    log_in(0)
    for _ in range(STEPS):
        random.choice(acts)(random.randrange(2))
        for chain in chains[-3:]:
            assert hosts.both_accept(chain.pairs[-1]) == chain.alive
    assert not any(hosts.both_accept(chain.pairs[-1]) for chain in chains if not chain.alive)


def test_login_after_a_cutoff_in_the_future_has_the_usual_life(hosts: Hosts, alice: User) -> None:
    ahead = clock.ask() + timedelta(days=365)
    Cutoff.objects.create(not_before=ahead, reason="set while a clock was a year ahead")
    hosts.staff = hosts.log_in(0, User.objects.get(username="sam"))["access"]
    pair = hosts.log_in(1, alice)
    assert hosts.both_accept(pair)
    session = Session.objects.get(user=alice)
    assert session.expires_at <= clock.ask() + session_lifetime()
    hosts.revoke_user(0, alice)
    assert not hosts.both_accept(pair)
    assert hosts.both_accept(hosts.log_in(1, alice))
