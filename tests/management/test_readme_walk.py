"""The README's walk from login to refusal works as it is pasted."""

import re
import subprocess
import sys

from tests.support.server.portal import ROOT, environment


def test_walk_of_the_readme_ends_in_a_refused_token(portal_server, sam, password):
    readme = (ROOT / "README.md").read_text()
    (script,) = re.findall(r"<!-- walk -->\n```sh\n(.*?)```", readme, re.DOTALL)
    script = script.replace("BASE=http://127.0.0.1:8000", f"BASE={portal_server.url}")
    script = script.replace(".venv/bin/python", sys.executable).replace('"admin\\"', '"sam\\"')
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        cwd=ROOT,
        env={**environment(), "PASSWORD": password},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    opened, _, refused = done.stdout.partition("YOU ARE ALLOWED HERE")
    assert opened == '{"response":"'
    assert "current" in refused
    assert refused.count("token_not_valid") == 2
    assert "Token is no longer valid" in refused
