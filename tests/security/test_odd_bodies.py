"""Bodies, headers, cookies and form posts that make no sense never cause a server error."""

import json

import pytest
from django.test import Client
from django.urls import reverse

from tests.support.tokens import pair_of

ODD = [
    "\0",
    "a\0b",
    "\ud800",
    "x" * 5000,
    "9" * 400,
    "-1",
    "1e400",
    "NaN",
    "\u202e\x1b",
    " ",
    "",
    "٣",
    "'\"<>&",
    "../../x",
    "0001-01-01",
    "99999-01-01T00:00",
    "%00",
    "{}",
    "[]",
]
RAW = [
    b"",
    b"{",
    b"[]",
    b'"x"',
    b"null",
    b"NaN",
    b'{"a":Infinity}',
    b'{"username":["a"],"password":{}}',
    b'{"username":"a","username":"b","password":"c"}',
    b'{"token":1e999}',
    b"\xff\xfe",
    b"\xef\xbb\xbf{}",
    b'{"refresh":"\\ud800","token":"\\u0000","reason":"\\udfff"}',
    b"[" * 30_000,
    b'{"a":' * 9_000,
    b'{"username":"\\u0000","password":"\\u0000"}',
    b'{"reason":"\\ud800"}',
    b"1" * 5000,
]
CALLS = ("login", "refresh", "logout", "verify", "revoke", "introspect")
TYPES = (
    "application/json",
    "application/json; charset=utf-16",
    "application/x-www-form-urlencoded; charset=nothing",
    "multipart/form-data",
    "text/plain",
    "x",
)


@pytest.mark.parametrize("raw", RAW)
def test_odd_body_of_a_call_is_not_a_server_error(api, login, sam, alice, raw):
    headers = {"authorization": f"Bearer {login(api, sam)['access']}"}
    paths = [f"/api/{name}" for name in CALLS]
    paths.append(f"/api/staff/users/{alice.pk}/revoke")
    for path in paths:
        for kind in TYPES if len(raw) < 100 else TYPES[:1]:
            answer = api.generic("POST", path, raw, content_type=kind, headers=headers)
            assert answer.status_code < 500, (path, kind, answer.status_code)


@pytest.mark.parametrize("odd", ODD)
def test_odd_field_of_a_form_is_not_a_server_error(client, sam, alice, odd):
    client.force_login(sam)
    session = pair_of(alice).session
    text = odd.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    posts = {
        f"/staff/revoke/?session={session.pk}": ("reason", "detail", "typed", "next"),
        "/staff/inspect/": ("token",),
        "/staff/events/export/": ("format",),
        "/i18n/setlang/": ("language", "next"),
        "/account/login/": ("username", "password", "next"),
        "/staff/login/": ("username", "password", "next"),
        "/admin/login/": ("username", "password", "next"),
        reverse("admin:tokens_session_changelist"): ("action", "_selected_action", "select_across"),
        reverse("admin:auth_user_changelist"): ("action", "_selected_action", "index"),
    }
    for path, names in posts.items():
        for name in names:
            answer = client.post(path, {name: [text, text]})
            assert answer.status_code < 500, (path, name)
        answer = client.post(path, dict.fromkeys(names, text))
        assert answer.status_code < 500, path
    for action in ("revoke_selected", "revoke_all_tokens"):
        for page in ("admin:tokens_session_changelist", "admin:auth_user_changelist"):
            data = {"action": action, "_selected_action": [text, "1"], "confirm": text}
            assert client.post(reverse(page), data).status_code < 500, (action, page)


@pytest.mark.parametrize("odd", ODD)
def test_odd_header_or_cookie_is_not_a_server_error(sam, odd):
    client = Client()
    client.force_login(sam)
    value = odd.encode("utf-8", "surrogatepass").decode("latin-1").replace("\n", "")
    names = (
        "user-agent",
        "x-client",
        "x-request-id",
        "referer",
        "hx-current-url",
        "hx-request",
        "accept",
        "accept-language",
        "x-forwarded-for",
        "x-forwarded-proto",
        "forwarded",
        "if-none-match",
        "if-modified-since",
        "content-type",
        "range",
        "origin",
        "authorization",
    )
    for name in names:
        for path in ("/staff/tokens/", "/account/sessions/", "/api/restricted", "/admin/"):
            answer = client.get(path, headers={name: value})
            assert answer.status_code < 500, (name, path, answer.status_code)
    for name in ("sessionid", "csrftoken", "django_language", "tokens_tz", "tz", "messages"):
        other = Client()
        if name != "sessionid":
            other.force_login(sam)
        other.cookies[name] = "".join(c for c in value if 32 < ord(c) < 127) or "x"
        assert other.get("/staff/").status_code < 500, name


@pytest.mark.parametrize("kind", TYPES)
def test_odd_media_type_of_a_form_is_not_a_server_error(client, sam, kind):
    client.force_login(sam)
    for path in (
        "/staff/inspect/",
        "/account/login/",
        "/staff/revoke/?everybody=1",
        "/admin/login/",
    ):
        for raw in (b"", b"token=%ff%00&a=%ud800", b"\xff" * 10, json.dumps({"a": 1}).encode()):
            answer = client.generic("POST", path, raw, content_type=kind)
            assert answer.status_code < 500, (path, raw)
