"""The portal believes what its key signed with its algorithm, and nothing else."""

import pytest

from tests.support.forgeries import ASYMMETRIC, forgeries, material, signed
from tests.support.system_calls import reaching
from tokens.jwt.claims import parse
from tokens.jwt.keys import Key, key_ring
from tokens.sessions.issue import open_session
from tokens.validation.validator import validate


@pytest.fixture(params=ASYMMETRIC)
def asymmetric(request, settings) -> Key:
    pem = material(request.param)
    settings.JWT_SIGNING_KEY = pem
    settings.SIMPLE_JWT = {
        **settings.SIMPLE_JWT,
        "ALGORITHM": request.param,
        "SIGNING_KEY": pem,
    }
    return key_ring().current


def test_portal_accepts_its_own_asymmetric_tokens(asymmetric, alice) -> None:
    pair = open_session(user=alice)
    assert validate(token=pair.access).active
    assert validate(token=pair.refresh).active


def test_forged_token_is_refused_without_reaching_for_anything(asymmetric, alice, client) -> None:
    def status(token):
        return client.get(
            "/api/restricted", headers={"authorization": f"Bearer {token}"}
        ).status_code

    good = parse(open_session(user=alice).access)
    header = dict(good.header)
    assert status(signed(good.payload, header, asymmetric)) == 200
    tried = dict(forgeries(claims=good.payload, header=header, key=asymmetric))
    assert len(tried) > 80
    status("a.b.c")
    with reaching() as seen:
        accepted = [name for name, token in tried.items() if status(token) != 401]
    assert accepted == []
    assert seen == []


def test_only_the_public_half_is_served(asymmetric, client, db) -> None:
    (key,) = client.get("/.well-known/jwks.json").json()["keys"]
    assert key["kid"] == asymmetric.kid
    assert not {"d", "p", "q", "k"} & key.keys()
