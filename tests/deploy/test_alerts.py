"""Each alert fires on what a real portal says under its condition, and is silent before.

The values of the portal's series before and after go into a test of promtool, as if it went on like
that for an hour.
"""

import ast
import re
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
import requests
import time_machine
import yaml

from tests.deploy.fronts import DEPLOY, tool
from tests.deploy.test_artefacts import run
from tests.support.database.blocked import nothing_written
from tests.support.scrape import Scrape, parsed, wait_for
from tests.support.server.cluster import cluster
from tests.support.tokens import pair_of
from tests.support.users import PASSWORD
from tokens.audit.delivery import webhook
from tokens.audit.seal import seal_events
from tokens.db import clock
from tokens.models import LoginThrottle, RevocationJob
from tokens.sessions.issue import open_session

pytestmark = pytest.mark.slow
RULES = DEPLOY / "prometheus" / "token-portal.rules.yml"
GROUP = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
EXPRESSIONS = {rule["alert"]: rule["expr"] for rule in GROUP if "alert" in rule}
MINUTES = 90


def scrape(server) -> Scrape:
    """Scrape like Prometheus, which adds ``up``."""
    try:
        found = parsed(server.call("GET", "/metrics").text)
    except requests.RequestException:
        return Scrape({("up", ()): 0})
    return Scrape({**found, ("up", ()): 1})


class Provoked:
    """Compare what a portal says with what it did before."""

    def __init__(self, server, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.began, self.before = time.monotonic(), scrape(server)

    def fires(self, *alerts: str) -> None:
        """Check that each alert fires if it goes on like this, and not if it had stayed before."""
        after = scrape(self.server)
        minutes = (time.monotonic() - self.began) / 60
        cases = []
        for alert in alerts:
            names = set(re.findall(r"\b(?:up\b|portal_\w+)", EXPRESSIONS[alert]))
            keys = [key for key in self.before | after if key[0] in names]
            quiet = {key: self.values(key, self.before, minutes) for key in keys}
            loud = {key: self.values(key, after, minutes) for key in keys}
            assert quiet != loud, f"no series of {alert} moved"
            cases += [self.case(alert, quiet, fires=False), self.case(alert, loud, fires=True)]
        path = self.folder / "alerts.test.yml"
        path.write_text(
            yaml.safe_dump(
                {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": cases}
            )
        )
        run(tool("promtool"), "test", "rules", str(path))

    def values(self, key, found, minutes) -> str:
        if key not in found:
            return f"_x{MINUTES}"
        if not key[0].endswith(("_total", "_bucket")):
            return f"{found[key]}x{MINUTES}"
        more = (found[key] - self.before.get(key, 0)) / minutes
        return f"0+{more}x{MINUTES}"

    def case(self, alert, series, *, fires) -> dict[str, object]:
        lines = []
        for (name, labels), values in series.items():
            all_labels = {**dict(labels), "job": "token-portal", "instance": "a"}
            inside = ",".join(f'{label}="{value}"' for label, value in all_labels.items())
            lines.append({"series": f"{name}{{{inside}}}", "values": values})
        firing = f'max by (alertname) (ALERTS{{alertname="{alert}",alertstate="firing"}})'
        samples = [{"labels": f'{{alertname="{alert}"}}', "value": 1}] if fires else []
        return {
            "name": f"{alert} {'fires' if fires else 'is silent'}",
            "interval": "1m",
            "input_series": lines,
            "promql_expr_test": [
                {"expr": firing, "eval_time": f"{MINUTES}m", "exp_samples": samples}
            ],
        }


def login(server, password=PASSWORD, name="alice"):
    body = {"username": name, "password": password}
    return server.call("POST", "/api/login", json=body).status_code


def refresh(server, token):
    return server.call("POST", "/api/refresh", json={"refresh": token}).status_code


@pytest.mark.once
def test_alerts_about_clients_fire(serve, alice, bob, tmp_path):
    server = serve(WEB_CONCURRENCY="1", LOGIN_ATTEMPTS="10", REFRESH_GRACE_SECONDS="0")
    for name in ("login", "refresh"):
        server.call("POST", f"/api/{name}", json={"username": "bob", "password": PASSWORD})
    provoked = Provoked(server, tmp_path)
    answers = [login(server, "wrong") for _ in range(24)]
    assert answers == [401] * 10 + [429] * 14
    provoked.fires("PortalLoginsFail", "PortalLoginsThrottled")

    provoked = Provoked(server, tmp_path)
    for _ in range(2):
        used = pair_of(alice).refresh
        assert [refresh(server, used) for _ in range(4)] == [200, 401, 401, 401]
    provoked.fires("PortalReuse", "PortalRefreshesRefused")


@pytest.mark.once
def test_alerts_about_a_server_without_room_fire(serve, alice, tmp_path):
    server = serve(WEB_CONCURRENCY="1", WEB_THREADS="2", LOGIN_HASHES="1", LOGIN_WAITING="0")
    tokens = [pair_of(alice).refresh for _ in range(4)]
    provoked = Provoked(server, tmp_path)
    with ThreadPoolExecutor(10) as pool:
        with nothing_written():
            calls = [pool.submit(refresh, server, token) for token in tokens]
            calls += [pool.submit(login, server) for _ in range(6)]
            wait_for(
                server,
                lambda found: (
                    found.of("portal_requests_queued", group="requests")
                    and found.of("portal_logins_total", outcome="busy")
                ),
            )
            provoked.fires("PortalThreadsBusy", "PortalHashingFull")
        assert {call.result() for call in calls} <= {200, 503}


def test_alerts_about_commands_that_do_not_run_fire(serve, alice, tmp_path):
    long_ago = clock.now() - timedelta(hours=1)
    with time_machine.travel(long_ago, tick=True), clock.following_host():
        open_session(user=alice)
        list(seal_events(last=None))
    webhook.reader()
    server = serve(WEB_CONCURRENCY="1", WEBHOOK_URL="http://127.0.0.1:9/", WEBHOOK_SECRET="s" * 32)
    wait_for(server, lambda found: found.of("portal_seal_age_seconds"))
    provoked = Provoked(server, tmp_path)
    with time_machine.travel(long_ago, tick=True), clock.following_host():
        open_session(user=alice)
    LoginThrottle.objects.create(
        key="k" * 64, attempts=1, resets_at=clock.now() - timedelta(days=4)
    )
    RevocationJob.objects.create(
        selection={"everybody": True}, reason="lost", expected=9, people=1, created_at=long_ago
    )
    wait_for(server, lambda found: found.of("portal_unsealed_events"))
    wait_for(server, lambda found: found.of("portal_jobs_unfinished"))
    provoked.fires("PortalEventsUnsealed", "PortalPurgeLate", "PortalWebhookLate", "PortalJobStuck")


@pytest.mark.postgresql
def test_alerts_about_a_database_that_is_slow_or_away_fire(serve, alice, tmp_path):
    pair = pair_of(alice)
    with cluster() as database:
        server = serve(
            DATABASE_URL=database.url, WEB_CONCURRENCY="1", WEB_THREADS="3", DATABASE_POOL_SIZE="1"
        )
        assert server.call("GET", "/api/restricted", token=pair.access).status_code == 200
        wait_for(server, lambda found: found.of("portal_database_up") == 1)
        provoked = Provoked(server, tmp_path)
        with ThreadPoolExecutor(3) as pool:
            with database.frozen():
                calls = [
                    pool.submit(server.call, "GET", "/api/restricted", token=pair.access)
                    for _ in range(3)
                ]
                wait_for(server, lambda found: found.of("portal_pool_timeouts_total") == 2)
                wait_for(server, lambda found: found.of("portal_database_up") == 0)
                provoked.fires("PortalPoolTimeouts", "PortalDatabaseDown", "PortalUnavailable")
            assert sorted(call.result().status_code for call in calls) == [200, 503, 503]
        provoked.fires("PortalSlow")

        provoked = Provoked(server, tmp_path)
        database.sql("ALTER TABLE tokens_session RENAME TO gone")
        call = server.call("GET", "/api/restricted", token=pair.access)
        assert call.status_code == 500
        provoked.fires("PortalErrors")


@pytest.mark.once
def test_alert_about_a_server_that_is_gone_fires(serve, tmp_path):
    server = serve(WEB_CONCURRENCY="1")
    provoked = Provoked(server, tmp_path)
    server.process.terminate()
    server.process.wait(timeout=25)
    provoked.fires("PortalDown")


@pytest.mark.once
def test_every_alert_is_provoked():
    tree = ast.parse(Path(__file__).read_text())
    fired: defaultdict[str, int] = defaultdict(int)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "fires":
            for argument in node.args:
                fired[ast.literal_eval(argument)] += 1
    assert set(fired) == set(EXPRESSIONS)
