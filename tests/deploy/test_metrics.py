"""/metrics says what happens in all workers, and what the database holds."""

import os
import platform
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO
from pathlib import Path

import django
import pytest
from django.core.management import call_command
from django.db import connection, transaction

from tests.support.database.blocked import nothing_written
from tests.support.scrape import scrape, wait_for
from tests.support.server.cluster import cluster
from tests.support.server.portal import ROOT, environment
from tests.support.tokens import pair_of
from tests.support.users import PASSWORD
from tokens import VERSION
from tokens.audit.delivery import webhook
from tokens.db import clock
from tokens.listing.stats import estimate_live_sessions
from tokens.models import Kind, LoginThrottle, RevocationJob
from tokens.revocation import revoke_session
from tokens.sessions.issue import open_session


def login(server, name="alice", password=PASSWORD):
    return server.call("POST", "/api/login", json={"username": name, "password": password})


def increase(before, after, name, **labels):
    return (after.of(name, **labels) or 0) - (before.of(name, **labels) or 0)


def test_logins_events_and_refusals_are_counted_in_all_workers(serve, alice):
    server = serve(LOGIN_ATTEMPTS="3", REFRESH_GRACE_SECONDS="0")
    before = scrape(server)
    assert before.of("portal_events_total", kind="reuse") == 0
    pairs = [login(server).json() for _ in range(2)]
    assert [login(server, password="wrong").status_code for _ in range(5)] == [401] * 3 + [429] * 2
    used = pairs[0]["refresh"]
    assert server.call("POST", "/api/refresh", json={"refresh": used}).status_code == 200
    assert server.call("POST", "/api/refresh", json={"refresh": used}).status_code == 401
    for token in ("rubbish", pairs[0]["access"], pairs[1]["refresh"]):
        assert server.call("GET", "/api/restricted", token=token).status_code == 401
    after = scrape(server)
    assert increase(before, after, "portal_logins_total", outcome="accepted") == 2
    assert increase(before, after, "portal_logins_total", outcome="refused") == 3
    assert increase(before, after, "portal_logins_total", outcome="locked") == 2
    for kind, number in {"login": 2, "login_locked": 1, "refresh": 1, "reuse": 1}.items():
        assert increase(before, after, "portal_events_total", kind=kind) == number, kind
    for check, number in {"signature": 1, "revoked": 2, "type": 1}.items():
        assert increase(before, after, "portal_tokens_refused_total", check=check) == number, check


@pytest.mark.once
def test_versions_are_told_once(portal_server):
    found = [key for key in scrape(portal_server) if key[0] == "portal_build_info"]
    assert [dict(labels) for _name, labels in found] == [
        {
            "version": VERSION,
            "python": platform.python_version(),
            "django": django.get_version(),
        }
    ]


@pytest.mark.once
def test_labels_are_few_whatever_clients_send(portal_server, alice):
    # Other tests have called the same server.
    before = {*scrape(portal_server)}
    for number in range(20):
        portal_server.call("GET", f"/nothing/{number}", headers={"X-Client": f"c{number}"})
        portal_server.call("BREW", "/api/login")
        login(portal_server, name=f"name-{number}", password="x")
        portal_server.call("GET", "/api/restricted", token=f"a.b.{number}")
    found = scrape(portal_server)
    kinds = {dict(labels)["kind"] for name, labels in found if name == "portal_events_total"}
    assert kinds <= {*Kind.values, "other"}
    assert len({key for key in found if key[0].endswith("_total")} - before) < 20
    for _name, labels in found:
        assert not any("name-" in value or "c1" in value for _label, value in labels)


@pytest.mark.once
def test_counts_outlive_a_worker_and_its_gauges_do_not(serve, alice):
    server = serve(WEB_CONCURRENCY="1", WEB_THREADS="3")
    login(server)
    found = wait_for(server, lambda found: found.of("portal_threads", group="requests"))
    assert found.of("portal_threads", group="requests") == 3
    assert found.of("portal_logins_total", outcome="accepted") == 1
    for number in range(3):
        server.process.send_signal(signal.SIGHUP)
        wait_for(server, lambda found: found.of("portal_threads", group="requests") == 3)
        login(server)
        until = time.monotonic() + 20
        while scrape(server).of("portal_threads", group="requests") != 3:
            assert time.monotonic() < until
        assert scrape(server).of("portal_logins_total", outcome="accepted") == 2 + number


@pytest.mark.once
def test_busy_threads_and_waiting_requests_are_gauges(serve, alice):
    server = serve(WEB_CONCURRENCY="1", WEB_THREADS="2")
    tokens = [pair_of(alice).refresh for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        with nothing_written():
            calls = [
                pool.submit(server.call, "POST", "/api/refresh", json={"refresh": token})
                for token in tokens
            ]
            found = wait_for(
                server, lambda found: found.of("portal_requests_queued", group="requests") == 2
            )
            assert found.of("portal_threads_busy", group="requests") == 2
        assert {call.result().status_code for call in calls} == {200}
    wait_for(server, lambda found: found.of("portal_threads_busy", group="requests") == 0)


@pytest.mark.once
def test_hashing_lane_is_watched(serve, alice):
    server = serve(WEB_CONCURRENCY="1", WEB_THREADS="3", LOGIN_HASHES="1", LOGIN_WAITING="1")
    with ThreadPoolExecutor(6) as pool:
        with nothing_written():
            calls = [pool.submit(login, server) for _ in range(6)]
            found = wait_for(
                server, lambda found: found.of("portal_password_hashes", state="running") == 1
            )
            wait_for(server, lambda found: found.of("portal_logins_total", outcome="busy"))
        answers = {call.result().status_code for call in calls}
    assert answers <= {200, 503}
    found = wait_for(server, lambda found: found.of("portal_password_hashes", state="running") == 0)
    assert found.of("portal_password_hashes", state="waiting") == 0


@pytest.mark.postgresql
def test_pool_is_watched(serve, alice):
    server = serve(WEB_CONCURRENCY="1", WEB_THREADS="3", DATABASE_POOL_SIZE="1")
    tokens = [pair_of(alice).refresh for _ in range(3)]
    before = wait_for(
        server, lambda found: found.of("portal_pool_connections", state="idle") is not None
    )
    assert before.of("portal_pool_timeouts_total") == 0
    with ThreadPoolExecutor(3) as pool, nothing_written():
        calls = [
            pool.submit(server.call, "POST", "/api/refresh", json={"refresh": token})
            for token in tokens
        ]
        found = wait_for(server, lambda found: found.of("portal_pool_timeouts_total"))
        assert found.of("portal_pool_connections", state="used") == 1
    assert sorted(call.result().status_code for call in calls) == [200, 503, 503]
    found = wait_for(server, lambda found: found.of("portal_pool_timeouts_total") == 2)
    assert found.of("portal_pool_waits_total") >= 2
    assert found.of("portal_pool_wait_seconds_total") >= 8


# --- Folders.


def folders(parent):
    return sorted(path.name for path in parent.iterdir())


@pytest.mark.once
def test_folder_of_a_stopped_server_is_removed(serve, tmp_path):
    parent = tmp_path / "metrics"
    parent.mkdir()
    server = serve(PROMETHEUS_MULTIPROC_DIR=str(parent))
    assert len(folders(parent)) == 1
    server.process.terminate()
    server.process.wait(timeout=25)
    assert folders(parent) == []


@pytest.mark.once
def test_folder_of_a_killed_server_is_removed_by_the_next_and_no_other(serve, tmp_path):
    parent = tmp_path / "metrics"
    parent.mkdir()
    # A server of an earlier release holds no lock on its own.
    (parent / "token-portal-metrics-0").mkdir()
    folder = {"PROMETHEUS_MULTIPROC_DIR": str(parent), "WEB_CONCURRENCY": "1"}
    killed, running = serve(**folder), serve(**folder)
    assert len(folders(parent)) == 3
    killed.process.send_signal(signal.SIGKILL)
    killed.process.wait(timeout=25)
    until = time.monotonic() + 20
    while True:
        # Its workers end by themselves, and hold the folder until then.
        last = serve(**folder)
        if len(folders(parent)) == 3:
            break
        assert time.monotonic() < until
        last.process.terminate()
        last.process.wait(timeout=25)
    assert scrape(running).of("portal_threads", group="requests")


@pytest.mark.once
def test_restarts_of_workers_add_no_files(serve, tmp_path):
    server = serve(PROMETHEUS_MULTIPROC_DIR=str(tmp_path), WEB_CONCURRENCY="1")
    (folder,) = tmp_path.glob("portal-metrics-*")
    for _ in range(4):
        before = worker_of(server)
        os.kill(before, signal.SIGKILL)
        until = time.monotonic() + 20
        while worker_of(server) in (before, None):
            assert time.monotonic() < until
            time.sleep(0.1)
        wait_for(server, lambda found: found.of("portal_threads", group="requests"))
    assert len(list(folder.glob("counter_*.db"))) == 1
    assert len(list(folder.glob("gauge_livesum_*.db"))) == 1


@pytest.mark.once
def test_server_that_refuses_to_start_leaves_no_folder(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "gunicorn", "--config", "python:portal.gunicorn", "portal.wsgi"],
        cwd=ROOT,
        env=environment(PROMETHEUS_MULTIPROC_DIR=str(tmp_path), LOG_LEVEL="loud"),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert list(tmp_path.iterdir()) == []


def worker_of(server):
    """Return the process of the only worker, None while there is none."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    found = children.read_text().split()
    return int(found[0]) if found else None


# --- Figures of the database.


@pytest.mark.slow
def test_figures_of_the_database_follow_it(serve, alice):
    server = serve(WEB_CONCURRENCY="1", WEBHOOK_URL="http://127.0.0.1:9/", WEBHOOK_SECRET="s" * 32)
    found = wait_for(server, lambda found: found.of("portal_database_up") == 1)
    assert found.of("portal_live_sessions") == 0
    assert found.of("portal_unsealed_events") == 0
    assert found.of("portal_purge_age_seconds") == 0
    assert found.of("portal_seal_age_seconds") is None
    assert found.of("portal_webhook_lag_seconds") is None

    webhook.reader()
    sessions = [open_session(user=alice).session for _ in range(3)]
    LoginThrottle.objects.create(
        key="k" * 64, attempts=1, resets_at=clock.now() - timedelta(days=4)
    )
    now = clock.now()
    RevocationJob.objects.create(
        selection={"everybody": True},
        reason="lost",
        expected=100,
        sessions=40,
        people=1,
        created_at=now - timedelta(hours=2),
        worked_at=now - timedelta(hours=1),
    )
    found = wait_for(server, lambda found: found.of("portal_live_sessions") == 3)
    assert found.of("portal_unsealed_events") == 3
    assert found.of("portal_webhook_undelivered_events") == 3
    assert 0 < found.of("portal_webhook_lag_seconds") < 60
    assert found.of("portal_purge_age_seconds") == pytest.approx(4 * 86_400, abs=60)
    assert found.of("portal_jobs_unfinished") == 1
    assert found.of("portal_jobs_sessions_left") == 60
    assert found.of("portal_job_idle_seconds") == pytest.approx(3600, abs=60)

    call_command("seal_events", stdout=StringIO())
    revoke_session(session=sessions[0], actor=None, reason="lost")
    found = wait_for(server, lambda found: found.of("portal_live_sessions") == 2)
    assert found.of("portal_unsealed_events") == 1
    assert 0 <= found.of("portal_seal_age_seconds") < 60


def test_more_live_sessions_than_are_counted_are_estimated(db, alice):
    for _ in range(30):
        open_session(user=alice)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE tokens_session")
        assert 25 <= estimate_live_sessions(limit=3) <= 35
    else:
        assert estimate_live_sessions(limit=2) == 20
    assert estimate_live_sessions(limit=30) == 30


@pytest.mark.postgresql
@pytest.mark.slow
def test_metrics_answer_while_the_database_is_away(serve, alice):
    with cluster() as database:
        server = serve(DATABASE_URL=database.url, WEB_CONCURRENCY="1")
        wait_for(server, lambda found: found.of("portal_database_up") == 1)
        database.stop()
        found = wait_for(server, lambda found: found.of("portal_database_up") == 0)
        assert found.of("portal_live_sessions") is None
        assert found.of("portal_threads", group="requests")
        database.start()
        wait_for(server, lambda found: found.of("portal_database_up") == 1)
        with database.frozen():
            found = wait_for(server, lambda found: found.of("portal_database_up") == 0)
            began = time.monotonic()
            scrape(server)
            assert time.monotonic() - began < 4
        wait_for(server, lambda found: found.of("portal_database_up") == 1, 60)


@pytest.mark.postgresql
def test_figure_that_takes_too_long_is_left_out(serve, alice):
    server = serve(WEB_CONCURRENCY="1")
    open_session(user=alice)
    wait_for(server, lambda found: found.of("portal_live_sessions") == 1)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE tokens_session IN ACCESS EXCLUSIVE MODE")
        found = wait_for(server, lambda found: found.of("portal_live_sessions") is None)
        assert found.of("portal_database_up") == 1
        assert found.of("portal_unsealed_events") == 1


@pytest.mark.once
def test_scrapes_share_what_was_read(serve, alice):
    server = serve(WEB_CONCURRENCY="1")
    wait_for(server, lambda found: found.of("portal_live_sessions") == 0)
    open_session(user=alice)
    seen = [scrape(server).of("portal_live_sessions") for _ in range(10)]
    assert seen.count(0) >= 9
