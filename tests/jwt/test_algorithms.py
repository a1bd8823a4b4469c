"""Each algorithm that can sign is declared once, with the keys it takes."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from django.core.checks import run_checks

from tests.jwt.test_keys import pem
from tests.support.tokens import failed, pair_of
from tokens.jwt.algorithms import ALGORITHMS


@pytest.mark.once
@pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=ALGORITHMS)
def test_generated_key_of_every_algorithm_signs_and_passes_the_checks(alice, settings, algorithm):
    settings.JWT_SIGNING_KEY = algorithm.generate()
    settings.SIMPLE_JWT = settings.SIMPLE_JWT | {
        "ALGORITHM": algorithm.name,
        "SIGNING_KEY": settings.JWT_SIGNING_KEY,
    }
    assert failed(pair_of(alice).access) is None
    found = {message.id for message in run_checks(tags=["tokens"])}
    assert found <= {"tokens.E007"}  # the SECRET_KEY of the tests


@pytest.mark.parametrize(
    ("name", "generate"),
    [
        ("ES256", lambda: ec.generate_private_key(ec.SECP384R1())),
        ("ES256", lambda: rsa.generate_private_key(65537, 2048)),
        ("RS256", lambda: ec.generate_private_key(ec.SECP256R1())),
        ("EdDSA", lambda: ec.generate_private_key(ec.SECP256R1())),
    ],
    ids=["another curve", "RSA for ES256", "EC for RS256", "EC for EdDSA"],
)
def test_key_of_another_type_or_curve_is_refused(name, generate):
    with pytest.raises(ValueError, match=name):
        ALGORITHMS[name].load(pem(generate()))


def test_rsa_key_below_the_minimum_fails_the_check(settings):
    settings.JWT_SIGNING_KEY = pem(rsa.generate_private_key(65537, 1024))
    settings.SIMPLE_JWT = settings.SIMPLE_JWT | {
        "ALGORITHM": "RS256",
        "SIGNING_KEY": settings.JWT_SIGNING_KEY,
    }
    assert "tokens.E004" in {message.id for message in run_checks(tags=["tokens"])}
