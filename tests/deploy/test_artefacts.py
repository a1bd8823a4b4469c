"""The files of deploy/ are valid, by the tools that read them, and name what exists."""

import configparser
import json
import re
import shutil
import subprocess

import pytest
import yaml
from django.core.management import get_commands, load_command_class
from django.urls import get_resolver
from prometheus_client.metrics import MetricWrapperBase

from portal import gauges
from tests.deploy.fronts import DEPLOY, haproxy_file, nginx_files, tool
from tests.support.server.portal import ROOT
from tokens.web import figures, series

SYSTEMD = DEPLOY / "systemd"
SERVICES = sorted(path.name for path in SYSTEMD.glob("*.service"))
TIMERS = sorted(path.name for path in SYSTEMD.glob("*.timer"))
# In tenths. systemd rates a service without any hardening 96.
MOST_EXPOSED = "20"


def run(*command):
    """Run a program and return its output, which the test wants on failure."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def unit(name):
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str
    parser.read(SYSTEMD / name)
    return parser


# --- Proxies.


def test_nginx_accepts_its_configuration(tmp_path):
    path = nginx_files(tmp_path, "127.0.0.1:8000", http=8080, https=8443)
    output = run(tool("nginx"), "-t", "-c", str(path), "-e", str(tmp_path / "error.log"))
    assert "test is successful" in output
    assert "[warn]" not in output


def test_haproxy_accepts_its_configuration(tmp_path):
    path = haproxy_file(tmp_path, "127.0.0.1:8000", http=8080, https=8443)
    assert "WARNING" not in run(tool("haproxy"), "-c", "-f", str(path))


# --- systemd.


@pytest.fixture(scope="module")
def units(tmp_path_factory):
    """Copy the units, with the paths of this checkout: systemd looks for the programs."""
    folder = tmp_path_factory.mktemp("units")
    shutil.copytree(SYSTEMD, folder, dirs_exist_ok=True)
    for path in folder.glob("*.service"):
        path.write_text(path.read_text().replace("/srv/token-portal", str(ROOT)))
    return folder


def test_systemd_has_nothing_to_say_about_the_units(units):
    paths = [str(units / name) for name in (*SERVICES, *TIMERS)]
    assert run(tool("systemd-analyze"), "verify", *paths) == ""


@pytest.mark.parametrize("name", SERVICES)
def test_exposure_of_a_service_is_below_the_threshold(units, name):
    option = f"--threshold={MOST_EXPOSED}"
    run(tool("systemd-analyze"), "security", "--offline=true", option, str(units / name))


def test_service_starts_the_server_as_the_tests_do():
    command = unit("token-portal.service")["Service"]["ExecStart"]
    assert command.endswith("/gunicorn --config python:portal.gunicorn portal.wsgi")


@pytest.mark.parametrize("name", TIMERS)
def test_timer_runs_a_command_that_exists(name):
    command = re.fullmatch(r"token-portal@(\w+)\.timer", name)[1]
    options = ""
    for path in SYSTEMD.glob(f"token-portal@{command}.service.d/*.conf"):
        options = re.search(r'OPTIONS=([^"]*)', path.read_text())[1]
    assert command in get_commands()
    parser = load_command_class("tokens", command).create_parser("manage.py", command)
    parser.parse_args(options.split())


# --- Container.


def test_compose_file_names_files_that_exist():
    compose = yaml.safe_load((DEPLOY / "container" / "compose.yaml").read_text())
    folder = DEPLOY / "container"
    for service in compose["services"].values():
        for name in service["env_file"]:
            assert (folder / f"{name}.example").exists()
        assert set(service.get("depends_on", {})) <= set(compose["services"])
        if build := service.get("build"):
            context = (folder / build["context"]).resolve()
            assert (context / build["dockerfile"]).exists()
    assert compose["services"]["portal"]["ports"] == ["127.0.0.1:8000:8000"]


def test_compose_network_is_the_trusted_proxy():
    compose = yaml.safe_load((DEPLOY / "container" / "compose.yaml").read_text())
    gateway = compose["networks"]["default"]["ipam"]["config"][0]["gateway"]
    example = (DEPLOY / "container" / "portal.env.example").read_text()
    assert f"TRUSTED_PROXIES={gateway}\n" in example


def test_image_copies_files_that_exist_and_runs_without_privileges():
    text = (DEPLOY / "container" / "Containerfile").read_text()
    sources = re.findall(r"^COPY (?!--)(\S+)", text, re.MULTILINE)
    admitted = (ROOT / ".dockerignore").read_text().splitlines()
    for source in sources:
        assert (ROOT / source).exists(), source
        assert f"!{source}" in admitted, source
    last = text.rpartition("\nFROM ")[2]
    assert "\nUSER 10001:10001\n" in last
    assert "\nHEALTHCHECK " in last
    command = json.loads(re.search(r"^CMD (.*)", last, re.MULTILINE)[1])
    assert command == ["gunicorn", "--config", "python:portal.gunicorn", "portal.wsgi"]


# --- Monitoring.


def test_prometheus_accepts_rules_and_configuration():
    folder = DEPLOY / "prometheus"
    run(tool("promtool"), "check", "rules", str(folder / "token-portal.rules.yml"))
    run(tool("promtool"), "check", "config", str(folder / "prometheus.yml"))


def test_each_alert_fires_under_its_condition_and_not_before():
    run(tool("promtool"), "test", "rules", str(DEPLOY / "prometheus" / "token-portal.test.yml"))


def test_each_alert_is_tested():
    folder = DEPLOY / "prometheus"
    groups = yaml.safe_load((folder / "token-portal.rules.yml").read_text())["groups"]
    alerts = {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}
    quiet, firing = yaml.safe_load((folder / "token-portal.test.yml").read_text())["tests"]
    assert {case["alertname"] for case in quiet["alert_rule_test"]} == alerts
    tested = re.findall(r'alertname="(\w+)"', json.dumps(firing).replace('\\"', '"'))
    assert set(tested) == alerts


def expressions():
    groups = yaml.safe_load((DEPLOY / "prometheus" / "token-portal.rules.yml").read_text())
    rules = [rule["expr"] for group in groups["groups"] for rule in group["rules"]]
    dashboard = json.loads((DEPLOY / "grafana" / "token-portal.json").read_text())
    return rules + [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def series_of_the_portal():
    """Return the names of all series, as they are declared."""
    counted = [found for module in (series, gauges) for found in vars(module).values()]
    names = {one._name for one in counted if isinstance(one, MetricWrapperBase)}
    return names | {f.name for f in figures.FIGURES} | {"portal_database_up", "portal_build_info"}


def test_every_series_is_documented():
    guide = (ROOT / "docs" / "operating.md").read_text()
    for name in series_of_the_portal():
        assert re.search(rf"^\|.*`{name}(_total)?[`{{].*\|$", guide, re.MULTILINE), name


def test_rules_and_dashboard_use_series_that_the_portal_has():
    known = {f"{name}{end}" for name in series_of_the_portal() for end in ("", "_total", "_bucket")}
    for expression in expressions():
        assert set(re.findall(r"\bportal_\w+", expression)) <= known, expression


def test_rules_and_dashboard_name_views_that_exist():
    names = set(get_resolver().namespace_dict["tokens_api"][1].reverse_dict)
    for expression in expressions():
        for view in re.findall(r'view="([^"$]+)"', expression):
            assert view.removeprefix("tokens_api:") in names, view


def test_dashboard_panels_have_ids_and_places_of_their_own():
    panels = json.loads((DEPLOY / "grafana" / "token-portal.json").read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len(panels)
