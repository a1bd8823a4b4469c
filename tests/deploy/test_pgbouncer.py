"""The portal and its commands through PgBouncer in transaction mode, with the files of deploy/.

``PGBOUNCER`` names the program of another version.
"""

import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest
import requests

from tests.deploy.fronts import DEPLOY, replaced, tool
from tests.support.server.cluster import cluster
from tests.support.server.portal import ROOT, environment, free_port
from tests.support.users import PASSWORD

pytestmark = [pytest.mark.postgresql, pytest.mark.slow]


@contextmanager
def pgbouncer(database):
    """Run deploy/pgbouncer/pgbouncer.ini in front of a cluster; yield a DATABASE_URL."""
    port, folder = free_port(), database.folder
    (folder / "userlist.txt").write_text('"postgres" ""\n')
    text = replaced(
        (DEPLOY / "pgbouncer" / "pgbouncer.ini").read_text(),
        ("token_portal = ", "postgres = "),
        ("port=5432", f"port={database.port}"),
        ("listen_port = 6432", f"listen_port = {port}"),
        ("scram-sha-256", "trust"),
        ("/etc/pgbouncer/", f"{folder}/"),
        # Two connections for all threads, so that each transaction gets another one.
        ("default_pool_size = 20", "default_pool_size = 2"),
        ("/var/log/postgresql/", f"{folder}/"),
        ("/var/run/postgresql", str(folder)),
    )
    path = folder / "pgbouncer.ini"
    path.write_text(text)
    program = os.environ.get("PGBOUNCER") or tool("pgbouncer")
    process = subprocess.Popen([program, "-q", str(path)], user=database.user, cwd="/")
    url = f"postgres://postgres@127.0.0.1:{port}/postgres"
    try:
        until = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(url, connect_timeout=5).close()
                break
            except psycopg.OperationalError:
                assert time.monotonic() < until, (folder / "pgbouncer.log").read_text()
                time.sleep(0.05)
        yield url
    finally:
        # From 1.23 on, SIGTERM waits until every client has left.
        process.kill()
        process.wait(timeout=30)


def manage(*words, **env):
    command = [sys.executable, "manage.py", *words]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(**env), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def use_everything(server, pair):
    for _ in range(4):
        assert server.call("GET", "/api/restricted", token=pair["access"]).status_code == 200
        answer = server.call("POST", "/api/refresh", json={"refresh": pair["refresh"]})
        assert answer.status_code == 200, answer.text
        pair = answer.json()
    assert server.call("POST", "/api/verify", json={"token": pair["access"]}).status_code == 200
    assert server.call("POST", "/api/logout", json={"refresh": pair["refresh"]}).json() == {}
    assert server.call("GET", "/api/restricted", token=pair["access"]).status_code == 401


def staff_page(server, path):
    with requests.Session() as browser:
        form = browser.get(f"{server.url}/staff/login/", timeout=30).text
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
        body = {"username": "sam", "password": PASSWORD, "csrfmiddlewaretoken": found[1]}
        browser.post(f"{server.url}/staff/login/", data=body, timeout=30)
        return browser.get(server.url + path, timeout=30)


def test_calls_pages_and_commands_work_behind_a_transaction_pooler(serve, sam):
    with cluster() as database:
        timeouts = (DEPLOY / "pgbouncer" / "timeouts.sql").read_text()
        database.sql(replaced(timeouts, ("portal SET", "postgres SET"), ("'30s'", "'5s'")))
        with pgbouncer(database) as url:
            settings = {"DATABASE_URL": url, "DATABASE_POOLER": "on"}
            server = serve(**settings)
            assert server.call("GET", "/readyz").json()["database"] == "ok"
            pairs = [server.login("sam", PASSWORD) for _ in range(8)]
            with ThreadPoolExecutor(4) as pool:
                for done in [pool.submit(use_everything, server, pair) for pair in pairs]:
                    done.result()
            for path in ("/staff/sessions/", "/staff/events/"):
                assert "sam" in staff_page(server, path).text
            assert '"sam"' in manage("export_events", **settings)
            manage("seal_events", **settings)
            manage("verify_events", **settings)
            manage("purge_tokens", **settings)
            assert "Traceback" not in server.log.read_text()

            with psycopg.connect(url) as through, pytest.raises(psycopg.errors.QueryCanceled):
                through.execute("SELECT pg_sleep(60)")
