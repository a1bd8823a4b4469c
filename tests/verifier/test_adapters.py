"""The services in docs/services.md run as pasted; the adapters accept and refuse alike."""

import asyncio
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from django.http import HttpResponse
from django.test import RequestFactory
from token_portal_verifier import Claims, Invalid, Stale, asgi, wsgi
from token_portal_verifier import django as plain

from tests.docs.markdown import fences, text_of
from tests.support.server.portal import ROOT, free_port
from tests.verifier.conftest import ISSUER, within
from tokens.models import Session
from tokens.revocation import revoke_session

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


def pasted(name):
    """Return the Python block of docs/services.md that is the file ``name``."""
    blocks = fences(text_of("docs/services.md"), "python")
    (block,) = (block for block in blocks if block.startswith(f"# {name}\n"))
    return block


def environment(proxy, secret):
    return {
        "PORTAL_ISSUER": ISSUER,
        "PORTAL_URL": f"http://127.0.0.1:{proxy.port}",
        "PORTAL_SECRET": secret,
    }


@contextmanager
def gunicorn(folder, module, env):
    port = free_port()
    path = os.pathsep.join([str(folder), str(ROOT / "verifier")])
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", module],
        cwd=folder,
        env={**os.environ, **env, "PYTHONPATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def accepted_revoked_away_and_back(call, proxy):
    """Go through what a service has to do; ``call`` returns the status of one call."""
    assert within(30, lambda: call() == 200)
    proxy.drop()
    assert call() == 200
    proxy.restore()
    time.sleep(0.1)
    revoke_session(session=Session.objects.get(), actor=None, reason="why")
    assert within(8, lambda: call() == 401)


@pytest.mark.slow
def test_asgi_service_of_the_docs_runs_as_pasted(proxy, secret, tokens, monkeypatch, alice):
    for name, value in environment(proxy, secret).items():
        monkeypatch.setenv(name, value)
    module: dict[str, Any] = {}
    exec(pasted("invoices.py"), module)
    header = f"Bearer {tokens['access']}"
    assert by_asgi(module["app"], header)[2] == f'{{"account": "{alice.pk}"}}'.encode()
    assert by_asgi(module["app"], None)[0] == 401
    accepted_revoked_away_and_back(lambda: by_asgi(module["app"], header)[0], proxy)
    module["verifier"].close()


@pytest.mark.slow
def test_rest_framework_service_of_the_docs_runs_as_pasted(proxy, secret, tokens, tmp_path, alice):
    (tmp_path / "orders.py").write_text(pasted("orders.py"))
    bearer = {"Authorization": f"Bearer {tokens['access']}"}

    with gunicorn(tmp_path, "orders", environment(proxy, secret)) as url:

        def call(headers=bearer):
            try:
                return requests.get(f"{url}/orders", headers=headers, timeout=20).status_code
            except requests.ConnectionError:
                return 0

        assert within(30, lambda: call() == 200)
        body = requests.get(f"{url}/orders", headers=bearer, timeout=20).json()
        assert body == {"account": str(alice.pk)}
        assert call({}) == 401
        assert call({"Authorization": "Bearer x"}) == 401
        accepted_revoked_away_and_back(call, proxy)
