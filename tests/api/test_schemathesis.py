"""The schema describes every response of the served portal.

The requests are valid and invalid, with a token and without.
"""

import base64
import os
import subprocess
import sys

import pytest

from tests.support.effort import times
from tests.support.server.portal import ROOT
from tests.support.tokens import pair_of
from tests.support.users import PASSWORD
from tokens.services.registry import add_service

EXAMPLES = times(8)
# More than a busy machine needs; a request that never ends must still end the test.
SECONDS = times(540)


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 30)
def test_document_describes_every_response(serve, alice, sam, tmp_path):
    # Thousands of logins come from one address; their throttle has tests of its own.
    server = serve(LOGIN_ATTEMPTS="1000000")
    service = add_service(name="reader", may_introspect=True, may_read_feed=True)
    for _ in range(3):
        pair_of(alice)
    found = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/api/schema"),
            *("--checks", "all", "--mode", "all", "--phases", "examples,coverage,fuzzing,stateful"),
            *("--max-examples", str(EXAMPLES), "--seed", "1", "--generation-deterministic"),
            *("--continue-on-failure", "--no-color"),
        ],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SCHEMATHESIS_HOOKS": "tests.support.server.schemathesis_hooks",
            "PORTAL_URL": server.url,
            "PORTAL_USERNAME": sam.get_username(),
            "PORTAL_PASSWORD": PASSWORD,
            "PORTAL_SERVICE": base64.b64encode(f"reader:{service.secret}".encode()).decode(),
        },
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    # It warns of calls that it only ever saw refused: those would not have been tried.
    assert "WARNINGS" not in found.stdout, found.stdout
