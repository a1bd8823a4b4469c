"""A host is reloaded, or stopped and started again, and no call of a client fails."""

import os
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from threading import Event

import pytest

from bench.clients import Client, load
from tests.deploy.fronts import haproxy, nginx
from tests.support.effort import times
from tests.support.server.portal import STOP_SECONDS, collect_static, free_port, serving
from tests.support.users import PASSWORD, make_user
from tokens.jwt.signing import read
from tokens.models import Session

CLIENTS = 6
PAUSE_SECONDS = 0.01
BEHIND_PROXY = {
    "HTTPS": "on",
    "TRUSTED_PROXIES": "127.0.0.1",
    "DRAIN_SECONDS": "5",  # as in deploy/systemd/token-portal.service
    "LOGIN_WAITING": str(CLIENTS),  # more would be a flood of logins
    "LOG_LEVEL": "ERROR",
}
# HAProxy asks every two seconds whether a host is ready.
NOTICED_SECONDS = 4


class Host:
    """A portal server that can be stopped and started again, at the same port."""

    def __init__(self, folder, **settings):
        self.folder, self.settings = folder, {"WEB_CONCURRENCY": "1", **settings}
        self.port = free_port()
        self._running = ExitStack()
        self.start()

    def start(self):
        served = serving(self.folder, port=self.port, **self.settings)
        self.server = self._running.enter_context(served)

    def stop(self):
        self._running.close()

    def reload(self):
        self.server.process.send_signal(signal.SIGHUP)

    def logged(self, text, number=1):
        """Wait until the server has logged the text so many times."""
        until = time.monotonic() + 60
        while self.server.log.read_text().count(text) < number:
            assert time.monotonic() < until, self.server.log.read_text()
            time.sleep(0.05)


@pytest.fixture
def start_host(transactional_db, tmp_path):
    with ExitStack() as stack:

        def start(**settings):
            host = Host(tmp_path, **settings)
            stack.callback(host.stop)
            return host

        yield start


def clients(url, verify=False):
    """Return clients with a user each, so that none of them waits for the login of another."""
    names = [f"client{number}" for number in range(CLIENTS)]
    for name in names:
        make_user(name)
    return [Client(url, verify, name, PASSWORD, PAUSE_SECONDS) for name in names]


@pytest.mark.postgresql
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("proxy", [haproxy, nginx])
def test_rolling_restart_fails_no_call(proxy, start_host, tmp_path):
    hosts = [start_host(**BEHIND_PROXY) for _ in range(2)]
    with ExitStack() as stack:
        front = stack.enter_context(proxy(tmp_path, *(f"127.0.0.1:{x.port}" for x in hosts)))
        callers = clients(f"https://localhost:{front.https}", str(front.certificate))
        running = stack.enter_context(load(callers))
        running.wait_for(times(200))
        for host in hosts:
            host.reload()
            host.logged("Worker exiting")
        running.wait_for(times(800))
        for host in hosts:
            host.stop()
            host.start()
            time.sleep(NOTICED_SECONDS)
        running.wait_for(times(1500))
    assert running.failures == []


@pytest.mark.once
@pytest.mark.parametrize("proxy", [haproxy, nginx])
def test_static_file_of_one_release_is_found_on_its_hosts(proxy, start_host, tmp_path):
    collect_static()
    roots = [tmp_path / name for name in ("old", "new")]
    for root in roots:
        shutil.copytree(os.environ["STATIC_ROOT"], root)
        (root / f"{root.name}.css").write_text(root.name)
    hosts = [start_host(**BEHIND_PROXY, STATIC_ROOT=str(root)) for root in roots]
    with proxy(tmp_path, *(f"127.0.0.1:{host.port}" for host in hosts)) as front:
        for name in ("old", "new") * 4:
            answer = front.call("GET", f"/static/{name}.css")
            assert (answer.status_code, answer.text) == (200, name)
        assert front.call("GET", "/static/none.css").status_code == 404


# --- HUP, without a proxy.

# A middleware that the workers import with the application. It waits, or fails, if a file says so.
HELD = """
import os, time

while os.path.exists("{folder}/wait"):
    time.sleep(0.05)
if os.path.exists("{folder}/fail"):
    raise RuntimeError("the application cannot be loaded")

def middleware(get_response):
    return get_response
"""
HELD_SETTINGS = """
from portal.settings import *

MIDDLEWARE = [*MIDDLEWARE, "held.middleware"]
"""


@pytest.fixture
def held(tmp_path, start_host):
    """Start a host whose workers wait, or fail, while they load the application."""
    (tmp_path / "held.py").write_text(HELD.format(folder=tmp_path))
    (tmp_path / "held_settings.py").write_text(HELD_SETTINGS)
    return start_host(PYTHONPATH=str(tmp_path), DJANGO_SETTINGS_MODULE="held_settings")


@pytest.mark.once
def test_old_workers_serve_until_the_new_ones_do(held, tmp_path):
    (tmp_path / "wait").touch()
    held.reload()
    held.logged("Booting worker", number=2)
    for _ in range(10):
        assert held.server.call("GET", "/api/restricted").status_code == 401
    assert "Worker exiting" not in held.server.log.read_text()
    (tmp_path / "wait").unlink()
    held.logged("Worker exiting")
    assert held.server.call("GET", "/api/restricted").status_code == 401


@pytest.mark.once
def test_old_workers_go_on_if_the_new_ones_cannot_load_the_application(held, tmp_path):
    for failures in (1, 2):
        (tmp_path / "fail").touch()
        held.reload()
        held.logged("Not reloaded: no new worker serves.", number=failures)
        assert held.server.call("GET", "/api/restricted").status_code == 401
    (tmp_path / "fail").unlink()
    exits = held.server.log.read_text().count("Worker exiting")
    held.reload()
    held.logged("Worker exiting", number=exits + 1)
    assert held.server.call("GET", "/api/restricted").status_code == 401
    held.stop()
    assert held.server.process.returncode == 0


@pytest.mark.once
def test_reload_reads_env_again_and_refuses_wrong_settings(start_host, tmp_path, alice):
    env = tmp_path / "env"
    env.write_text("SESSION_DAYS=20\n")
    host = start_host(ENV_FILE=str(env))

    def days():
        refresh = host.server.login("alice", PASSWORD)["refresh"]
        session = Session.objects.get(pk=read(refresh)["sid"])
        return (session.expires_at - session.created_at).days

    assert days() == 20
    env.write_text("SESSION_DAYS=never\n")
    host.reload()
    host.logged("Not reloaded: the settings are wrong.")
    assert days() == 20
    env.write_text("SESSION_DAYS=10\n")
    host.reload()
    host.logged("Worker exiting")
    assert days() == 10


def keep_calling(address, stop):
    """Send requests on connections that are kept until the server says that it closes them.

    Return how many requests there were, and how many connections.
    """
    requests = connections = 0
    while not stop.is_set():
        with closing(HTTPConnection(address, timeout=30)) as connection:
            connections += 1
            kept = True
            while kept and not stop.is_set():
                connection.request("GET", "/api/restricted")
                answer = connection.getresponse()
                answer.read()
                assert answer.status == 401
                requests += 1
                kept = answer.headers.get("Connection") != "close"
    return requests, connections


@pytest.mark.once
def test_reload_announces_that_it_closes_kept_connections(start_host):
    host = start_host(WEB_CONCURRENCY="2")
    stop = Event()
    with ThreadPoolExecutor(4) as pool:
        callers = [pool.submit(keep_calling, f"127.0.0.1:{host.port}", stop) for _ in range(4)]
        host.reload()
        host.logged("Worker exiting", number=2)
        stop.set()
    requests, connections = map(sum, zip(*(each.result() for each in callers), strict=True))
    assert requests > connections > 4


# --- A stop, without a proxy.


def call_until_stopped(address):
    """Send requests on a connection each, and return how the server turns the last one away."""
    while True:
        with closing(HTTPConnection(address, timeout=30)) as connection:
            try:
                connection.request("GET", "/api/restricted")
                assert connection.getresponse().status == 401
            except ConnectionError as error:
                return error


@pytest.mark.once
def test_server_that_stops_refuses_connections_instead_of_resetting_them(start_host):
    host = start_host(LOG_LEVEL="ERROR")
    with ThreadPoolExecutor(8) as pool:
        callers = [pool.submit(call_until_stopped, f"127.0.0.1:{host.port}") for _ in range(8)]
        time.sleep(0.5)
        host.server.process.send_signal(signal.SIGTERM)
        found = [each.result() for each in callers]
    # One may arrive after the last that is accepted, and before others are refused.
    refused = [error for error in found if isinstance(error, ConnectionRefusedError)]
    assert len(refused) >= len(found) - 2
    assert host.server.process.wait(timeout=STOP_SECONDS) == 0
