"""The pages of second factors, and the second step of a login at each page that asks a password."""

import html
import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client

from tests.support.factors import code_of, shown_key, with_app
from tests.support.users import PASSWORD
from tokens.accounts import factors
from tokens.accounts.factors import codes_left, has_factor
from tokens.models import Event, Factor, FactorKind, Kind, RecoveryCode
from tokens.web import second_step

pytestmark = pytest.mark.django_db
FACTORS, STEP = "/account/factors/", "/account/login/code/"
DOORS = {
    "account": ("/account/login/", "/account/sessions/"),
    "staff": ("/staff/login/", "/staff/"),
    "admin": ("/admin/login/?next=/admin/", "/admin/"),
}


@pytest.fixture
def own(client, alice):
    client.force_login(alice)
    return client


def prove(client, key):
    """Give a second factor in a browser session that is logged in."""
    assert client.post(STEP, {"code": code_of(key)}).status_code == 302


@pytest.fixture(params=DOORS)
def door(request):
    return DOORS[request.param]


def typed(client, path, **given):
    return client.post(path, {"username": "sam", "password": PASSWORD, **given})


def user_of(client):
    return client.session.get("_auth_user_id")


def test_login_without_factor_has_one_step(client, sam, door):
    path, inside = door
    assert typed(client, path, next=inside).url == inside
    assert client.get(inside).status_code == 200


def test_login_with_factor_has_two(client, sam, door):
    path, inside = door
    key = with_app(sam)
    answer = typed(client, path, next=inside)
    assert answer.url.startswith(STEP)
    assert user_of(client) is None
    assert client.get(inside).status_code == 302
    page = client.get(answer.url)
    assert "authenticator app" in page.text
    wrong = client.post(answer.url, {"code": "000000"})
    assert "That is not right" in wrong.text
    assert user_of(client) is None
    right = client.post(answer.url, {"code": code_of(key)})
    assert right.url == inside
    assert client.get(inside).status_code == 200
    login = Event.objects.get(kind=Kind.LOGIN)
    assert (login.subject, login.data) == (sam, {"what": "browser session"})


def test_login_without_next_opens_the_page_of_the_account(client, sam, alice):
    for name, home in (("sam", "/staff/"), ("alice", "/account/sessions/")):
        key = with_app(sam if name == "sam" else alice)
        step = typed(Client(), "/account/login/", username=name)
        assert step["Location"] == STEP
        browser = Client()
        typed(browser, "/account/login/", username=name)
        assert browser.post(STEP, {"code": code_of(key)})["Location"] == home


def test_second_step_leads_to_no_other_site(client, alice):
    key = with_app(alice)
    typed(client, "/account/login/", username="alice", next="//evil.example/")
    answer = client.post(f"{STEP}?next=https://evil.example/", {"code": code_of(key)})
    assert answer.url == "/account/sessions/"


def test_second_step_without_a_first_one_is_the_login_page(client, alice):
    with_app(alice)
    for answer in (client.get(STEP), client.post(STEP, {"code": "123456"})):
        assert answer.url == "/account/login/"


@pytest.mark.parametrize("change", ["password", "inactive", "deleted", "late"])
def test_first_step_does_not_outlive_its_account(client, alice, change, monkeypatch):
    key = with_app(alice)
    if change == "late":
        monkeypatch.setattr(second_step, "LONGEST", timedelta(seconds=-1))
    typed(client, "/account/login/", username="alice")
    if change == "password":
        alice.set_password("another one that is long")
        alice.save()
    elif change == "inactive":
        alice.is_active = False
        alice.save()
    elif change == "deleted":
        alice.delete()
    assert client.post(STEP, {"code": code_of(key)}).url == "/account/login/"
    assert user_of(client) is None


def test_password_gives_the_browser_a_new_session(client, alice):
    with_app(alice)
    client.get("/account/login/")
    session = client.session
    session["known"] = "to an attacker"
    session.save()
    before = session.session_key
    typed(client, "/account/login/", username="alice")
    assert client.session.session_key != before


def test_wrong_codes_at_the_page_are_throttled(client, alice, settings):
    settings.LOGIN_ATTEMPTS = 2
    with_app(alice)
    typed(client, "/account/login/", username="alice")
    assert [client.post(STEP, {"code": "0"}).status_code for _ in range(3)] == [200, 200, 429]


def test_page_without_factors_says_so(own):
    page = own.get(FACTORS)
    assert "Your password alone opens your account." in page.text
    assert "Add an authenticator app" in page.text


def test_app_is_added_and_the_recovery_codes_are_shown_once(own, alice):
    page = own.get(f"{FACTORS}app/")
    key, sealed = shown_key(page.text)
    assert "otpauth://totp/Token%20Portal:alice?" in html.unescape(page.text)
    assert "issuer=Token%20Portal" in html.unescape(page.text)
    form = {"name": "phone", "code": code_of(key), "password": PASSWORD, "key": sealed}
    answer = own.post(f"{FACTORS}app/", form)
    codes = re.findall(r"<code>([a-z2-7-]{27})</code>", answer.text)
    assert len(codes) == codes_left(alice) == 10
    assert "no-store" in answer["Cache-Control"]
    listed = own.get(FACTORS).text
    assert "phone" in listed
    assert "10 codes are left" in listed
    event = Event.objects.get(kind=Kind.FACTOR_ADDED)
    assert (event.actor, event.subject) == (alice, alice)
    assert event.data == {"factor": "totp", "name": "phone"}
    assert Event.objects.get(kind=Kind.RECOVERY_CODES).count == 10
    assert "A second factor was added" in own.get("/account/events/").text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"code": "000000"}, "not the code that the app shows"),
        ({"password": "wrong"}, "The password is wrong."),
        ({"password": ""}, "This field is required"),
        ({"name": ""}, "This field is required"),
        ({"name": "x" * 65}, "at most 64 characters"),
    ],
)
def test_refused_app_keeps_its_key_and_says_why(own, alice, change, words):
    key, sealed = shown_key(own.get(f"{FACTORS}app/").text)
    form = {"name": "phone", "code": code_of(key), "password": PASSWORD, "key": sealed, **change}
    answer = own.post(f"{FACTORS}app/", form)
    assert answer.status_code == 200
    assert words in answer.text
    assert shown_key(answer.text)[0] == key
    assert not has_factor(alice)


@pytest.mark.parametrize("sealed", ["", "AAAA", "no base64!", "é", "A" * 201])
def test_key_that_the_portal_did_not_make_adds_nothing(own, alice, sealed):
    form = {"name": "phone", "code": "123456", "password": PASSWORD, "key": sealed}
    assert own.post(f"{FACTORS}app/", form).status_code == 200
    assert not has_factor(alice)


def test_key_of_another_account_adds_nothing(own, alice, bob):
    other = Client()
    other.force_login(bob)
    key, sealed = shown_key(other.get(f"{FACTORS}app/").text)
    form = {"name": "phone", "code": code_of(key), "password": PASSWORD, "key": sealed}
    own.post(f"{FACTORS}app/", form)
    assert not has_factor(alice)


def test_factor_is_removed_with_the_password(own, alice):
    prove(own, with_app(alice))
    path = f"{FACTORS}{Factor.objects.get().pk}/remove/"
    assert "your password alone will open" in own.get(path).text
    assert "The password is wrong." in own.post(path, {"password": "wrong"}).text
    assert has_factor(alice)
    assert own.post(path, {"password": PASSWORD}).url == FACTORS
    assert not has_factor(alice)


def test_factor_of_another_account_is_not_found(own, bob):
    with_app(bob)
    path = f"{FACTORS}{Factor.objects.get().pk}/remove/"
    assert own.get(path).status_code == 404
    assert own.post(path, {"password": PASSWORD}).status_code == 404
    assert has_factor(bob)


def test_new_codes_replace_the_old_ones(own, alice):
    prove(own, with_app(alice))
    old = factors.new_recovery_codes(alice)
    assert "stop working" in own.get(f"{FACTORS}codes/").text
    answer = own.post(f"{FACTORS}codes/", {"password": PASSWORD})
    assert old[0] not in answer.text
    assert not factors.check_code(user=alice, code=old[0])


def test_codes_without_a_factor_are_not_made(own, alice):
    assert own.post(f"{FACTORS}codes/", {"password": PASSWORD}).url == FACTORS
    assert codes_left(alice) == 0


@pytest.mark.parametrize("path", ["app/", "passkey/"])
def test_account_without_a_password_adds_none_here(own, alice, path):
    alice.set_unusable_password()
    alice.save()
    own.force_login(alice)
    assert "Add a second factor where you log in" in own.get(FACTORS).text
    assert own.get(f"{FACTORS}{path}").status_code == 403


@pytest.mark.parametrize("response", ["", "{}", "[]", "null", "x", "[" * 5000, '{"id": 1}'])
def test_wrong_answer_of_a_passkey_is_refused(own, alice, response):
    own.get(f"{FACTORS}passkey/")
    form = {"name": "key", "password": PASSWORD, "passkey": response}
    assert own.post(f"{FACTORS}passkey/", form).status_code == 200
    assert not has_factor(alice)
    Factor.objects.create(user=alice, kind=FactorKind.PASSKEY, name="key", credential=b"rubbish")
    browser = Client()
    typed(browser, "/account/login/", username="alice")
    assert browser.get(STEP).status_code == 200
    assert browser.post(STEP, {"passkey": response}).status_code == 200
    assert user_of(browser) is None


@pytest.fixture
def older(own, alice):
    """Return a browser session from before the first factor, and the key of that."""
    return own, with_app(alice)


@pytest.mark.parametrize("page", ["app/", "passkey/", "codes/", "{pk}/remove/"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_session_older_than_the_factor_changes_none_before_it_gives_it(older, alice, page, method):
    browser, key = older
    path = FACTORS + page.format(pk=Factor.objects.get().pk)
    codes = list(RecoveryCode.objects.values_list("digest", flat=True))
    given = {"password": PASSWORD} if method == "post" else {}
    answer = getattr(browser, method)(path, given)
    assert answer["Location"] == f"{STEP}?next={path}"
    assert list(RecoveryCode.objects.values_list("digest", flat=True)) == codes
    assert Factor.objects.count() == 1
    assert browser.get(FACTORS).status_code == 200
    assert browser.post(answer.url, {"code": code_of(key)}).url == path
    assert browser.get(path).status_code == 200


def test_where_no_factor_is_asked_the_password_changes_them(older, settings):
    settings.STAFF_MFA = "off"
    browser, _key = older
    assert browser.get(f"{FACTORS}codes/").status_code == 200


def test_proof_gives_the_browser_a_new_session(older):
    browser, key = older
    before = browser.session.session_key
    prove(browser, key)
    assert browser.session.session_key != before


# --- STAFF_MFA=required


@pytest.fixture
def strict(settings):
    settings.STAFF_MFA = "required"


@pytest.mark.parametrize("page", ["/staff/", "/staff/events/", "/admin/", "/admin/auth/user/"])
def test_staff_without_a_factor_are_led_to_add_one(strict, client, sam, page):
    client.force_login(sam)
    answer = client.get(page)
    assert answer.url.partition("?")[0] == FACTORS
    assert "The staff pages open after" in client.get(answer.url).text
    part = client.get(page, headers={"HX-Request": "true"})
    assert (part.status_code, part["HX-Redirect"].partition("?")[0]) == (204, FACTORS)


def test_staff_who_add_one_may_go_on(strict, client, sam):
    client.force_login(sam)
    key, sealed = shown_key(client.get(f"{FACTORS}app/").text)
    form = {"name": "phone", "code": code_of(key), "password": PASSWORD, "key": sealed}
    client.post(f"{FACTORS}app/", form)
    assert client.get("/staff/").status_code == 200


def test_session_older_than_the_factor_gives_it_first(strict, client, sam):
    client.force_login(sam)
    key = with_app(sam)
    answer = client.get("/staff/events/")
    assert answer.url == f"{STEP}?next=/staff/events/"
    assert client.post(answer.url, {"code": code_of(key)}).url == "/staff/events/"
    assert client.get("/staff/events/").status_code == 200


@pytest.mark.parametrize("page", ["/staff/", "/admin/"])
def test_proof_does_not_outlive_the_factors(strict, client, sam, page):
    client.force_login(sam)
    prove(client, with_app(sam))
    assert client.get(page).status_code == 200
    factors.reset(user=sam, actor=sam, reason="lost")
    assert client.get(page).url == f"{FACTORS}?next={page}"


def test_other_users_and_login_pages_are_let_through(strict, own, sam):
    assert own.get("/account/sessions/").status_code == 200
    assert own.get("/staff/").status_code == 403
    own.force_login(sam)
    for path in ("/staff/logout/", "/admin/logout/"):
        own.force_login(sam)
        assert FACTORS not in own.post(path).headers.get("Location", "")


@pytest.mark.parametrize("page", ["app/", "passkey/", "codes/", "{pk}/remove/", STEP])
def test_error_reports_have_no_code_and_no_password(client, alice, page):
    client.force_login(alice)
    prove(client, with_app(alice))
    path = page if page == STEP else FACTORS + page.format(pk=Factor.objects.get().pk)
    answer = client.post(path, {"password": "wrong", "code": "000000"})
    assert answer.wsgi_request.sensitive_post_parameters == "__ALL__"


# --- Rows that the app did not write


ROWS = {
    "postgresql": ["id = -5", "credential = ''", "kind = 'odd'", "added_at = 'infinity'"],
    "sqlite": [
        *("id = -5", "credential = 7", "credential = 'text'", "credential = 99999999999"),
        *("credential = 9223372036854775807", "counter = 'x'", "name = x'ff'", "added_at = 'x'"),
    ],
}


@pytest.mark.parametrize("number", range(8))
@pytest.mark.parametrize("kind", FactorKind.values)
def test_pages_show_rows_of_rubbish(client, alice, kind, number):
    changes = ROWS[connection.vendor]
    client.force_login(alice)
    prove(client, with_app(alice))
    Factor.objects.update(kind=kind)
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE tokens_factor SET {changes[number % len(changes)]}")
    removal = f"{FACTORS}{Factor.objects.values_list('pk', flat=True)[0]}/remove/"
    for path in (FACTORS, f"{FACTORS}app/", f"{FACTORS}passkey/", removal, STEP):
        assert client.get(path).status_code == 200
    for given in ({"code": "123456"}, {"passkey": "{}"}):
        assert client.post(STEP, given).status_code == 200
    assert client.post(removal, {"password": PASSWORD}).url == FACTORS
    assert not has_factor(alice)


@pytest.mark.parametrize("pk", ["0", "x", "9" * 40, "9223372036854775808"])
def test_factor_that_is_none_is_not_found(own, pk):
    assert own.get(f"{FACTORS}{pk}/remove/").status_code == 404
