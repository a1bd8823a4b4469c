"""HTTP itself: challenges, methods, media types, sizes, and where a token is looked for."""

import json

import pytest

NONE = {"detail": "Authentication credentials were not provided."}


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer a b", "Bearer\ttoken", "Basic YTpi", "\xff\xfe", "Token x"],
)
def test_malformed_authorization_header_is_a_401(api, db, header):
    answer = api.get("/api/restricted", HTTP_AUTHORIZATION=header)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


def test_call_without_a_token_has_the_documented_body_in_every_language(api, db):
    for language in ("en", "de"):
        answer = api.get("/api/restricted", HTTP_ACCEPT_LANGUAGE=language)
        assert answer.json() == NONE
        assert "error=" not in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_scheme_is_matched_in_any_case(api, alice, login, scheme):
    token = login(api, alice)["access"]
    answer = api.get("/api/restricted", HTTP_AUTHORIZATION=f"{scheme} {token}")
    assert answer.json() == {"response": "YOU ARE ALLOWED HERE"}


@pytest.mark.parametrize("path", ["login", "refresh", "verify"])
def test_every_401_carries_a_challenge(api, db, path):
    body = {"username": "x", "password": "x", "refresh": "x", "token": "x"}
    answer = api.post(f"/api/{path}", body, format="json")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


def test_token_outside_the_authorization_header_is_ignored(api, alice, login):
    token = login(api, alice)["access"]
    api.cookies["access"] = token
    answer = api.get("/api/restricted", {"access_token": token, "token": token})
    assert (answer.status_code, answer.json()) == (401, NONE)


def test_bearer_token_in_the_body_is_ignored(api, alice, login):
    """RFC 6750, section 2.2, allows tokens in the body; the portal does not."""
    token = login(api, alice)["access"]
    body = {"access_token": token, "token": token}
    for method, path in (("delete", "sessions"), ("post", "introspect")):
        answer = getattr(api, method)(f"/api/{path}", body, format="json")
        assert (answer.status_code, answer.json()) == (401, NONE)


def test_a_cookie_session_opens_nothing(client, alice):
    client.force_login(alice)
    assert client.get("/api/restricted").status_code == 401


def test_responses_with_tokens_forbid_caching(api, alice, login, password):
    body = {"username": "alice", "password": password}
    answer = api.post("/api/login", body, format="json")
    assert answer.headers["Cache-Control"] == "no-store"
    again = api.post("/api/refresh", {"refresh": answer.json()["refresh"]}, format="json")
    assert again.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("get", "login", "POST"),
        ("put", "refresh", "POST"),
        ("post", "restricted", "GET"),
        ("patch", "sessions", "DELETE"),
        ("post", "staff/tokens", "GET"),
    ],
)
def test_wrong_method_is_a_405_that_lists_the_allowed_ones(api, db, method, path, allow):
    answer = getattr(api, method)(f"/api/{path}")
    assert answer.status_code == 405
    assert allow in answer.headers["Allow"]


@pytest.mark.parametrize("path", ["login", "refresh", "logout", "verify", "revoke"])
@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=x", "nonsense"])
def test_unsupported_media_type_is_a_415(api, db, path, kind):
    answer = api.post(f"/api/{path}", "x", content_type=kind)
    assert answer.status_code == 415
    assert answer.json() == {"detail": "Unsupported media type in request."}


@pytest.mark.parametrize("path", ["login", "refresh", "logout", "verify", "revoke"])
@pytest.mark.parametrize(
    "body", [b"{", b"\xff", b"\0", b"NaN", b"[" * 60_000, b'{"a":' + b"9" * 5000 + b"}"]
)
def test_a_malformed_body_is_a_400(api, db, path, body):
    answer = api.post(f"/api/{path}", body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["detail"]


@pytest.mark.parametrize("charset", ["rot13", "hex", "zlib", "utf-16", "undefined", "nonsense"])
def test_a_charset_that_is_none_changes_nothing(api, db, charset):
    kind = f"application/json; charset={charset}"
    answer = api.post("/api/verify", b'{"token": "x"}', content_type=kind)
    assert answer.status_code == 401
    kind = f"application/x-www-form-urlencoded; charset={charset}"
    assert api.post("/api/revoke", b"token=x", content_type=kind).status_code == 200


def test_a_body_over_64_kib_is_a_413(api, db):
    body = json.dumps({"token": "x" * 65536})
    answer = api.post("/api/verify", body, content_type="application/json")
    assert answer.status_code == 413
    assert answer.json()["detail"]


@pytest.mark.parametrize("bad", ["\0", "\ud800"])
def test_text_that_no_database_holds_is_a_400(api, db, bad):
    body = json.dumps({"username": f"al{bad}ice", "password": "x"})
    assert api.post("/api/login", body, content_type="application/json").status_code == 400


@pytest.mark.slow
def test_an_address_or_a_header_over_8_kib_is_the_servers_to_refuse(portal_server, alice):
    for path in ("tokens?q=", "tokens/"):
        answer = portal_server.call("GET", f"/api/staff/{path}{'x' * 9000}")
        assert answer.status_code == 414
    answer = portal_server.call("GET", "/api/restricted", token="x" * 9000)
    assert answer.status_code == 431
    assert portal_server.call("GET", "/api/restricted").status_code == 401


def test_logout_with_an_access_token_ends_nothing(api, alice, login):
    pair = login(api, alice)
    answer = api.post("/api/logout", {"refresh": pair["access"]}, format="json")
    assert (answer.status_code, answer.json()) == (200, {})
    assert api.post("/api/refresh", {"refresh": pair["refresh"]}, format="json").status_code == 200
