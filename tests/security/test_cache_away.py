"""A cache that is away neither stops a login nor lifts its throttle (invariant 12)."""

import time
from urllib.parse import urlsplit

import pytest

from tests.support.server.proxy import Proxy
from tests.support.users import PASSWORD


def cache_becomes(server, state):
    """Wait until a worker reports this state of the cache; return its answer."""
    until = time.monotonic() + 10
    while (answer := server.call("GET", "/readyz")).json()["cache"] != state:
        assert time.monotonic() < until, answer.text
        time.sleep(0.1)
    return answer


@pytest.mark.slow
def test_logins_continue_and_the_throttle_holds_without_the_cache(serve, redis_url, alice):
    to = urlsplit(redis_url)
    with Proxy((to.hostname or "127.0.0.1", to.port or 6379)) as proxy:
        cache = f"redis://127.0.0.1:{proxy.port}{to.path}"
        server = serve(CACHE_URL=cache, LOGIN_ATTEMPTS="3")
        assert cache_becomes(server, "ok").status_code == 200
        proxy.drop()
        pair = server.login("alice", PASSWORD)
        assert server.call("GET", "/api/restricted", token=pair["access"]).status_code == 200
        wrong = {"username": "bob", "password": "wrong"}
        answers = [server.call("POST", "/api/login", json=wrong).status_code for _ in range(5)]
        assert answers == [401, 401, 401, 429, 429]
        assert cache_becomes(server, "away").status_code == 200
        assert server.call("POST", "/api/logout", json=pair).status_code == 200
        assert server.call("GET", "/api/restricted", token=pair["access"]).status_code == 401
        proxy.restore()
        assert server.call("POST", "/api/login", json=wrong).status_code == 429
        assert cache_becomes(server, "ok").status_code == 200
