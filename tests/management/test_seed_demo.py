"""The demo is lived, not painted: what it leaves is what the core would have written."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from tokens.jwt.claims import parse
from tokens.listing.status import live
from tokens.models import Event, Kind, Measure, OutstandingToken, Session

pytestmark = pytest.mark.django_db


def seed(**options):
    out = StringIO()
    call_command("seed_demo", json=True, days=3, people=5, stdout=out, **options)
    return json.loads(out.getvalue())


def test_demo_holds_live_and_ended_sessions_and_many_kinds_of_event():
    counts = seed()
    assert counts["seeded"] is True
    assert counts["people"] == User.objects.count()
    assert 0 < counts["live sessions"] < Session.objects.count()
    assert counts["live sessions"] == live(Session.objects.all()).count()
    told = set(Event.objects.values_list("kind", flat=True))
    assert told >= {
        Kind.LOGIN, Kind.LOGIN_REFUSED, Kind.LOGIN_LOCKED, Kind.REFRESH, Kind.LOGOUT, Kind.REUSE,
        Kind.REVOKE_SESSION, Kind.REVOKE_USER, Kind.PASSWORD_CHANGED, Kind.USER_DEACTIVATED,
    }  # fmt: skip


def test_counts_of_the_demo_are_those_of_the_overview(client, sam):
    counts = seed()
    client.force_login(sam)
    (_hours, days) = client.get("/staff/").context["periods"]
    shown = {
        measure.value: sum(cells[place][0] for _at, cells in days["rows"])
        for place, measure in enumerate(Measure)
    }
    assert {name: counts[name] for name in shown} == shown


@pytest.mark.django_db(transaction=True)
def test_demo_is_written_outside_any_transaction_of_a_test():
    assert seed()["seeded"] is True
    assert Event.objects.filter(kind=Kind.LOGIN_LOCKED).exists()


def test_demo_claims_rows_and_events_agree_on_times():
    seed()
    login = Event.objects.filter(kind=Kind.LOGIN).earliest("at")
    token = OutstandingToken.objects.get(jti=login.jti)
    session = Session.objects.get(pk=login.session_id)
    assert login.at < timezone.now() - timedelta(days=1)
    assert abs(session.created_at - login.at) < timedelta(seconds=1)
    assert abs(parse(token.token).payload["iat"] - login.at.timestamp()) < 2


def test_running_seed_demo_again_changes_nothing():
    seed()
    before = Event.objects.count(), Session.objects.count()
    assert seed(seed=8) == {"seeded": False}
    assert (Event.objects.count(), Session.objects.count()) == before


def test_demo_users_cannot_log_in_unless_a_password_is_given():
    seed()
    usable = {user.username for user in User.objects.all() if user.has_usable_password()}
    # One of them changes the password, to one that is drawn and kept nowhere.
    changed = Event.objects.get(kind=Kind.PASSWORD_CHANGED)
    assert usable == {changed.subject_name}


def test_a_given_password_opens_the_staff_account():
    seed(password="a demo password 7")
    assert User.objects.get(username="mira.okafor").check_password("a demo password 7")


def test_seed_demo_refuses_a_deployment_unless_confirmed(settings):
    settings.HTTPS = True
    with pytest.raises(CommandError, match="looks like a deployment"):
        seed()
    assert not User.objects.exists()
    assert seed(yes=True)["seeded"] is True
