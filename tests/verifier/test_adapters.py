"""The adapters accept and refuse alike."""

import asyncio
from types import SimpleNamespace

import pytest
from django.http import HttpResponse
from django.test import RequestFactory
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView
from token_portal_verifier import Claims, Invalid, Stale, asgi, drf, wsgi
from token_portal_verifier import django as plain

GOOD = Claims(user_id="7", sid="s", exp=1)


def verify(token):
    if token == "stale":
        raise Stale
    if token != "good":
        raise Invalid("signature")
    return GOOD


FAKE = SimpleNamespace(verify=verify)
CASES = [
    (None, 401, "Bearer"),
    ("Basic Z29vZA==", 401, "Bearer"),
    ("Bearer bad", 401, 'Bearer error="invalid_token"'),
    ("Bearer stale", 503, None),
    ("bearer good", 200, None),
]


def by_asgi(app, header, kind="http", path="/"):
    """Return the status and headers of one call, or the messages of a WebSocket."""
    sent = []

    async def send(message):
        sent.append(message)

    headers = [(b"authorization", header.encode())] if header else []
    scope = {"type": kind, "path": path, "headers": headers, "method": "GET"}
    asyncio.run(app(scope, None, send))
    if kind != "http":
        return sent
    names = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], names, sent[1]["body"]


async def asgi_app(scope, receive, send):
    claims = scope.get("token_claims")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(claims and claims.user_id).encode()})


@pytest.mark.once
@pytest.mark.parametrize(("header", "status", "challenge"), CASES)
def test_asgi_middleware_answers_calls_without_a_good_token(header, status, challenge):
    app = asgi.TokenPortalMiddleware(asgi_app, verifier=FAKE, exempt=["/health"])
    got, headers, body = by_asgi(app, header)
    assert (got, headers.get("www-authenticate")) == (status, challenge)
    assert (body == b"7") == (status == 200)
    assert by_asgi(app, header, path="/health")[2] == b"None"
    if status != 200:
        assert by_asgi(app, header, kind="websocket")[0]["type"] == "websocket.close"


@pytest.mark.once
@pytest.mark.parametrize(("header", "status", "challenge"), CASES)
def test_wsgi_middleware_answers_calls_without_a_good_token(header, status, challenge):
    told = []

    def application(environ, start_response):
        start_response("200 OK", [])
        return [environ["token_portal.claims"].user_id.encode()]

    app = wsgi.TokenPortalMiddleware(application, verifier=FAKE)
    environ = {"PATH_INFO": "/", **({"HTTP_AUTHORIZATION": header} if header else {})}
    body = b"".join(app(environ, lambda line, headers: told.append((line, dict(headers)))))
    assert told[0][0].startswith(str(status))
    assert told[0][1].get("WWW-Authenticate") == challenge
    assert (body == b"7") == (status == 200)


@pytest.mark.once
@pytest.mark.parametrize(("header", "status", "challenge"), CASES)
def test_django_middleware_and_decorator_do_the_same(header, status, challenge, monkeypatch):
    monkeypatch.setattr(plain, "verifier", lambda: FAKE)
    view = plain.token_required(lambda request: HttpResponse(request.token_claims.user_id))
    request = RequestFactory().get("/", **({"HTTP_AUTHORIZATION": header} if header else {}))
    answer = plain.TokenPortalMiddleware(view)(request)
    assert (answer.status_code, answer.headers.get("WWW-Authenticate")) == (status, challenge)


@pytest.mark.once
@pytest.mark.parametrize(("header", "status", "challenge"), CASES)
def test_rest_framework_does_the_same(header, status, challenge, monkeypatch):
    monkeypatch.setattr(drf, "verifier", lambda: FAKE)

    class View(APIView):
        authentication_classes = [drf.TokenPortalAuthentication]
        permission_classes = [IsAuthenticated]

        def get(self, request):
            return Response({"account": request.user.id, "session": request.auth.session_id})

    request = RequestFactory().get("/", **({"HTTP_AUTHORIZATION": header} if header else {}))
    answer = View.as_view()(request)
    assert (answer.status_code, answer.headers.get("WWW-Authenticate")) == (status, challenge)
    assert (answer.data == {"account": "7", "session": "s"}) == (status == 200)
    assert ("Retry-After" in answer.headers) == (status == 503)
