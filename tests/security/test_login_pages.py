"""The login pages: no way to another host, no other Host, a new session key, the one throttle."""

import re

import pytest
from django.conf import settings as configured
from django.urls import reverse

from tests.support.users import PASSWORD, make_user

ELSEWHERE = [
    "https://evil.example/",
    "//evil.example/",
    "///evil.example/",
    "////evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "\\/evil.example",
    "http:evil.example",
    "http:///evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    " https://evil.example",
    "\thttps://evil.example",
    "/\t/evil.example",
    "https://testserver@evil.example/",
    "https://testserver.evil.example/",
    "//evil%E3%80%82example",
    "ftp://evil.example/",
]


@pytest.fixture(params=[configured.LOGIN_URL, "tokens_account:login", "admin:login"])
def page(request):
    return reverse(request.param)


def log_in(client, page, **data):
    return client.post(page, {"username": "sam", "password": PASSWORD, **data})


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
def test_next_parameter_leads_to_no_other_host(client, sam, page, elsewhere):
    answer = log_in(client, page, next=elsewhere)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/")
    assert "evil" not in answer.headers["Location"]


def test_next_parameter_leads_to_a_page_of_the_portal(client, sam, page):
    assert log_in(client, page, next="/account/").headers["Location"] == "/account/"


@pytest.mark.parametrize("host", ["evil.example", "testserver.evil.example", "a b", "x:y:z"])
def test_another_host_is_refused(client, db, page, host):
    assert client.get(page, HTTP_HOST=host).status_code == 400
    assert client.get("/api/restricted", HTTP_HOST=host).status_code == 400


def test_a_forwarded_host_is_not_believed(client, sam, page):
    answer = client.get("/staff/", HTTP_X_FORWARDED_HOST="evil.example", follow=True)
    assert b"evil.example" not in answer.content


def test_the_session_key_changes_at_login(client, sam, page):
    client.get(page)
    session = client.session
    session["planted"] = True
    session.save()
    client.cookies[configured.SESSION_COOKIE_NAME] = session.session_key
    log_in(client, page)
    assert client.cookies[configured.SESSION_COOKIE_NAME].value != session.session_key


def shown(client, page, username):
    """Return the response to a wrong password, without the parts that vary."""
    answer = client.post(page, {"username": username, "password": "wrong"})
    text = re.sub(r'nonce="[^"]*"|name="csrfmiddlewaretoken" value="[^"]*"', "", answer.text)
    headers = {name for name in answer.headers if name != "X-Request-ID"}
    return answer.status_code, text.replace(username, "…"), sorted(headers)


def test_a_refusal_tells_no_account_from_another(client, sam, page):
    make_user("inactive", is_active=False, is_staff=True)
    make_user("nostaff")
    unusable = make_user("unusable", is_staff=True)
    unusable.set_unusable_password()
    unusable.save()
    known = shown(client, page, "sam")
    for username in ("nobody", "inactive", "nostaff", "unusable"):
        assert shown(client, page, username) == known, username


def test_login_pages_and_api_share_one_throttle(client, api, sam, page, settings):
    settings.LOGIN_ATTEMPTS = 2
    wrong = {"username": "sam", "password": "wrong"}
    assert client.post(page, wrong).status_code == 200
    assert api.post("/api/login", wrong, format="json").status_code == 401
    locked = client.post(page, wrong)
    assert locked.status_code == 429
    assert int(locked.headers["Retry-After"]) > 0
