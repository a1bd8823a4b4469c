"""A long revocation by the command may be interrupted, gently or not: what was done is done and
written down, and running it again does the rest, once."""

import json
import signal
import subprocess
import sys
import time

import pytest
from django.db.models import Sum
from django.utils import timezone

from bench.revoking import heed_interruption
from tests.support.many import hold
from tests.support.server import ROOT, environment
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


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_revocation_goes_on_where_it_was(transactional_db, alice, how):
    hold(alice, MANY)
    before = timezone.now()
    first = start(before)
    until = time.monotonic() + 60
    while not ended() and first.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    first.send_signal(how)
    _out, words = first.communicate(timeout=60)
    done = ended()
    assert 0 < done < MANY
    assert done == written_down() == BlacklistedToken.objects.count()
    if how == signal.SIGINT:
        assert first.returncode == 130
        assert "run it again to go on" in words

    second = start(before)
    said, _words = second.communicate(timeout=120)
    assert json.loads(said.splitlines()[-1])["sessions"] == MANY - done
    assert ended() == written_down() == BlacklistedToken.objects.count() == MANY
