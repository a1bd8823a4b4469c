"""The documented settings of a deployment have nothing to complain about."""

import re
import secrets
import subprocess
import sys

import pytest
import yaml

from tests.deploy.fronts import DEPLOY
from tests.support.server.portal import ROOT
from tokens.api.openapi import document

SECRETS = ("SECRET_KEY", "JWT_SIGNING_KEY", "AUDIT_KEY")


@pytest.fixture
def manage():
    """Run a command with the values of the container's example, and with secrets."""
    example = (DEPLOY / "container/portal.env.example").read_text()
    values = dict(re.findall(r"^(\w+)=(.*)$", example, re.MULTILINE))
    values |= {name: secrets.token_urlsafe(48) for name in SECRETS}
    env = {"PATH": "/usr/bin:/bin", "ENV_FILE": "/dev/null", **values}

    def run(*words):
        command = [sys.executable, "manage.py", *words]
        return subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, check=False
        )

    return run


def test_check_for_deployment_reports_nothing(manage):
    done = manage("check", "--deploy", "--fail-level", "DEBUG")
    assert done.stdout == "System check identified no issues (0 silenced).\n", done.stderr
    assert (done.returncode, done.stderr) == (0, "")


def test_spectacular_prints_the_document_of_the_api(manage):
    done = manage("spectacular", "--validate", "--fail-on-warn")
    assert (done.returncode, done.stderr) == (0, "")
    printed = yaml.safe_load(done.stdout)
    assert printed["paths"].keys() == document()["paths"].keys()
    assert "/api/login" in printed["paths"]
