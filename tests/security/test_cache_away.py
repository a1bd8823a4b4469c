"""A cache that is away neither stops a login nor lifts its throttle (invariant 12)."""

from urllib.parse import urlsplit

import pytest

from tests.support.people import PASSWORD
from tests.support.proxy import Proxy


@pytest.mark.slow
def test_logins_go_on_and_the_throttle_holds(serve, redis_url, alice):
    to = urlsplit(redis_url)
    with Proxy((to.hostname or "127.0.0.1", to.port or 6379)) as proxy:
        cache = f"redis://127.0.0.1:{proxy.port}{to.path}"
        server = serve(CACHE_URL=cache, LOGIN_ATTEMPTS="3")
        assert server.call("GET", "/readyz").json()["cache"] == "ok"
        proxy.drop()
        pair = server.login("alice", PASSWORD)
        assert server.call("GET", "/api/restricted", token=pair["access"]).status_code == 200
        wrong = {"username": "bob", "password": "wrong"}
        answers = [server.call("POST", "/api/login", json=wrong).status_code for _ in range(5)]
        assert answers == [401, 401, 401, 429, 429]
        ready = server.call("GET", "/readyz")
        assert (ready.status_code, ready.json()["cache"]) == (200, "away")
        assert server.call("POST", "/api/logout", json=pair).status_code == 200
        assert server.call("GET", "/api/restricted", token=pair["access"]).status_code == 401
        proxy.restore()
        assert server.call("POST", "/api/login", json=wrong).status_code == 429
        assert server.call("GET", "/readyz").json()["cache"] == "ok"
