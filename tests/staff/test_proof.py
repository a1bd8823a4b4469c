"""Acts with a long reach ask for a fresh proof of who acts, on the pages and in the admin."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.support.factors import code_of, with_app
from tests.support.tokens import later
from tests.support.users import PASSWORD, make_staff
from tokens.accounts.factors import has_factor, new_recovery_codes
from tokens.db import clock
from tokens.models import Cutoff, Event, Kind, Service, Session
from tokens.services import add_service
from tokens.sessions.issue import open_session
from tokens.validation.browser import PROVED_UNTIL

pytestmark = pytest.mark.django_db
ASKED, WRONG = "Is it still you?", "The password is wrong."
OTHER = {"reason": "other", "detail": "so many"}
MANY = 26


@pytest.fixture
def desk(client: Client, sam: User) -> Client:
    client.force_login(sam)
    return client


def age(client: Client) -> None:
    """Let the last proof of a browser session have ended just now."""
    session = client.session
    session[PROVED_UNTIL] = clock.now().isoformat()
    session.save()


def open_many(user: User, number: int = MANY) -> None:
    for _ in range(number):
        open_session(user=user)


def live() -> int:
    return Session.objects.filter(revoked_at=None).count()


class Act:
    """An act: where its form is, what is typed, and whether it was done."""

    def __init__(self, alice: User, sam: User) -> None:
        self.root = User.objects.create_superuser("root", password=PASSWORD)
        self.alice = alice
        self.service = add_service(
            name="billing", may_introspect=True, may_read_feed=False, actor=sam
        ).service

    def many(self):
        open_many(self.alice)
        form = {"reason": "lost device", "typed": str(MANY)}
        return f"/staff/revoke/?user={self.alice.pk}", form, lambda: live() == 0

    def many_in_the_admin(self):
        open_many(self.alice)
        form = {"reason": "lost", "number": str(MANY), "confirm": "1"}
        path = f"/admin/auth/user/{self.alice.pk}/revoke/"
        return path, form, lambda: live() == 0

    def everybody(self):
        open_session(user=self.alice)
        at = clock.now() + timedelta(seconds=1)
        path = f"/staff/revoke/?everybody=1&before={at:%Y-%m-%dT%H:%M:%SZ}"
        form = {"reason": "lost device", "typed": "1"}
        return path, form, Cutoff.objects.exists

    def everybody_in_the_admin(self):
        form = {"reason": "lost", "typed": "everyone"}
        return "/admin/tokens/cutoff/add/", form, Cutoff.objects.exists

    def superuser(self):
        session = open_session(user=self.root).session
        return f"/staff/revoke/?session={session.pk}", OTHER, lambda: live() == 0

    def superuser_without_sessions(self):
        path = f"/staff/revoke/?user={self.root.pk}"
        self.root.last_login = clock.now()
        self.root.save()
        ended = Event.objects.filter(kind=Kind.REVOKE_BROWSERS)
        return path, OTHER, lambda: ended.exists() or Cutoff.objects.exists()

    def factors(self):
        with_app(self.alice)
        path = f"/staff/users/{self.alice.pk}/reset-factors/"
        return path, {"reason": "called"}, lambda: not has_factor(self.alice)

    def new_service(self):
        form = {"name": "shop", "may_read_feed": "on"}
        return "/staff/services/add/", form, Service.objects.filter(name="shop").exists

    def rotation(self):
        before = self.service.digest
        path = f"/staff/services/{self.service.pk}/rotate/"
        return path, {}, lambda: Service.objects.get(name="billing").digest != before

    def removal(self):
        path = f"/staff/services/{self.service.pk}/remove/"
        return path, {}, lambda: not Service.objects.filter(name="billing").exists()


ACTS = [name for name in vars(Act) if not name.startswith("_")]


@pytest.fixture(params=ACTS)
def act(request, alice, sam):
    return getattr(Act(alice, sam), request.param)()


def test_fresh_login_is_proof_enough(desk, act):
    path, form, is_done = act
    assert ASKED not in desk.get(path).text
    assert desk.post(path, form).status_code in (200, 302)
    assert is_done()


def test_old_login_is_asked_for_the_password(desk, act):
    path, form, is_done = act
    age(desk)
    assert ASKED in desk.get(path).text
    assert ASKED in desk.post(path, form).text
    wrong = desk.post(path, {**form, "password": "wrong"})
    assert WRONG in wrong.text
    assert not is_done()
    for value in form.values():
        assert value in wrong.text
    assert desk.post(path, {**form, "password": PASSWORD}).status_code in (200, 302)
    assert is_done()


def test_proof_lasts_and_is_of_this_browser(desk, alice, sam):
    other = Client()
    other.force_login(sam)
    age(other)
    age(desk)
    path, _form, _done = Act(alice, sam).many()
    key = desk.session.session_key
    desk.post(path, {"password": PASSWORD})  # without a reason: a proof, and no act
    assert live() == MANY
    assert desk.session.session_key != key
    assert ASKED not in desk.get(path).text
    assert ASKED in other.get(path).text
    with later(minutes=11):
        assert ASKED in desk.get(path).text


@pytest.mark.parametrize(("ended", "asked"), [(25, False), (26, True)])
def test_number_of_sessions_decides(desk, alice, ended, asked):
    open_many(alice, ended)
    age(desk)
    assert (ASKED in desk.get(f"/staff/revoke/?user={alice.pk}").text) is asked


@pytest.mark.parametrize(("over", "minutes", "asked"), [(0, 10, True), (0, 0, False)])
def test_settings_decide(desk, alice, settings, over, minutes, asked):
    settings.STEP_UP_OVER, settings.STEP_UP_MINUTES = over, minutes
    open_session(user=alice)
    age(desk)
    assert (ASKED in desk.get(f"/staff/revoke/?user={alice.pk}").text) is asked


def test_few_own_or_spared_sessions_need_no_proof(client, desk, alice, sam):
    open_many(sam)
    age(desk)
    assert ASKED not in desk.get(f"/staff/revoke/?user={sam.pk}").text
    revoker = make_staff("rita", "view_outstandingtoken", "view_session", "revoke_token")
    client.force_login(revoker)
    age(client)
    open_session(user=alice)
    assert ASKED not in client.get("/staff/revoke/?matching=sessions&q=alice").text


def test_session_from_before_has_given_no_proof(desk, alice):
    open_many(alice)
    session = desk.session
    del session[PROVED_UNTIL]
    session.save()
    assert ASKED in desk.get(f"/staff/revoke/?user={alice.pk}").text


def test_second_factor_is_asked_instead_of_the_password(desk, alice, sam):
    key = with_app(sam)
    codes = new_recovery_codes(sam)
    path, form, is_done = Act(alice, sam).many()
    age(desk)
    page = desk.get(path).text
    assert "Code of your authenticator app" in page
    assert 'name="password"' not in page
    for given in ({"password": PASSWORD}, {"code": "000000"}, {"code": ""}, {"passkey": "{}"}):
        answer = desk.post(path, {**form, **given})
        assert "That is not right" in answer.text
        assert not is_done()
    code = code_of(key)
    assert code not in desk.post(path, {**form, "code": f"9{code}"}).text
    assert desk.post(path, {**form, "code": code}).status_code == 302
    assert is_done()
    open_many(alice)
    age(desk)
    assert desk.post(path, {**form, "code": code}).status_code == 422  # a code works once
    assert desk.post(path, {**form, "code": codes[0]}).status_code == 302


def test_factor_that_is_switched_off_is_not_asked(desk, alice, sam, settings):
    settings.STAFF_MFA = "off"
    with_app(sam)
    path, form, is_done = Act(alice, sam).many()
    age(desk)
    assert desk.post(path, {**form, "password": PASSWORD}).status_code == 302
    assert is_done()


def test_account_of_another_system_logs_in_again(desk, alice, sam):
    path, form, is_done = Act(alice, sam).many()
    User.objects.filter(pk=sam.pk).update(password="!")
    desk.force_login(User.objects.get(pk=sam.pk))
    age(desk)
    answer = desk.post(path, {**form, "password": ""})
    assert "log in again, and come back here" in answer.text
    assert not is_done()
    desk.force_login(User.objects.get(pk=sam.pk))
    assert desk.post(path, form).status_code == 302
    assert is_done()


def test_wrong_proofs_are_throttled_and_recorded(desk, alice, sam, settings):
    settings.LOGIN_ATTEMPTS = 2
    path, form, is_done = Act(alice, sam).many()
    age(desk)
    for _ in range(2):
        assert desk.post(path, {**form, "password": "wrong"}).status_code == 422
    assert desk.post(path, {**form, "password": PASSWORD}).status_code == 429
    assert not is_done()
    assert Event.objects.filter(kind=Kind.LOGIN_REFUSED, subject=sam).count() == 2


def test_password_whose_hash_is_upgraded_keeps_the_browser_logged_in(desk, alice, sam, settings):
    path, form, _done = Act(alice, sam).many()
    age(desk)
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.MD5PasswordHasher",
        *settings.PASSWORD_HASHERS,
    ]
    assert desk.post(path, {**form, "password": PASSWORD}).status_code == 302
    assert desk.get("/staff/").status_code == 200


def test_dialog_keeps_what_was_typed(desk, alice, sam):
    path, form, is_done = Act(alice, sam).many()
    age(desk)
    htmx = {"HX-Request": "true"}
    typed = {**form, "detail": "stolen bag", "password": "wrong"}
    again = desk.post(path, typed, headers=htmx)
    assert again.status_code == 422
    assert "stolen bag" in again.text
    assert "<html" not in again.text
    assert "wrong<" not in again.text
    assert desk.post(path, {**typed, "password": PASSWORD}, headers=htmx).status_code == 204
    assert is_done()


def test_cutoff_of_the_acting_browser_is_no_proof(desk, alice, sam):
    """Logging oneself out elsewhere moves the time a session was opened, and not the proof."""
    age(desk)
    open_session(user=sam)
    desk.post(f"/staff/revoke/?user={sam.pk}", OTHER)
    open_many(alice)
    assert ASKED in desk.get(f"/staff/revoke/?user={alice.pk}").text


def test_filter_that_finds_everybody_needs_a_proof_however_few_they_are(desk, alice, bob):
    for user in (alice, bob):
        open_session(user=user)
    age(desk)
    assert ASKED in desk.get("/staff/revoke/?matching=sessions&used_before=2090-01-01").text
    assert ASKED not in desk.get("/staff/revoke/?matching=sessions&q=alice").text


def test_limit_above_what_a_review_counts_is_reached_there(desk, alice, settings, monkeypatch):
    monkeypatch.setattr("tokens.revocation.reviews.CAP", 3)
    settings.STEP_UP_OVER = 5
    open_many(alice, 6)
    age(desk)
    assert ASKED in desk.get(f"/staff/revoke/?user={alice.pk}").text


def test_selected_rows_and_admin_actions_need_a_proof(desk, alice):
    open_many(alice)
    keys = [str(key) for key in Session.objects.values_list("pk", flat=True)]
    age(desk)
    rows = {"listed": "&".join(f"session={key}" for key in keys)}
    chosen = {"action": "revoke_selected", "_selected_action": keys}
    form = {"reason": "lost device", "detail": "", "typed": str(MANY)}
    in_the_admin = {"reason": "lost", "number": str(MANY), "confirm": "1"}
    own = f"/staff/revoke/?user={desk.session['_auth_user_id']}"
    for path, given in (
        ("/staff/revoke/", rows),
        ("/staff/revoke/", rows | form),
        (own, rows | form),
        ("/admin/tokens/session/", chosen),
        ("/admin/tokens/session/", chosen | in_the_admin),
        ("/admin/tokens/session/revoke-matching/?q=alice", in_the_admin),
    ):
        assert ASKED in desk.post(path, given).text, path
    assert live() == MANY
    desk.post("/admin/tokens/session/", chosen | in_the_admin | {"password": PASSWORD})
    assert live() == 0
