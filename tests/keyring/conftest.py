"""A ring of signing keys in the database of the test."""

import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from tokens.jwt.algorithms import ALGORITHMS
from tokens.keyring.acts import add_key, promote_key
from tokens.keyring.following import database_ring
from tokens.models import SigningKey

SECRET = "secret-of-the-tests-ring-opening-nothing-Zr8vQ2mX9kLw4TnB7c"


@pytest.fixture
def ring(db: None, settings: Any) -> None:
    """Keep the keys in the database, which has none yet."""
    settings.SIGNING_KEYS = "database"
    settings.SIGNING_KEYS_SECRET = SECRET


@pytest.fixture
def rotate_to(ring: None) -> Callable[[str], SigningKey]:
    """``rotate_to("ES256") -> SigningKey``: add a key and let it sign."""

    def rotate(algorithm: str) -> SigningKey:
        key = add_key(algorithm=ALGORITHMS[algorithm]).key
        promote_key(kid=key.kid, at_once=True)
        database_ring.forget()
        return SigningKey.objects.get(kid=key.kid)

    return rotate


@pytest.fixture
def run() -> Callable[..., Any]:
    """``run("add", "--alg", "ES256") -> dict``: run the command with ``--json``."""

    def command(*words: str) -> Any:
        out = StringIO()
        call_command("signing_keys", *words, "--json", stdout=out, stderr=StringIO())
        return json.loads(out.getvalue())

    return command
