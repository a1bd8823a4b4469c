"""The link of a mail ends things once, for 72 hours, and opens nothing."""

import re
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from playwright.sync_api import expect

from tests.notices.test_trail import HOME, PHONE, log_in, sent
from tests.support.database.snapshot import snapshot
from tests.support.tokens import failed, later
from tests.support.users import PASSWORD
from tokens.models import Event, Kind, Notice
from tokens.notices.links import Link, address

pytestmark = pytest.mark.django_db(transaction=True)
NEW = "another good one 7"
LINK = re.compile(r"https://portal\.example\.com(/account/\S+)")


def link_in(mail):
    (link,) = LINK.findall(mail.body)
    return link


@pytest.fixture
def link(alice):
    log_in(alice, HOME)
    log_in(alice, PHONE)
    (mail,) = sent()[0]
    return link_in(mail)


def test_prefetching_the_link_changes_nothing(link, alice):
    before = snapshot()
    for method in ("get", "head"):
        answer = getattr(Client(), method)(link, headers={"purpose": "prefetch"})
        assert answer.status_code == 200
        assert answer.headers["Referrer-Policy"] == "strict-origin"
        assert "no-store" in answer.headers["Cache-Control"]
    assert snapshot() == before
    page = Client().get(link).text
    assert "This logs alice out on all devices" in page
    assert "It also ends the password" in page


def test_link_ends_everything_and_the_password(link, alice):
    pair, browser = log_in(alice, HOME), Client()
    browser.force_login(alice)
    answer = browser.post(link, REMOTE_ADDR="192.0.2.7")
    assert "Logged out everywhere" in answer.text
    assert failed(pair.access) == failed(pair.refresh) == "revoked"
    assert browser.get("/account/sessions/").status_code == 302
    alice.refresh_from_db()
    assert not alice.has_usable_password()
    event = Event.objects.latest("pk")
    assert (event.kind, event.subject, event.actor, event.ip) == (
        Kind.NOT_ME, alice, None, "192.0.2.7"
    )  # fmt: skip
    assert not Event.objects.filter(kind=Kind.PASSWORD_CHANGED).exists()


def test_new_password_follows_by_mail(link, alice, client):
    client.post(link)
    (mail,) = sent()[0]
    assert mail.subject == "Token Portal: Choose a new password"
    choose = link_in(mail)
    before = snapshot()
    assert client.get(choose).status_code == 200
    assert snapshot() == before
    answer = client.post(choose, {"new_password1": "password", "new_password2": "password"})
    assert "too common" in answer.text
    answer = client.post(choose, {"new_password1": NEW, "new_password2": NEW}, follow=True)
    assert answer.redirect_chain == [("/account/login/", 302)]
    assert "The password is changed" in answer.text
    alice.refresh_from_db()
    assert alice.check_password(NEW)
    (told,) = sent()[0]
    assert told.subject == "Token Portal: The password was changed"
    assert client.get(choose).status_code == 404


def test_link_works_once(link, alice):
    assert Client().post(link).status_code == 200
    before = snapshot()
    for call in (Client().get, Client().post):
        assert call(link).status_code == 404
    assert snapshot() == before
    assert len(sent()[0]) == 1


def test_link_ends_after_72_hours(link, alice):
    with later(hours=71, minutes=59):
        assert Client().get(link).status_code == 200
    with later(hours=72, minutes=1):
        assert Client().get(link).status_code == 404
        assert Client().post(link).status_code == 404
    assert not Event.objects.filter(kind=Kind.NOT_ME).exists()


def test_forged_link_is_answered_like_any_other_that_does_not_work(link, alice, settings):
    row, path = Notice.objects.get(), reverse("tokens_account:not-me")
    signed = link.partition("link=")[2]
    settings.SECRET_KEY, key = "x" * 50, settings.SECRET_KEY
    with_another_key = address(row, Link.NOT_ME).removeprefix("https://portal.example.com")
    settings.SECRET_KEY = key
    gone = address(Notice(pk=uuid4()), Link.NOT_ME).removeprefix("https://portal.example.com")
    of_the_other_page = address(row, Link.PASSWORD).partition("link=")[2]
    last = "A" if link[-1] != "A" else "B"
    wrong = [
        path, f"{path}?link=", f"{path}?link=%00", f"{path}?link=a%3Ab", f"{link[:-1]}{last}",
        link[:-1], f"{link}%3AA", f"{path}?link={of_the_other_page}", with_another_key, gone,
        f"/account/password/new/?link={signed}", f"{path}?link={signed.replace('%3A', '')}",
    ]  # fmt: skip
    before = snapshot()
    for forged in wrong:
        for call in (Client().get, Client().post):
            answer = call(forged)
            assert answer.status_code == 404, forged
            assert "This link can’t be used" in answer.text
    assert snapshot() == before
    Client().post(link)
    used = Client().get(link)
    assert mask(used.text) == mask(answer.text)


def mask(page):
    return re.sub(r"/account/\S*link=\S*|nonce-\S+|value=\"\w{64}\"", "", page)


@pytest.mark.parametrize("change", ["inactive", "deleted"])
def test_link_of_an_account_that_is_gone_does_not_work(link, alice, change):
    if change == "deleted":
        alice.delete()
    else:
        User.objects.filter(pk=alice.pk).update(is_active=False)
    assert Client().get(link).status_code == 404
    assert Client().post(link).status_code == 404


def test_account_without_a_password_gets_no_link_for_one(link, alice):
    User.objects.filter(pk=alice.pk).update(password="!elsewhere")
    assert "ends the password" not in Client().get(link).text
    assert "no password here" in Client().post(link).text
    assert sent()[0] == []
    assert Event.objects.filter(kind=Kind.NOT_ME).count() == 1


def test_link_for_a_password_ends_when_the_account_has_one(link, alice, client):
    client.post(link)
    choose = link_in(sent()[0][0])
    User.objects.get(pk=alice.pk).set_password(NEW)
    staff_set = User.objects.get(pk=alice.pk)
    staff_set.set_password(NEW)
    staff_set.save()
    assert client.post(choose, {"new_password1": "x", "new_password2": "x"}).status_code == 404


def test_link_is_in_no_log(portal_server, link, alice):
    """Neither the access log nor an error has it, and no event."""
    secret = link.rpartition("%3A")[2]
    for path in (link, link + "x", link.replace("/?", "?")):
        portal_server.call("GET", path)
        portal_server.call("POST", path)
    log = portal_server.log.read_text()
    assert '"GET /account/notices/"' in log
    assert secret not in log
    assert secret not in str(list(Event.objects.values()))


def test_link_works_in_a_browser(page, link, alice):
    heard = []
    page.on("request", lambda request: heard.append(request.all_headers().get("referer", "")))
    page.goto(link)
    page.get_by_role("button", name="Log out everywhere").click()
    expect(page.get_by_role("heading", name="Logged out everywhere")).to_be_visible()
    page.goto(link_in(sent()[0][0]))
    page.get_by_label("New password", exact=True).fill(NEW)
    page.get_by_label("New password confirmation").fill(NEW)
    page.get_by_role("button", name="Change password").click()
    expect(page).to_have_url(re.compile("/account/login/$"))
    expect(page.get_by_text("The password is changed.")).to_be_visible()
    assert "link=" not in str(heard)
    alice.refresh_from_db()
    assert alice.check_password(NEW)


def test_old_mails_are_deleted_with_the_rest(link, alice):
    with later(days=6):
        call_command("purge_tokens")
        assert Notice.objects.count() == 1
    with later(days=8):
        call_command("purge_tokens")
    assert not Notice.objects.exists()


def test_language_switch_keeps_the_link(page, link):
    page.goto(link)
    page.get_by_role("button", name="Deutsch").click()
    expect(page.get_by_role("button", name="Überall abmelden")).to_be_visible()


def test_page_is_german_for_germans(link):
    page = Client().get(link, headers={"accept-language": "de"}).text
    assert "Das war ich nicht" in page
    assert "Überall abmelden" in page
    assert PASSWORD not in page
