"""Ending a user, or everybody, ends browser sessions too, at every page (invariant 16)."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.http import HttpResponse
from django.test import Client
from django.urls import path
from django.utils import timezone
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from tests.support.tokens import kinds, pair_of
from tests.support.tokens import later as travel
from tests.support.users import PASSWORD, make_staff
from tokens.accounts.backend import ThrottledModelBackend
from tokens.models import BrowserCutoff, Cutoff, Event, Kind
from tokens.revocation import (
    Selection,
    cut_off,
    preview,
    revoke_matching,
    revoke_session,
    revoke_token,
    revoke_user,
    start_job,
)
from tokens.validation.browser import OPENED, latest_cutoff
from tokens.validation.token_context import EPOCH

ENGINES = ("db", "cached_db", "cache", "signed_cookies", "tokens.web.session_store")
PAGES = ("/staff/", "/admin/", "/account/sessions/")
WHY = {"reason": "lost device", "confirm": "1"}


class OwnApi(APIView):
    """A view of a host project whose API accepts cookies."""

    authentication_classes = (SessionAuthentication,)
    permission_classes = (IsAuthenticated,)

    def get(self, request):
        return Response({"name": request.user.get_username()})


def own_page(request):
    return HttpResponse(request.user.get_username())


def own_change(request):
    """Delete an account, as the user administration of a project does."""
    User.objects.get(username=request.GET["of"]).delete()
    return HttpResponse("done")


def plain_page(request):
    return HttpResponse("plain")


async def own_async_page(request):
    return HttpResponse((await request.auser()).get_username())


urlpatterns = [
    path("own/api", OwnApi.as_view()),
    path("own/page", own_page),
    path("own/plain", plain_page),
    path("own/change", own_change),
    path("own/async", own_async_page),
]


@pytest.fixture(params=ENGINES)
def engine(request, settings):
    name = request.param
    settings.SESSION_ENGINE = name if "." in name else f"django.contrib.sessions.backends.{name}"


@pytest.fixture
def alice(db):
    return make_staff("alice")


def browser(user) -> Client:
    """Log in with the password, as a person does."""
    client = Client()
    answer = client.post("/account/login/", {"username": user.username, "password": PASSWORD})
    assert answer.status_code == 302
    return client


def logged_in(client: Client) -> bool:
    """Tell whether the pages know the browser's user; all of them must agree."""
    found = {to_login(client.get(page)) for page in PAGES}
    assert len(found) == 1
    return not found.pop()


def to_login(answer) -> bool:
    return answer.status_code == 302 and "/login/" in answer["Location"]


def staff_page(alice, sam):
    staff = browser(sam)
    assert staff.post(f"/staff/revoke/?user={alice.pk}", WHY).status_code == 302
    assert logged_in(staff)


def admin_page(alice, sam):
    assert browser(sam).post(f"/admin/auth/user/{alice.pk}/revoke/", WHY).status_code == 302


def admin_list(alice, sam):
    chosen = {"action": "revoke_all_tokens", "_selected_action": str(alice.pk)}
    assert browser(sam).post("/admin/auth/user/", chosen | WHY).status_code == 302


def staff_api(alice, sam):
    bearer = {"Authorization": f"Bearer {pair_of(sam).access}"}
    answer = Client().post(
        f"/api/staff/users/{alice.pk}/revoke",
        {"reason": "x"},
        content_type="application/json",
        headers=bearer,
    )
    assert answer.status_code == 200


def own_api(alice, sam):
    bearer = {"Authorization": f"Bearer {pair_of(alice).access}"}
    assert Client().delete("/api/sessions", headers=bearer).status_code == 200


def own_api_but_this(alice, sam):
    bearer = {"Authorization": f"Bearer {pair_of(alice).access}"}
    assert Client().delete("/api/sessions?keep=current", headers=bearer).status_code == 200


def own_page_elsewhere(alice, sam):
    elsewhere = browser(alice)
    assert elsewhere.post("/account/sessions/end/").status_code == 302
    assert logged_in(elsewhere)


def own_page_but_one(alice, sam):
    elsewhere, keep = browser(alice), pair_of(alice).session
    assert elsewhere.post(f"/account/sessions/end/?keep={keep.pk}").status_code == 302
    assert logged_in(elsewhere)


def several_users(alice, sam):
    selection = Selection(users=(alice.pk, sam.pk))
    revoke_matching(selection=selection, actor=None, reason="x")


def job_of_users(alice, sam):
    selection = Selection(users=(alice.pk, sam.pk))
    start_job(selection=selection, found=preview(selection=selection), actor=sam, reason="x")


def job_of_everybody(alice, sam):
    selection = Selection(everybody=True, issued_before=timezone.now())
    start_job(selection=selection, found=preview(selection=selection), actor=sam, reason="x")


def cutoff_of_user(alice, sam):
    cut_off(user=alice, not_before=timezone.now(), actor=sam, reason="x")


def cutoff_of_everybody(alice, sam):
    cut_off(not_before=timezone.now(), actor=sam, reason="x")


def everybody_but_superusers(alice, sam):
    actor, root = make_staff("cutter", "revoke_token", "add_cutoff"), browser(sam)
    cut_off(not_before=timezone.now(), actor=actor, reason="x")
    assert logged_in(root)


def everybody_on_the_page(alice, sam):
    staff = browser(sam)
    before = timezone.now().isoformat().replace("+", "%2B")
    body = {"reason": "lost device", "typed": "0"}
    answer = staff.post(f"/staff/revoke/?everybody=1&before={before}", body)
    assert answer.status_code == 302
    assert logged_in(staff)


def everybody_in_the_admin(alice, sam):
    staff = browser(sam)
    body = {"reason": "x", "typed": "everyone"}
    assert staff.post("/admin/tokens/cutoff/add/", body).status_code == 302
    assert logged_in(staff)


def command_for_user(alice, sam):
    call_command("revoke_tokens", user=["alice"], reason="x", verbosity=0)


def command_for_everybody(alice, sam):
    call_command("revoke_tokens", everybody=True, reason="x", verbosity=0)


def deactivation_and_back(alice, sam):
    for active in (False, True):
        alice.is_active = active
        alice.save()


def new_password(alice, sam):
    alice.set_password("another one entirely 7")
    alice.save()


def deletion(alice, sam):
    alice.delete()


ACTS = [
    staff_page, admin_page, admin_list, staff_api, own_api, own_api_but_this, own_page_elsewhere,
    own_page_but_one, several_users, job_of_users, job_of_everybody, cutoff_of_user,
    cutoff_of_everybody, everybody_but_superusers, everybody_on_the_page, everybody_in_the_admin,
    command_for_user, command_for_everybody, deactivation_and_back, new_password, deletion,
]  # fmt: skip


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
def test_act_upon_whole_users_ends_browser_sessions(engine, alice, sam, act):
    held = browser(alice)
    assert logged_in(held)
    trail = Event.objects.count()
    act(alice, sam)
    assert not logged_in(held)
    assert Event.objects.count() > trail


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
def test_user_who_logs_in_again_is_not_affected(alice, bob, sam, act):
    act(alice, sam)
    if User.objects.filter(username="alice").exists():
        new = Client()
        new.force_login(User.objects.get(username="alice"))
        assert logged_in(new)


@pytest.mark.parametrize(
    "act",
    [
        lambda pair: revoke_session(session=pair.session, actor=None, reason="x"),
        lambda pair: revoke_token(jti=pair.session.current.jti, actor=None, reason="x"),
        lambda pair: revoke_matching(
            selection=Selection(sessions=(pair.session.pk,)), actor=None, reason="x"
        ),
    ],
    ids=["session", "token", "sessions"],
)
def test_act_upon_some_sessions_ends_no_browser_session(alice, act):
    held = browser(alice)
    assert act(pair_of(alice))
    assert logged_in(held)


def test_other_users_stay_logged_in(alice, bob, sam):
    held = browser(bob)
    for act in (staff_page, several_users, own_api_but_this, deactivation_and_back, deletion):
        act(alice, sam)
    assert held.get("/account/sessions/").status_code == 200


def test_superuser_named_among_others_is_spared_without_the_permission(alice, sam):
    actor, root, held = make_staff("revoker", "revoke_token"), browser(sam), browser(alice)
    revoke_matching(
        selection=Selection(users=(alice.pk, sam.pk)), actor=actor, reason="left the company"
    )
    assert (logged_in(root), logged_in(held)) == (True, False)


def test_user_who_becomes_superuser_later_gets_no_browser_session_back(alice, sam):
    held = browser(alice)
    everybody_but_superusers(alice, sam)
    User.objects.filter(pk=alice.pk).update(is_superuser=True)
    assert not logged_in(held)


def test_cutoff_in_the_past_ends_only_older_browser_sessions(alice, sam):
    old, new = browser(alice), browser(alice)
    session = old.session
    session[OPENED] = (timezone.now() - timedelta(days=2)).isoformat()
    session.save()
    cut_off(user=alice, not_before=timezone.now() - timedelta(days=1), actor=sam, reason="x")
    assert (logged_in(old), logged_in(new)) == (False, True)


def test_own_password_change_keeps_the_browser_in_which_it_is_made(alice):
    here, elsewhere = browser(alice), browser(alice)
    new = {"new_password1": "another good one 7", "new_password2": "another good one 7"}
    answer = here.post("/account/password/", {"old_password": PASSWORD, **new})
    assert answer.status_code == 302
    assert (logged_in(here), logged_in(elsewhere)) == (True, False)


def test_own_deactivation_ends_the_browser_in_which_it_is_made(sam):
    here = browser(sam)
    joined = timezone.localtime(sam.date_joined)
    form = {
        "username": "sam",
        "date_joined_0": f"{joined:%Y-%m-%d}",
        "date_joined_1": f"{joined:%H:%M:%S}",
    }
    here.post(f"/admin/auth/user/{sam.pk}/change/", form)
    assert not User.objects.get(pk=sam.pk).is_active
    User.objects.filter(pk=sam.pk).update(is_active=True, is_staff=True, is_superuser=True)
    assert not logged_in(here)


def test_browser_session_that_is_over_stays_over_after_a_kept_one_acts(alice):
    """A bearer call that also carries a dead cookie revives nothing."""
    held = browser(alice)
    revoke_user(user=alice, actor=None, reason="x")
    bearer = {"Authorization": f"Bearer {pair_of(alice).access}"}
    assert held.delete("/api/sessions", headers=bearer).status_code == 200
    assert not logged_in(held)


# --- Browser sessions from before the app.


def forget_opening(client: Client) -> None:
    session = client.session
    del session[OPENED]
    session.save()


def test_older_browser_session_stays_logged_in(alice):
    Cutoff.objects.create(user=alice, not_before=timezone.now() - timedelta(days=400), reason="x")
    held = browser(alice)
    forget_opening(held)
    assert logged_in(held)


def test_older_browser_session_ends_with_a_cutoff_set_since(alice):
    held = browser(alice)
    forget_opening(held)
    revoke_user(user=alice, actor=None, reason="x")
    assert not logged_in(held)


# --- Purges.

YEARS = 10 * 365 * 86_400
ROWS = [engine for engine in ENGINES if engine in ("db", "cached_db") or "." in engine]


def lasting(user) -> Client:
    """Log in with a browser session that does not expire for years."""
    held = browser(user)
    session = held.session
    session.set_expiry(YEARS)
    session.save()
    with travel(minutes=2):
        held.get("/account/sessions/")
    return held


@pytest.fixture
def endless(settings):
    """Let browser sessions last as long as their cookies."""
    settings.BROWSER_HOURS = settings.BROWSER_IDLE_MINUTES = 0


def purge(**later) -> None:
    with travel(**later):
        call_command("purge_tokens", verbosity=0)


@pytest.mark.parametrize("engine", ROWS, indirect=True)
def test_purge_of_cutoffs_brings_no_browser_session_back(engine, endless, alice, bob, sam):
    """A browser session that pages without a user renewed for years stays over."""
    ended, other = lasting(alice), lasting(bob)
    revoke_matching(selection=Selection(users=(alice.pk, sam.pk)), actor=None, reason="x")
    again = lasting(alice)
    purge(days=6)
    assert BrowserCutoff.objects.count() == 1
    purge(days=40)
    assert BrowserCutoff.objects.count() == 0
    assert not to_login(other.get("/account/sessions/"))
    assert not logged_in(ended)
    assert not to_login(again.get("/account/sessions/"))


def test_purge_of_a_cutoff_for_all_keeps_the_spared(endless, alice, sam):
    anonymous, ended, spared = Client(), lasting(alice), lasting(sam)
    session = anonymous.session
    session["basket"] = 1
    session.set_expiry(YEARS)
    session.save()
    chosen = Selection(everybody=True, issued_before=timezone.now(), spare_superusers=True)
    revoke_matching(selection=chosen, actor=None, reason="x")
    purge(days=8)
    assert BrowserCutoff.objects.count() == 0
    assert anonymous.session["basket"] == 1
    assert (logged_in(ended), logged_in(spared)) == (False, True)


@pytest.mark.parametrize("engine", sorted({*ENGINES} - {*ROWS}), indirect=True)
def test_purge_keeps_the_latest_cutoff_where_browser_sessions_have_no_rows(engine, alice, bob):
    ended = browser(alice)
    for _ in range(2):
        revoke_matching(selection=Selection(users=(alice.pk, bob.pk)), actor=None, reason="x")
        browser(alice)
    latest = BrowserCutoff.objects.filter(user=alice).latest("not_before")
    purge(days=400)
    assert list(BrowserCutoff.objects.filter(user=alice)) == [latest]
    assert not logged_in(ended)


# --- Host projects.

DJANGO = (
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
)
OURS = "tokens.web.middleware.RequestContextMiddleware"
MODEL_BACKEND = "django.contrib.auth.backends.ModelBackend"


PLACES = {"first": 0, "before sessions": 1, "before the user": 4, "last": len(DJANGO)}


@pytest.fixture(params=[*PLACES, "login required"])
def host(request, settings):
    """List our middleware at one of several places of a project."""
    settings.ROOT_URLCONF = __name__
    settings.LOGIN_URL = "/own/login"
    settings.AUTHENTICATION_BACKENDS = [MODEL_BACKEND]
    settings.MIDDLEWARE = [*DJANGO]
    settings.MIDDLEWARE.insert(PLACES.get(request.param, len(DJANGO)), OURS)
    if request.param == "login required":
        settings.MIDDLEWARE.insert(-1, "django.contrib.auth.middleware.LoginRequiredMiddleware")


@pytest.mark.parametrize("address", ["/own/page", "/own/api", "/own/async"])
def test_host_with_its_own_backend_is_told_of_no_ended_user(host, alice, address):
    ends_in_a_host(alice, address)


@pytest.mark.parametrize("host", ["first", "last"], indirect=True)
def test_host_with_any_session_engine_is_told_of_no_ended_user(host, engine, alice):
    ends_in_a_host(alice, "/own/page")


def ends_in_a_host(alice, address):
    held = Client()
    held.force_login(alice, backend=MODEL_BACKEND)
    assert "alice" in held.get(address).content.decode()
    revoke_user(user=alice, actor=None, reason="x")
    answer = held.get(address)
    assert answer.status_code in (200, 302, 403)
    assert "alice" not in answer.content.decode()


def test_event_of_a_host_project_names_the_actor(host, alice, bob):
    held = Client()
    held.force_login(alice, backend=MODEL_BACKEND)
    held.get("/own/change?of=bob", REMOTE_ADDR="192.0.2.7")
    event = Event.objects.get(kind=Kind.USER_DELETED)
    assert (event.actor, event.subject_name, event.ip) == (alice, "bob", "192.0.2.7")


def test_user_whose_browser_session_is_over_is_no_actor(host, alice, bob):
    held = Client()
    held.force_login(alice, backend=MODEL_BACKEND)
    revoke_user(user=alice, actor=None, reason="x")
    held.get("/own/change?of=bob")
    assert Event.objects.filter(kind=Kind.USER_DELETED, actor=alice).count() == 0


def test_page_that_asks_for_no_user_loads_no_session(host, db, django_assert_num_queries):
    with django_assert_num_queries(0):
        answer = Client().get("/own/plain")
    assert "Cookie" not in answer.headers.get("Vary", "") or answer.status_code == 302


def test_portal_s_backend_loads_the_cutoff_with_the_user(alice, django_assert_num_queries):
    with django_assert_num_queries(1):
        user = ThrottledModelBackend().get_user(alice.pk)
        assert latest_cutoff(user) == EPOCH


def test_cutoff_that_is_loaded_with_the_user_is_the_latest_of_all(alice, bob):
    now = timezone.now()
    ages = {}
    for days, model, user in (
        (9, Cutoff, None),
        (8, BrowserCutoff, None),
        (7, Cutoff, alice),
        (6, BrowserCutoff, alice),
        (1, Cutoff, bob),
        (5, BrowserCutoff, None),
        (4, Cutoff, None),
    ):
        ages[days] = now - timedelta(days=days)
        model.objects.create(user=user, not_before=ages[days])
        expected = ages[6 if days == 1 else days]
        assert latest_cutoff(ThrottledModelBackend().get_user(alice.pk)) == expected
        assert latest_cutoff(alice) == expected


# --- What people are told.


def test_review_of_a_user_with_only_browser_sessions_can_be_confirmed(alice, sam):
    held, staff = browser(alice), browser(sam)
    address = f"/staff/revoke/?user={alice.pk}"
    review = staff.get(address).text
    assert "Everything of alice." in review
    assert "This ends any browser sessions of alice." in review
    assert "The one you are using stays" not in review
    assert 'class="tally' not in review
    answer = staff.post(address, WHY, follow=True)
    assert "Revoked the browser sessions of alice." in answer.text
    assert Kind.REVOKE_USER in kinds()
    assert not logged_in(held)


def test_review_of_everybody_names_the_instant_and_asks_for_no_zero(alice, sam):
    held, staff = browser(alice), browser(sam)
    address = f"/staff/revoke/?everybody=1&before={timezone.now():%Y-%m-%dT%H:%M:%S.%fZ}"
    review = staff.get(address).text
    assert "ends any browser sessions opened before 2" in review
    assert "The one you are using stays." in review
    assert "to confirm" not in review
    staff.post(address, WHY)
    assert not logged_in(held)


def test_review_says_that_an_instant_in_the_future_is_not_used(alice, sam):
    browser(alice)
    review = browser(sam).get("/staff/revoke/?everybody=1&before=2999-01-01T00:00:00Z").text
    assert "The time you chose is in the future." in review
    assert "ends any browser sessions." in review


def test_review_of_a_user_who_never_logged_in_has_nothing_to_revoke(bob, sam):
    assert "Nothing to revoke" in browser(sam).get(f"/staff/revoke/?user={bob.pk}").text


def test_review_of_one_session_names_no_browser(alice, sam):
    session = pair_of(alice).session
    page = browser(sam).get(f"/staff/revoke/?session={session.pk}").text
    assert "browser sessions" not in page


def test_account_page_names_the_other_browsers(alice):
    here, elsewhere = browser(alice), browser(alice)
    address = "/account/sessions/end/"
    assert "1 other browser is logged out too" in here.get(address).text
    assert "Your other browsers are logged out" in here.post(address, follow=True).text
    assert "nothing to log out" in here.post(address, follow=True).text
    assert not logged_in(elsewhere)


def test_each_of_many_users_has_an_event(alice, bob, sam):
    for user in (alice, bob):
        browser(user)
    selection = Selection(users=(alice.pk, bob.pk))
    assert revoke_matching(selection=selection, actor=sam, reason="left the company")
    events = Event.objects.filter(kind=Kind.REVOKE_BROWSERS).order_by("pk")
    assert [(one.subject, one.actor, one.reason) for one in events] == [
        (alice, sam, "left the company"),
        (bob, sam, "left the company"),
    ]
    assert BrowserCutoff.objects.count() == 2
