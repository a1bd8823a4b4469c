"""Users change their password: it ends everything else, and keeps the page they are on."""

import pytest
from django.contrib.auth.hashers import make_password
from django.test import Client

from tests.support.tokens import failed
from tests.support.users import PASSWORD
from tokens.models import Event, Kind
from tokens.sessions.issue import open_session

URL = "/account/password/"
NEW = "a new password that is long enough"


def sent(client, *, old=PASSWORD, new=NEW, again=NEW):
    form = {"old_password": old, "new_password1": new, "new_password2": again}
    return client.post(URL, form, follow=True)


@pytest.fixture
def own(client, alice):
    client.force_login(alice)
    return client


def test_changed_password_ends_everything_but_this_browser(own, alice, bob):
    pair, other = open_session(user=alice), open_session(user=bob)
    elsewhere = Client()
    elsewhere.force_login(alice)
    answer = sent(own)
    assert answer.redirect_chain == [("/account/sessions/", 302)]
    assert "The password is changed. Log in again on your other devices." in answer.text
    alice.refresh_from_db()
    assert alice.check_password(NEW)
    assert failed(pair.access) == failed(pair.refresh) == "revoked"
    assert not failed(other.access)
    assert own.get("/account/sessions/").status_code == 200
    assert elsewhere.get("/account/sessions/").status_code == 302
    event = Event.objects.get(kind=Kind.PASSWORD_CHANGED)
    assert (event.actor, event.subject, event.count) == (alice, alice, 1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"old": "wrong"}, "Your old password was entered incorrectly"),
        ({"again": NEW + "!"}, "didn’t match"),
        ({"new": "password", "again": "password"}, "too common"),
        ({"new": "r7#kQ2z", "again": "r7#kQ2z"}, "too short"),
        ({"new": "", "again": ""}, "This field is required"),
        ({"new": "x1" * 2049, "again": "x1" * 2049}, "at most 4096 characters"),
        ({"new": PASSWORD, "again": PASSWORD}, "differs from the old one"),
    ],
)
def test_refused_change_says_why_and_ends_nothing(own, alice, change, words):
    pair = open_session(user=alice)
    answer = sent(own, **change)
    assert answer.status_code == 200
    assert words in answer.text
    assert not failed(pair.access)
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)
    for typed in (PASSWORD, NEW, *filter(None, change.values())):
        assert f'value="{typed}"' not in answer.text


def test_guessing_the_old_password_is_throttled_like_a_login(own, alice, settings):
    settings.LOGIN_ATTEMPTS = 3
    for _ in range(3):
        assert sent(own, old="wrong").status_code == 200
    answer = sent(own)
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) > 0
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)
    assert Event.objects.filter(kind=Kind.LOGIN_REFUSED, subject=alice).count() == 3
    assert Event.objects.filter(kind=Kind.LOGIN_LOCKED).count() == 1


def test_account_without_a_password_reads_where_to_change_it(own, alice):
    alice.set_unusable_password()
    alice.save()
    own.force_login(alice)
    assert "Your account has no password here." in own.get(URL).text
    assert sent(own).status_code == 200
    alice.refresh_from_db()
    assert not alice.has_usable_password()


def test_visitors_log_in_first(client):
    answer = client.get(URL)
    assert answer.status_code == 302
    assert answer["Location"] == "/account/login/?next=/account/password/"


def test_old_hash_is_upgraded_on_the_way(own, alice):
    alice.password = make_password(PASSWORD, hasher="pbkdf2_sha256")
    alice.save()
    own.force_login(alice)
    assert "The password is changed." in sent(own).text


def test_page_of_the_admin_leads_here(client, sam):
    client.force_login(sam)
    for answer in (client.get("/admin/password_change/"), client.post("/admin/password_change/")):
        assert answer.url == URL
