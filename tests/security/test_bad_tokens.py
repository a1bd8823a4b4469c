"""Tokens that should not be believed: 401 or the documented constant answer, never a 5xx."""

import base64
import json

import jwt
import pytest
from django.conf import settings
from rest_framework_simplejwt.settings import api_settings

from tests.support.users import make_staff

KEY = settings.JWT_SIGNING_KEY
JSON = "application/json"
POSTS = {"refresh": "refresh", "verify": "token", "logout": "refresh", "revoke": "token"}


def b64(value):
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def claims_of(token):
    return jwt.decode(token, options={"verify_signature": False})


def signed(claims, headers=None):
    return jwt.encode(claims, KEY, algorithm="HS256", headers=headers)


def refused_everywhere(api, token, introspect, *, unknown_key=False):
    if "\0" not in token and token.isascii() and "\n" not in token:
        answer = api.get("/api/restricted", HTTP_AUTHORIZATION=f"Bearer {token}")
        assert answer.status_code == 401, answer.content
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    for call, name in POSTS.items():
        answer = api.post(
            f"/api/{call}", json.dumps({name: token}), content_type="application/json"
        )
        # Another host may know the key, and then the session is live.
        ended = 503 if unknown_key else 200
        expected = ended if call in {"logout", "revoke"} else 401
        assert answer.status_code == expected, (call, answer.content)
    answer = api.post(
        "/api/introspect",
        json.dumps({"token": token}),
        content_type="application/json",
        **introspect,
    )
    assert answer.content == b'{"active":false}'


@pytest.fixture
def introspect(api, db, login):
    pair = login(api, make_staff("resource", "introspect_token"))
    return {"HTTP_AUTHORIZATION": f"Bearer {pair['access']}"}


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE"])
@pytest.mark.parametrize("signature", ["", "AAAA"])
def test_token_with_alg_none_is_refused(api, alice, login, introspect, alg, signature):
    payload = claims_of(login(api, alice)["access"])
    token = f"{b64({'alg': alg, 'typ': 'JWT'})}.{b64(payload)}.{signature}"
    refused_everywhere(api, token, introspect)


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_token_signed_with_another_or_a_blank_key_is_refused(api, alice, login, introspect):
    payload = claims_of(login(api, alice)["access"])
    for key in ("another key that is long enough to be one of the right length", "x"):
        refused_everywhere(api, jwt.encode(payload, key, algorithm="HS256"), introspect)


@pytest.mark.parametrize(
    "headers",
    [
        {"jwk": {"kty": "oct", "k": "AAAA"}},
        {"jku": "http://127.0.0.1:9/jwks"},
        {"x5u": "http://127.0.0.1:9/x5u"},
        {"x5c": ["AAAA"]},
        {"crit": ["exp"]},
        {"zip": "DEF"},
    ],
)
def test_token_with_a_header_that_is_never_issued_is_refused(
    api, alice, login, introspect, headers
):
    payload = claims_of(login(api, alice)["access"])
    refused_everywhere(api, signed(payload, headers), introspect)


@pytest.mark.parametrize("kid", ["../../dev/null", "' OR 1=1 --", "http://127.0.0.1:9/"])
def test_token_that_names_an_unknown_key_is_refused(api, alice, login, introspect, kid):
    payload = claims_of(login(api, alice)["access"])
    refused_everywhere(api, signed(payload, {"kid": kid}), introspect, unknown_key=True)


@pytest.mark.parametrize(
    "change",
    [
        {"exp": 1},
        {"exp": 10**30},
        {"exp": -1},
        {"exp": "soon"},
        {"exp": None},
        {"nbf": 99999999999},
        {"iat": 99999999999},
        {"user_id": "abc"},
        {"user_id": {}},
        {"user_id": ""},
        {"user_id": 10**40},
        {"jti": []},
        {"jti": ""},
        {"jti": "x" * 300},
        {"sid": "not-a-uuid"},
        {"sid": []},
        {"token_type": "sliding"},
        {"token_type": []},
    ],
)
@pytest.mark.parametrize("kind", ["access", "refresh"])
def test_signed_token_with_absurd_claims_is_refused(api, alice, login, introspect, kind, change):
    payload = {**claims_of(login(api, alice)[kind]), **change}
    refused_everywhere(api, signed_raw(payload), introspect)


def signed_raw(payload):
    """PyJWT itself refuses to sign some of these."""
    return jwt.api_jws.encode(json.dumps(payload).encode(), KEY, algorithm="HS256")


@pytest.mark.parametrize("missing", ["exp", "jti", "user_id", "sid", "token_type"])
def test_token_that_lacks_a_claim_is_refused(api, alice, login, introspect, missing):
    payload = claims_of(login(api, alice)["access"])
    del payload[missing]
    refused_everywhere(api, signed(payload), introspect)


@pytest.mark.parametrize(
    "token",
    ["", " ", "a", "a.b", "a.b.c", "a.b.c.d", "..", "\0.\0.\0", "\ud800", "é.é.é", "[].[].[]"],
)
def test_malformed_token_is_refused(api, introspect, token):
    refused_everywhere(api, token, introspect)


@pytest.mark.parametrize(
    "part",
    [
        *(b"", b"x", b"[]", b"null", b'"text"', b"7", b"NaN", b"\xff\xfe", b"\0"),
        *(b'{"sub":"\\ud800"}', b'{"jti":"\\u0000"}', b'{"alg":"HS256","alg":"none"}'),
        b'{"a":' + b"9" * 5000,
    ],
)
@pytest.mark.parametrize("place", ["header", "payload"])
def test_token_part_that_is_not_a_json_object_is_refused(
    api, alice, login, introspect, place, part
):
    """With a signature that is right for it."""
    header, payload, _ = login(api, alice)["access"].split(".")
    parts = [b64(part), payload] if place == "header" else [header, b64(part)]
    signer = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signature = signer.sign(".".join(parts).encode(), KEY.encode())
    refused_everywhere(api, ".".join([*parts, b64(signature)]), introspect)


def test_token_with_deeply_nested_json_is_refused(api, introspect):
    deep = b64(b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}")
    refused_everywhere(api, f"{b64({'alg': 'HS256'})}.{deep}.AAAA", introspect)


@pytest.mark.parametrize("decorate", ["{}=", "{}==", " {} ", "{}\t"])
def test_a_revoked_token_stays_revoked_in_any_spelling(api, alice, login, introspect, decorate):
    pair = login(api, alice)
    api.post("/api/logout", {"refresh": pair["refresh"]}, format="json")
    for token in pair.values():
        refused_everywhere(api, decorate.format(token), introspect)


def test_token_of_the_other_type_is_refused(api, alice, login):
    pair = login(api, alice)
    answer = api.get("/api/restricted", HTTP_AUTHORIZATION=f"Bearer {pair['refresh']}")
    assert answer.status_code == 401
    assert api.post("/api/refresh", {"refresh": pair["access"]}, format="json").status_code == 401


@pytest.fixture
def configured(monkeypatch):
    """Reload the settings that simplejwt reads once at start-up."""
    monkeypatch.setattr(api_settings, "ISSUER", "https://us")
    monkeypatch.setattr(api_settings, "AUDIENCE", "api")


@pytest.mark.parametrize(
    "change",
    [{"iss": None}, {"aud": None}, {"iss": "https://them"}, {"aud": "other"}, {"aud": ["other"]}],
)
def test_wrong_issuer_or_audience_is_refused_where_configured(
    api, alice, login, introspect, configured, change
):
    payload = {**claims_of(login(api, alice)["access"]), **change}
    payload = {name: value for name, value in payload.items() if value is not None}
    refused_everywhere(api, signed(payload), resigned(introspect))


def resigned(bearer):
    """Return a resource server's token as it would be issued with both settings."""
    payload = claims_of(bearer["HTTP_AUTHORIZATION"].removeprefix("Bearer "))
    token = signed({**payload, "iss": "https://us", "aud": "api"})
    return {"HTTP_AUTHORIZATION": f"Bearer {token}"}
