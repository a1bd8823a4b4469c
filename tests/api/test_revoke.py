"""POST api/revoke (RFC 7009): always 200, and a token of the portal ends its session."""

import pytest


@pytest.mark.parametrize("kind", ["refresh", "access"])
@pytest.mark.parametrize("body", ["json", "multipart-free-form"])
def test_revoke_call_ends_the_session_of_a_token(api, alice, login, kind, body):
    pair = login(api, alice)
    data = {"token": pair[kind]}
    if body == "json":
        answer = api.post("/api/revoke", data, format="json")
    else:
        answer = api.post(
            "/api/revoke", f"token={pair[kind]}", content_type="application/x-www-form-urlencoded"
        )
    assert (answer.status_code, answer.json()) == (200, {})
    assert api.post("/api/refresh", {"refresh": pair["refresh"]}, format="json").status_code == 401
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {pair['access']}"}
    assert api.get("/api/restricted", **bearer).status_code == 401


@pytest.mark.parametrize("data", [{}, {"token": ""}, {"token": "rubbish"}, {"token": "a.b.c"}, []])
def test_revoke_call_with_an_invalid_token_changes_nothing(api, alice, login, data):
    pair = login(api, alice)
    assert api.post("/api/revoke", data, format="json").status_code == 200
    assert api.post("/api/verify", {"token": pair["access"]}, format="json").status_code == 200
