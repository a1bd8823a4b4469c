"""Tokens that are typed into pages lose their signatures before a view sees them."""

from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import RequestFactory
from django.urls import reverse

from tests.support.tokens import pair_of
from tests.support.users import make_user
from tokens.listing.pagination import page_of
from tokens.listing.sessions import SessionQuery
from tokens.models import Cutoff, Event, RevocationJob, Session
from tokens.revocation import Selection, cut_off, preview, revoke_user, start_job
from tokens.web.redaction import redact_query


@pytest.fixture
def token(alice):
    return pair_of(alice).access


@pytest.fixture
def signature(token):
    return token.rpartition(".")[2]


PAGES = (
    "/staff/tokens/",
    "/staff/sessions/",
    "/staff/users/",
    "/staff/events/",
    "/admin/auth/user/",
)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("typed", ["{}", "Bearer {}", '"{}"', "x {} y", "https://a/?t={}&b=1"])
def test_search_for_a_token_redirects_to_an_address_without_it(
    client, sam, token, signature, page, typed
):
    client.force_login(sam)
    answer = client.get(page, {"q": typed.format(token)})
    assert answer.status_code == 303
    assert signature not in answer["Location"]
    assert token.split(".")[1] in answer["Location"]
    shown = client.get(answer["Location"])
    assert shown.status_code == 200
    assert signature not in shown.text


@pytest.mark.parametrize("page", PAGES[:4])
def test_list_says_that_the_search_is_a_token(client, sam, token, page):
    client.force_login(sam)
    shown = client.get(page, {"q": token}, follow=True)
    assert "This is a token" in shown.text
    assert reverse("tokens_staff:inspect") in shown.text


def test_admin_says_that_the_search_is_a_token(client, sam, token):
    client.force_login(sam)
    for page in ("/admin/token_blacklist/outstandingtoken/", "/admin/tokens/session/"):
        assert "This is a token" in client.get(page, {"q": token}, follow=True).text


def test_fragment_has_htmx_keep_the_clean_address(client, sam, token, signature):
    client.force_login(sam)
    headers = {"HX-Request": "true", "HX-Current-URL": f"http://testserver/staff/tokens/?q={token}"}
    answer = client.get("/staff/tokens/", {"q": token}, headers=headers)
    assert answer.status_code == 200
    assert answer["HX-Push-Url"].startswith("/staff/tokens/?q=eyJ")
    assert signature not in answer["HX-Push-Url"] + answer.text


@pytest.mark.parametrize(
    "address", ["/staff/tokens/?q={}", "/staff/tokens/{}/", "/staff/revoke/?next=/staff/{}/", "/{}"]
)
def test_login_page_is_not_given_a_token(client, token, signature, address):
    answer = client.get(address.format(token), follow=True)
    assert not any(signature in place for place, _status in answer.redirect_chain)
    assert signature not in answer.text


def test_expired_fragment_leads_to_a_login_without_the_token(client, token, signature):
    page = f"http://testserver/staff/tokens/?q={token}"
    headers = {"HX-Request": "true", "HX-Current-URL": page}
    answer = client.get("/staff/tokens/", headers=headers)
    assert "eyJ" in answer["HX-Redirect"]
    assert signature not in answer["HX-Redirect"]


def test_language_switch_does_not_send_back_to_the_token(client, db, token, signature):
    headers = {"referer": f"http://testserver/staff/tokens/?q={token}"}
    answer = client.post("/i18n/setlang/", {"language": "de"}, headers=headers)
    assert signature not in answer["Location"]
    answer = client.post("/i18n/setlang/", {"language": "de", "next": f"/staff/?q={token}"})
    assert signature not in answer["Location"]


def test_form_of_the_admin_stores_no_token(client, sam, token, signature):
    client.force_login(sam)
    fields = {"first_name": f"A {token[:60]}", "last_name": "x.eyJhIjoxfQ.eyJiIjoyfQ.secretsig"}
    user = make_user("carol")
    address = reverse("admin:auth_user_change", args=[user.pk])
    client.post(address, {"username": "carol", "email": "", **fields, **_JOINED})
    assert User.objects.get(pk=user.pk).last_name == "x.eyJhIjoxfQ.eyJiIjoyfQ."
    group = client.post("/admin/auth/group/add/", {"name": "eyJhIjoxfQ.eyJiIjoyfQ.secretsig"})
    assert group.status_code == 302
    assert "secretsig" not in client.get("/admin/auth/group/").text


_JOINED = {
    "date_joined_0": "2026-01-01",
    "date_joined_1": "00:00:00",
    "is_active": "on",
}


def test_password_that_looks_like_a_token_is_taken_whole(client, db):
    carol = make_user("carol")
    carol.set_password("eyJhIjoxfQ.eyJiIjoyfQ.secretsig")
    carol.save()
    fields = {"username": "carol", "password": "eyJhIjoxfQ.eyJiIjoyfQ.other"}
    assert client.post("/account/login/", fields).status_code == 200
    fields["password"] = "eyJhIjoxfQ.eyJiIjoyfQ.secretsig"
    assert client.post("/account/login/", fields).status_code == 302


def test_inspector_gets_the_whole_token(client, sam, token, signature):
    client.force_login(sam)
    shown = client.post(reverse("tokens_staff:inspect"), {"token": token})
    assert "Signature valid" in shown.text
    assert signature not in shown.text


def test_every_act_stores_its_reason_without_the_signature(alice, bob, sam, token, signature):
    reason = f"found in a chat: {token}"
    revoke_user(user=alice, actor=sam, reason=reason)
    pair_of(bob)
    selection = Selection(matching=SessionQuery(q=token))
    start_job(selection=selection, found=preview(selection=selection), actor=sam, reason=reason)
    cut_off(not_before=Session.objects.latest("created_at").created_at, actor=sam, reason=reason)
    kept = [
        *Session.objects.values_list("revoke_reason", flat=True),
        *Cutoff.objects.values_list("reason", flat=True),
        *map(str, RevocationJob.objects.values_list("reason", "selection")),
        *map(str, Event.objects.values_list("reason", "data")),
    ]
    assert "eyJ" in "".join(kept)
    assert signature not in "".join(kept)


def test_commands_repeat_no_signature(capsys, db, token, signature):
    with pytest.raises(CommandError) as error:
        call_command("revoke_tokens", user=[token], reason=token)
    assert signature not in str(error.value)


def test_arguments_that_argparse_refuses_are_redacted(capsys, db, token, signature):
    from tokens.management.commands.revoke_tokens import Command

    with pytest.raises(SystemExit):
        Command().run_from_argv(["manage.py", "revoke_tokens", "--ip", token])
    said = capsys.readouterr().err
    assert "eyJ" in said
    assert signature not in said


def test_api_redacts_what_is_typed_and_takes_tokens_whole(api, login, sam, alice, signature):
    pair = pair_of(alice)
    headers = {"authorization": f"Bearer {login(api, sam)['access']}"}
    sid = pair.session.pk
    reason = f"leaked {pair.refresh}"
    answer = api.post(
        f"/api/staff/sessions/{sid}/revoke", {"reason": reason}, format="json", headers=headers
    )
    assert answer.status_code == 200
    assert Session.objects.get(pk=sid).revoke_reason == f"leaked {pair.refresh.rpartition('.')[0]}."
    for name in ("q", "status", "user", "ip", "client", "cursor", "limit", "nonsense"):
        shown = api.get("/api/staff/tokens", {name: pair.access}, headers=headers)
        assert pair.access.rpartition(".")[2] not in shown.text
    assert api.post("/api/refresh", {"refresh": pair.refresh}, format="json").status_code == 401


def test_page_of_the_project_gets_what_was_typed(client, settings, token):
    """Without the middleware, the pages of a host project are not touched."""
    ours = "tokens.web.middleware.RedactTokensMiddleware"
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != ours]
    settings.ROOT_URLCONF = "tests.web.host_urls"
    assert client.get("/echo", {"q": token}).text == token
    assert client.post("/echo", {"q": token}).text == token
    assert client.get(f"/echo/{token}").text == token
    assert client.get("/staff/tokens/", {"q": token})["Location"].startswith("/staff/tokens/?q=eyJ")


def test_cursor_beside_a_token_stays(db):
    for name in ("alice", "bob", "carol"):
        make_user(name)
    cursor = page_of(User.objects.order_by("-username"), key=("username",), size=1).older
    query = urlencode({"q": "eyJhIjoxfQ.eyJiIjoyfQ.", "cursor": cursor, "next": "/staff/tokens/"})
    assert cursor
    assert redact_query(query) == query
    assert redact_query(f"{query}&token=eyJhIjoxfQ.eyJiIjoyfQ.secretsig").startswith(query)


@pytest.mark.parametrize("query", ["", "a=1&b=%20&c", "q=a+b&q=%C3%A4", "%ZZ=%", "a=%ff&&=;"])
def test_other_query_strings_stay_as_they_are(query):
    assert redact_query(query) == query
    assert RequestFactory().get("/", QUERY_STRING=query).META["QUERY_STRING"] == query
