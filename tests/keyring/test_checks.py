"""The portal does not start with a ring that it can't use."""

import subprocess
import sys

import pytest
from django.core.checks import run_checks

from tests.keyring.conftest import SECRET
from tests.support.server.portal import ROOT, environment
from tokens.jwt.algorithms import ALGORITHMS
from tokens.keyring.acts import add_key
from tokens.keyring.checks import check_ring
from tokens.models import SigningKey

OTHER = "another-secret-of-the-tests-ring-hJ5qW8xR2vN7tM4kP9sL3dF6g"
ES256 = ALGORITHMS["ES256"]


def found():
    return [message.id for message in check_ring()]


def test_ring_with_a_key_passes(rotate_to):
    rotate_to("ES256")
    assert found() == []
    assert "tokens.E013" not in {message.id for message in run_checks(tags=["tokens"])}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("SIGNING_KEYS", "vault", "tokens.E011"),
        ("SIGNING_KEYS_SECRET", "", "tokens.E012"),
        ("SIGNING_KEYS_SECRET", "k" * 64, "tokens.E012"),
        ("SIGNING_KEYS_SECRET", "JWT_SIGNING_KEY", "tokens.E012"),
        ("SIGNING_KEYS_SECRET", "AUDIT_KEY", "tokens.E012"),
        ("SIGNING_KEYS_SECRET", OTHER, "tokens.E014"),
    ],
)
def test_wrong_setting_is_named(rotate_to, settings, name, value, expected):
    rotate_to("ES256")
    setattr(settings, name, getattr(settings, value, value))
    assert found() == [expected]


def test_ring_without_a_signing_key_is_named(ring):
    assert found() == ["tokens.E013"]


def test_row_that_was_changed_is_a_warning_unless_it_signs(rotate_to):
    rotate_to("HS256")
    rotate_to("ES256")
    SigningKey.objects.filter(state="verifying").update(algorithm="HS384")
    assert found() == ["tokens.W014"]
    SigningKey.objects.filter(state="signing").update(algorithm="ES384")
    assert found() == ["tokens.W014", "tokens.E014"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"SIGNING_KEYS_SECRET": OTHER}, "SIGNING_KEYS_SECRET is not the secret that"),
        ({"SIGNING_KEYS_SECRET": ""}, "SIGNING_KEYS_SECRET must be set"),
        ({"SIGNING_KEYS": "vault"}, "SIGNING_KEYS is none of environment, database"),
        ({}, ""),
    ],
    ids=["another secret", "no secret", "another word", "right"],
)
def test_portal_refuses_to_start_in_one_line(transactional_db, settings, changes, expected):
    """Such as on a host where a dump was restored, without the secret that encrypted it."""
    settings.SIGNING_KEYS_SECRET = SECRET
    add_key(algorithm=ES256)
    add_key(algorithm=ALGORITHMS["HS256"])
    env = {"SIGNING_KEYS": "database", "SIGNING_KEYS_SECRET": SECRET, **changes}
    ran = subprocess.run(
        [sys.executable, "-m", "portal.startup"],
        cwd=ROOT,
        env=environment(**env),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode != 0) == bool(expected), ran.stderr
    assert len(ran.stderr.splitlines()) == bool(expected), ran.stderr
    assert expected in ran.stderr
