"""A project that adds the app keeps its own behaviour, and the app has what it needs.

The project has Django's default middleware, plus the two that docs/adding.md names.
"""

import json

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse

from tests.support.users import PASSWORD, make_user
from tokens.models import Event, Kind
from tokens.sessions.issue import open_session

DJANGO = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
OURS = [
    "tokens.web.middleware.RequestContextMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
PAGES = ["overview", "tokens", "sessions", "users", "inspect", "events", "revoke"]


@pytest.fixture(autouse=True)
def host(settings, db):
    settings.ROOT_URLCONF = "tests.support.host_urls"
    settings.MIDDLEWARE = [*DJANGO, *OURS]
    settings.LOGIN_URL = "/accounts/login/"
    settings.LOGIN_REDIRECT_URL = "/accounts/profile/"
    settings.APPEND_SLASH = True
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 2_621_440
    settings.ACCESS_LOG = False
    settings.REST_FRAMEWORK = {
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.BrowsableAPIRenderer"],
        "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.MultiPartParser"],
        "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.AnonRateThrottle"],
        "DEFAULT_THROTTLE_RATES": {"anon": "1/day"},
        "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
        "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
        "EXCEPTION_HANDLER": "tests.web.test_host_project.no_handler",
    }
    del settings.CONTENT_SECURITY_POLICY
    return settings


def no_handler(error: Exception, context: object) -> None:
    raise AssertionError("the host's handler is for the host's views")


def call(client, path, body, **headers):
    return client.post(f"/tokens/api/{path}", json.dumps(body), "application/json", headers=headers)


# --- The app works with the middleware that its documentation names.


@pytest.mark.parametrize("name", PAGES)
def test_staff_page_works_with_django_s_default_middleware(client, sam, name):
    client.force_login(sam)
    answer = client.get(reverse(f"tokens_staff:{name}"))
    assert answer.status_code in (200, 302), answer.content
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Frame-Options"] == "DENY"


def test_staff_revoke_a_session_on_the_page(client, sam, alice):
    pair = open_session(user=alice)
    client.force_login(sam)
    address = f"{reverse('tokens_staff:revoke')}?session={pair.session.pk}"
    answer = client.post(address, {"reason": "lost device"})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/tokens/staff/tokens/")
    event = Event.objects.filter(kind=Kind.REVOKE_SESSION).get()
    assert event.actor_name == "sam"
    pair.session.refresh_from_db()
    assert pair.session.revoked_at is not None


def test_user_logs_out_a_session_on_the_account_page(client, alice):
    pair = open_session(user=alice)
    client.force_login(alice)
    assert pair.session.pk.hex[:4] in client.get("/tokens/account/sessions/").text
    client.post(f"/tokens/account/sessions/{pair.session.pk}/end/")
    pair.session.refresh_from_db()
    assert pair.session.revoked_at is not None


def test_forms_of_pages_need_the_csrf_token_even_without_the_middleware(host, sam):
    host.MIDDLEWARE = [name for name in host.MIDDLEWARE if "csrf" not in name]
    client = Client(enforce_csrf_checks=True)
    client.force_login(sam)
    assert client.post("/tokens/staff/inspect/", {"token": "a.b.c"}).status_code == 403


def test_times_are_in_the_viewer_s_zone(client, sam, alice):
    open_session(user=alice)
    client.force_login(sam)
    client.cookies["tokens_tz"] = "Asia/Tokyo"
    assert "JST" in client.get("/tokens/staff/sessions/").text


def test_api_answers_by_its_contract_whatever_the_defaults_of_rest_framework(client, alice):
    for _ in range(3):  # the host's throttle allows one
        answer = call(client, "login", {"username": "alice", "password": PASSWORD})
        assert answer.status_code == 200, answer.content
    pair = answer.json()
    bearer = {"authorization": f"Bearer {pair['access']}"}
    allowed = client.get("/tokens/api/restricted", headers=bearer)
    assert allowed.json() == {"response": "YOU ARE ALLOWED HERE"}
    refused = client.get("/tokens/api/restricted")
    assert refused.status_code == 401
    assert refused.json() == {"detail": "Authentication credentials were not provided."}
    assert call(client, "refresh", {"refresh": pair["refresh"]}).status_code == 200
    assert call(client, "login", {}).status_code == 400


def test_api_refuses_large_bodies_and_the_host_takes_them(client):
    assert call(client, "verify", {"token": "x" * 70_000}).status_code == 413
    answer = client.post("/upload/", b"x" * 200_000, "application/octet-stream")
    assert answer.text.startswith("200000 ")


@pytest.mark.parametrize("path", ["/tokens/api/login", "/tokens/account/login/"])
def test_locked_account_is_a_429_on_pages_and_in_the_api(client, host, alice, path):
    host.LOGIN_ATTEMPTS = 1
    wrong = {"username": "alice", "password": "wrong"}
    kind = "application/json" if "api" in path else None
    for _ in range(3):
        body = json.dumps(wrong) if kind else wrong
        answer = client.post(path, body, **({"content_type": kind} if kind else {}))
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["Content-Type"].startswith(kind or "text/html")


@pytest.mark.django_db(transaction=True)
def test_requests_in_one_transaction_do_not_undo_what_a_refusal_recorded(client, host, alice):
    first = open_session(user=alice).refresh
    host.REFRESH_GRACE_SECONDS = 0
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    try:
        assert call(client, "refresh", {"refresh": first}).status_code == 200
        assert call(client, "refresh", {"refresh": first}).status_code == 401
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = False
    assert Event.objects.filter(kind=Kind.REUSE).exists()


def test_pages_have_the_title_of_the_project(client, host):
    del host.SITE_TITLE
    page = "/tokens/account/login/"
    assert "· Tokens </title>" in " ".join(client.get(page).text.split())
    host.SITE_TITLE = "Shop accounts"
    assert "· Shop accounts </title>" in " ".join(client.get(page).text.split())
    assert "Token Portal" not in client.get(page).text
    assert client.get("/tokens/api/schema").json()["info"]["title"] == "Shop accounts"


# --- The host project is untouched.


def test_scheme_of_the_host_s_proxy_is_left_alone(client, host):
    host.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    answer = client.post("/upload/", headers={"x-forwarded-proto": "https"})
    assert " https " in answer.text


def test_request_id_of_the_host_is_kept(client, host):
    host.MIDDLEWARE = [*host.MIDDLEWARE, "tests.web.test_host_project.numbered"]
    assert client.get("/upload/").headers["X-Request-ID"] == "the host's"


def numbered(get_response):
    def middleware(request):
        response = get_response(request)
        response.headers["X-Request-ID"] = "the host's"
        return response

    return middleware


def test_host_s_api_document_has_the_host_s_calls_alone(client, host):
    host.REST_FRAMEWORK = {
        "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    }
    text = client.get("/api/schema", headers={"accept": "application/vnd.oai.openapi"}).text
    assert "/api/items" in text
    assert "/tokens/" not in text
    assert "/tokens/api/login" in client.get("/tokens/api/schema").json()["paths"]


def test_access_log_is_off_by_default(client, host, capsys):
    del host.ACCESS_LOG
    client.get("/upload/")
    assert capsys.readouterr().out == ""


def test_actor_of_a_change_in_the_host_s_admin_is_recorded(client, sam, alice):
    client.force_login(sam)
    open_session(user=alice)
    alice.set_password("another-password-9")
    page = f"/admin/auth/user/{alice.pk}/password/"
    new = {"password1": "violet-harbour-19", "password2": "violet-harbour-19"}
    client.post(page, {**new, "usable_password": "true"})
    event = Event.objects.filter(kind=Kind.PASSWORD_CHANGED).get()
    assert event.actor_name == "sam"


# --- Logins.


def test_staff_page_sends_to_the_app_s_login_page_if_the_host_has_none(client):
    answer = client.get("/tokens/staff/")
    assert answer.url == "/tokens/staff/login/?next=/tokens/staff/"
    assert client.get(answer.url).status_code == 200


@pytest.mark.parametrize("wanted", ["sign-in", "/accounts/sign-in/", "https://sso.example/in"])
def test_pages_send_to_the_login_page_of_the_host(client, host, wanted):
    host.LOGIN_URL = wanted
    page = reverse("sign-in") if wanted == "sign-in" else wanted
    assert client.get("/tokens/staff/").url == f"{page}?next=/tokens/staff/"
    account = client.get("/tokens/account/sessions/")
    assert account.url == f"{page}?next=/tokens/account/sessions/"


@pytest.mark.parametrize("part", ["staff", "account"])
def test_app_s_login_page_is_no_second_way_in(client, host, sam, part):
    host.LOGIN_URL = "sign-in"
    sent = {"username": "sam", "password": PASSWORD}
    answer = client.post(f"/tokens/{part}/login/", sent)
    assert answer.status_code == 302
    assert answer.url.startswith("/accounts/sign-in/?next=")
    assert "_auth_user_id" not in client.session


def test_staff_come_to_the_overview_after_the_login(client, sam):
    answer = client.post("/tokens/staff/login/", {"username": "sam", "password": PASSWORD})
    assert answer.url == "/tokens/staff/"


# --- Each part alone.


@pytest.mark.parametrize(
    ("part", "path", "status"),
    [
        ("staff", "", 200), ("staff", "users/", 200), ("staff", "login/", 200),
        ("account", "sessions/", 200), ("account", "login/", 302), ("api", "docs", 200),
        ("api", "schema", 200), ("api", "restricted", 401),
    ],
)  # fmt: skip
def test_part_can_be_included_alone(client, host, sam, part, path, status):
    host.ROOT_URLCONF = f"tests.support.host_{part}_urls"
    client.force_login(sam)
    answer = client.get(f"/elsewhere/{path}")
    assert answer.status_code == status, answer.content


def test_user_who_is_not_staff_leaves_the_staff_login_for_the_host_s_page(client, host, alice):
    host.ROOT_URLCONF = "tests.support.host_staff_urls"
    answer = client.post("/elsewhere/login/", {"username": "alice", "password": PASSWORD})
    assert (answer.status_code, answer.url) == (302, "/accounts/profile/")


def test_names_of_urls_cookies_and_keys_begin_with_the_app_s_name():
    from tokens.account import urls as account
    from tokens.api import jwks
    from tokens.api import urls as api
    from tokens.staff import urls as staff
    from tokens.staff.revoke import REMEMBERED
    from tokens.web.pages import TIME_ZONE_COOKIE

    names = [part.app_name for part in (staff, account, api, jwks)]
    assert all(name.startswith("tokens_") for name in (*names, REMEMBERED, TIME_ZONE_COOKIE))


def test_account_with_a_cutoff_can_be_deleted_in_the_host_s_own_admin(client, sam):
    from django.contrib import admin
    from django.contrib.auth.admin import UserAdmin

    from tokens.revocation import revoke_user

    user = make_user("leaver")
    revoke_user(user=user, actor=sam, reason="left")
    client.force_login(sam)
    ours = type(admin.site.get_model_admin(User))
    admin.site.unregister(User)
    admin.site.register(User, UserAdmin)
    try:
        answer = client.post(f"/admin/auth/user/{user.pk}/delete/", {"post": "yes"})
    finally:
        admin.site.unregister(User)
        admin.site.register(User, ours)
    assert answer.status_code == 302, answer.content
    assert not User.objects.filter(pk=user.pk).exists()
