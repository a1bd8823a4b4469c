"""Pages of other origins can call the API, if CORS_ALLOWED_ORIGINS lists them."""

import pytest
from corsheaders.middleware import CorsMiddleware

ORIGIN = "https://app.example.com"


def test_page_of_another_origin_may_send_the_header_of_its_client(client, settings):
    settings.CORS_ALLOWED_ORIGINS = [ORIGIN]
    settings.MIDDLEWARE = [
        f"{CorsMiddleware.__module__}.{CorsMiddleware.__name__}",
        *settings.MIDDLEWARE,
    ]
    response = client.options(
        "/api/login",
        headers={
            "Origin": ORIGIN,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "x-client",
        },
    )
    allowed = response.headers["Access-Control-Allow-Headers"].split(", ")
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert {"authorization", "content-type", "x-client"} <= set(allowed)


@pytest.mark.once
def test_page_of_another_origin_can_read_every_refusal(serve, alice):
    server = serve(CORS_ALLOWED_ORIGINS=ORIGIN, LOGIN_ATTEMPTS="1", WEB_CONCURRENCY="1")
    wrong = {"username": "alice", "password": "wrong"}
    calls = [
        (401, "GET", "/api/restricted", {}),
        (401, "POST", "/api/login", {"json": wrong}),
        (429, "POST", "/api/login", {"json": wrong}),
        (413, "POST", "/api/verify", {"json": {"token": "x" * 70_000}}),
        (404, "GET", "/api/nothing", {}),
        (400, "GET", "/api/restricted", {"headers": {"Host": "strange.example.com"}}),
    ]
    for status, method, path, options in calls:
        headers = options.pop("headers", {}) | {"Origin": ORIGIN}
        answer = server.call(method, path, headers=headers, **options)
        assert answer.status_code == status
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN, status
        exposed = answer.headers["Access-Control-Expose-Headers"]
        assert exposed == "retry-after, x-request-id"
    strange = server.call("GET", "/api/restricted", headers={"Origin": "https://other.example"})
    assert "Access-Control-Allow-Origin" not in strange.headers
