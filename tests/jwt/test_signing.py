"""Only what this portal signed is read, and what is kept of it cannot be presented."""

import jwt
import pytest
from rest_framework_simplejwt.settings import api_settings

from tests.support.tokens import failed, later, pair_of
from tokens.jwt.claims import parse
from tokens.jwt.keys import key_ring
from tokens.jwt.signing import Unreadable, read
from tokens.models import OutstandingToken
from tokens.sessions.refresh import rotate
from tokens.validation.validator import validate


def forged(claims, **kwargs):
    ring = key_ring()
    headers = {"kid": ring.current.kid, **kwargs.pop("headers", {})}
    key = kwargs.pop("key", ring.current.signing)
    return jwt.encode(claims, key, algorithm=kwargs.pop("algorithm", "HS256"), headers=headers)


def test_what_is_stored_is_what_was_issued_less_the_signature(alice):
    pair = pair_of(alice, tenant="north", roles=["a", "b"])
    (row,) = OutstandingToken.objects.all()
    assert row.token == pair.refresh.rpartition(".")[0] + "."
    assert parse(row.token).payload == read(pair.refresh)
    assert row.jti == read(pair.refresh)["jti"]
    assert int(row.expires_at.timestamp()) == read(pair.refresh)["exp"]


def test_what_is_stored_opens_nothing(alice):
    pair_of(alice)
    assert validate(token=OutstandingToken.objects.get().token).failed == "signature"


def test_custom_claims_are_in_both_tokens(alice):
    pair = pair_of(alice, tenant="north")
    assert read(pair.refresh)["tenant"] == read(pair.access)["tenant"] == "north"


def test_an_access_token_carries_what_the_contract_names(alice):
    assert set(read(pair_of(alice).access)) == {
        "token_type", "exp", "iat", "jti", "user_id", "sub", "sid",
        "sid_at",
    }  # fmt: skip


def test_access_token_names_the_account_as_its_subject(alice):
    pair = pair_of(alice)
    second = rotate(refresh=pair.refresh)
    for access in (pair.access, second.access):
        assert read(access)["sub"] == read(access)["user_id"] == str(alice.pk)
    assert "sub" not in read(pair.refresh) | read(second.refresh)


def test_subject_is_the_user_id_of_the_project(alice, monkeypatch):
    monkeypatch.setattr(api_settings, "USER_ID_FIELD", "username")
    monkeypatch.setattr(api_settings, "USER_ID_CLAIM", "account")
    access = read(pair_of(alice).access)
    assert access["account"] == access["sub"] == "alice"


def test_subject_that_the_project_chose_is_kept(alice):
    pair = pair_of(alice, sub="alice@example.com")
    for access in (pair.access, rotate(refresh=pair.refresh).access):
        assert read(access)["sub"] == "alice@example.com"


def test_access_token_without_a_subject_is_still_valid(alice):
    claims = {k: v for k, v in read(pair_of(alice).access).items() if k != "sub"}
    assert validate(token=forged(claims)).active


def test_audience_makes_an_access_token_of_rfc_9068(alice, settings):
    before = pair_of(alice)
    settings.JWT_AUDIENCE = "shop"
    pair = pair_of(alice)
    second = rotate(refresh=pair.refresh)
    for access in (pair.access, second.access):
        assert read(access)["aud"] == "shop"
        assert parse(access).header["typ"] == "at+jwt"
    # Issued before the setting: the access token names no audience, the refresh token needs none.
    assert failed(before.access) == "signature"
    assert read(rotate(refresh=before.refresh).access)["aud"] == "shop"


def test_service_never_takes_a_refresh_token_for_an_access_token(alice, settings):
    settings.JWT_AUDIENCE = "shop"
    key = key_ring().current.verifying
    pair = pair_of(alice)
    for refresh in (pair.refresh, rotate(refresh=pair.refresh).refresh):
        assert parse(refresh).header["typ"] == "JWT"
        with pytest.raises(jwt.MissingRequiredClaimError):
            jwt.decode(refresh, key, algorithms=["HS256"], audience="shop")


def test_refresh_token_for_another_audience_is_refused(alice, settings):
    settings.JWT_AUDIENCE = "shop"
    claims = read(pair_of(alice).refresh)
    assert failed(forged(claims | {"aud": "shop"})) is None
    assert failed(forged(claims | {"aud": "bank"})) == "signature"


@pytest.mark.parametrize("name", ["exp", "jti", "sid", "sid_at", "user_id", "token_type", "aud"])
def test_the_portals_own_claims_cannot_be_given(alice, name):
    with pytest.raises(ValueError, match=name):
        pair_of(alice, **{name: "mine"})
    assert not OutstandingToken.objects.exists()


def test_a_token_too_long_to_be_read_again_is_not_issued(alice):
    with pytest.raises(ValueError, match="long"):
        pair_of(alice, novel="x" * 20_000)
    assert not OutstandingToken.objects.exists()


@pytest.mark.parametrize(
    "headers",
    [
        {"jwk": {"kty": "oct"}},
        {"jku": "https://example.com/jwks"},
        {"x5u": "https://example.com/x5u"},
        {"crit": ["exp"]},
        {"b64": False},
        {"zip": "DEF"},
        {"kid": "unknown"},
        {"kid": "../../etc/passwd"},
    ],
)
def test_a_header_we_never_issue_is_refused(alice, headers):
    claims = read(pair_of(alice).access)
    with pytest.raises(Unreadable) as raised:
        read(forged(claims, headers=headers))
    assert raised.value.check == "signature"


def test_a_token_of_another_service_on_the_same_key_needs_no_kid(alice):
    claims = read(pair_of(alice).access)
    assert read(jwt.encode(claims, key_ring().current.signing, algorithm="HS256")) == claims


def test_another_algorithm_or_key_is_refused(alice):
    claims = read(pair_of(alice).access)
    for token in (forged(claims, algorithm="HS384"), forged(claims, key="k" * 64)):
        with pytest.raises(Unreadable):
            read(token)


@pytest.mark.parametrize(
    "change",
    [
        {"exp": 10**30},
        {"exp": -1},
        {"exp": "soon"},
        {"exp": None},
        {"exp": True},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"iat": -5},
        {"iat": 10**12},
        {"nbf": 10**12},
        {"jti": ""},
        {"jti": "x" * 300},
        {"jti": ["a"]},
        {"jti": "a\0b"},
        {"jti": None},
        {"token_type": "sliding"},
        {"token_type": ["access"]},
        {"sub": 5},
    ],
)
def test_a_well_signed_absurdity_is_unreadable(alice, change):
    with pytest.raises(Unreadable):
        read(forged(read(pair_of(alice).access) | change))


@pytest.mark.parametrize("user_id", ["abc", {}, "", 10**40, None, True, [1], "999999"])
def test_a_token_that_names_another_account_is_refused(alice, user_id):
    claims = read(pair_of(alice).access) | {"user_id": user_id}
    assert validate(token=forged(claims)).failed == "user"


@pytest.mark.parametrize("sid", ["abc", {}, "", 5, None, "00000000-0000-4000-8000-000000000000"])
def test_a_token_of_no_session_is_refused(alice, sid):
    claims = read(pair_of(alice).access) | {"sid": sid}
    assert validate(token=forged(claims)).failed == "known"


def test_a_token_expires_to_the_second_whatever_leeway_simplejwt_has(alice, settings):
    settings.SIMPLE_JWT = settings.SIMPLE_JWT | {"LEEWAY": 3600}
    pair = pair_of(alice)
    with later(minutes=5):
        assert validate(token=pair.access).failed == "times"
    with later(days=7):
        assert validate(token=pair.refresh).failed == "times"


def test_an_access_token_that_was_read_before_still_expires(alice):
    token = pair_of(alice).access
    assert read(token) == read(token)
    with later(minutes=6):
        assert validate(token=token).failed == "times"


def test_what_a_caller_does_to_the_claims_is_not_remembered(alice):
    token = pair_of(alice).access
    read(token)["user_id"] = "1"
    assert read(token)["user_id"] == str(alice.pk)
