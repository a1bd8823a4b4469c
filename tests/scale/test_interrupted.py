"""A long revocation by the command can be interrupted or killed.

Finished batches are kept and recorded, and a second run does the rest once.
"""

import json
import signal
import subprocess
import sys
import time

import pytest
from django.db.models import Sum
from django.utils import timezone

from bench.revoking import heed_interruption
from tests.support.bulk_sessions import hold
from tests.support.server.portal import ROOT, environment
from tokens.models import BlacklistedToken, Event, Kind, Session

MANY = 8_000


def start(before):
    command = [sys.executable, "manage.py", "revoke_tokens", "--issued-before", before.isoformat()]
    return subprocess.Popen(
        [*command, "--reason", "breach", "--json"],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interruption,
    )


def ended():
    return Session.objects.exclude(revoked_at=None).count()


def written_down():
    lines = Event.objects.filter(kind=Kind.REVOKE_MATCHING)
    return lines.aggregate(sum=Sum("count"))["sum"] or 0


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_revoke_command_continues_where_it_stopped(transactional_db, alice, how):
    hold(alice, MANY)
    before = timezone.now()
    first = start(before)
    until = time.monotonic() + 120
    while not ended() and first.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    first.send_signal(how)
    _out, words = first.communicate(timeout=120)
    done = ended()
    assert 0 < done < MANY
    assert done == written_down() == BlacklistedToken.objects.count()
    if how == signal.SIGINT:
        assert first.returncode == 130
        assert "run it again to continue" in words

    second = start(before)
    said, _words = second.communicate(timeout=120)
    assert json.loads(said.splitlines()[-1])["sessions"] == MANY - done
    assert ended() == written_down() == BlacklistedToken.objects.count() == MANY
