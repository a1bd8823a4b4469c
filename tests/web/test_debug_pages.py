"""A debug page shows no password, token, key or cookie, and a refused form no hint."""

import json

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.test.utils import override_settings

from tests.support.tokens import pair_of

SECRETS = {
    "CACHES": {
        "default": {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "LOCATION": ["redis://:cache-hunter@cache:6379/1", "redis://h?password=query-hunter"],
        }
    },
    "WEBHOOK_URL": "https://hooks.example/services/webhook-hunter",
    "WEBHOOK_SECRET": "secret-hunter",
    "EMAIL_URL": "smtp://user:email-hunter@mail:25",
    "EMAIL_HOST_PASSWORD": "mailpass-hunter",
    "DATABASE_URL": "postgres://portal:data@base-hunter@db/portal",
    "SIGNING_KEYS_SECRET": "signing-hunter",
    "JWT_RETIRED_KEYS": ["retired-hunter"],
    "AUDIT_KEY": "audit-hunter",
}


@pytest.fixture
def debug(settings):
    settings.DEBUG = True
    settings.ROOT_URLCONF = "tests.web.debug_urls"
    settings.WHITENOISE_USE_FINDERS = False
    client = Client(raise_request_exception=False)
    with override_settings(**SECRETS):
        yield client


@pytest.mark.parametrize("accept", ["text/html", "text/plain"])
@pytest.mark.parametrize("kind", ["json", "form"])
def test_debug_page_shows_no_secret(debug, alice, accept, kind):
    token = pair_of(alice).refresh
    debug.cookies["sessionid"] = "cookie-hunter"
    debug.cookies["other"] = "other-hunter"
    body = {"username": "alice", "password": "body-hunter", "refresh": token, "code": "123456789"}
    answer = debug.post(
        f"/broken?next={token}",
        json.dumps(body) if kind == "json" else body,
        **({"content_type": "application/json"} if kind == "json" else {}),
        headers={"accept": accept, "authorization": f"Bearer {token}", "x-client": token},
        DATABASE_URL="postgres://portal:environment-hunter@db/portal",
    )
    assert answer.status_code == 500
    assert "ValueError" in answer.text
    assert "ROOT_URLCONF" in answer.text
    assert "hunter" not in answer.text
    assert "123456789" not in answer.text
    assert token.rpartition(".")[2] not in answer.text


def test_missing_page_with_debug_shows_no_token(debug, alice):
    token = pair_of(alice).refresh
    answer = debug.get(f"/nothing/{token}?x={token}", follow=True)
    assert answer.status_code == 404
    assert token.rpartition(".")[2] not in answer.text


@pytest.mark.parametrize("debugging", [True, False])
@pytest.mark.parametrize(
    "page", ["/staff/login/", "/account/login/", "/admin/login/", "/i18n/setlang/"]
)
def test_refused_form_says_what_to_do(db, settings, page, debugging):
    settings.DEBUG = debugging
    answer = Client(enforce_csrf_checks=True).post(page, {"username": "a"})
    assert answer.status_code == 403
    assert "This form has expired" in answer.text
    assert "CSRF" not in answer.text
    assert "Django" not in answer.text
    assert "DEBUG" not in answer.text


def test_refused_form_speaks_german(db):
    client = Client(enforce_csrf_checks=True)
    answer = client.post("/account/login/", {}, headers={"accept-language": "de"})
    assert "Dieses Formular ist abgelaufen" in answer.text
    assert django_settings.CSRF_FAILURE_VIEW == "tokens.web.errors.csrf_failure"
