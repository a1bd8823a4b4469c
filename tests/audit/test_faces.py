"""Check, through every face, that each act writes one complete event or changes nothing."""

import re

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError
from django.db import DatabaseError

from tests.audit.acts import ACTS
from tests.audit.faces import Act, World
from tests.support.database.snapshot import events_refused, snapshot
from tokens.jwt.signing import read
from tokens.models import Event, Kind

pytestmark = pytest.mark.django_db
each_act = pytest.mark.parametrize("act", ACTS, ids=lambda act: act.name)


@pytest.fixture
def world(alice, sam, settings, tmp_path):
    settings.LOGIN_ATTEMPTS = 1
    return World(alice=alice, sam=sam, folder=tmp_path)


def test_table_of_acts_has_every_event_kind():
    assert {act.kind for act in ACTS} == set(Kind)
    assert len({act.name for act in ACTS}) == len(ACTS)


@each_act
def test_each_act_writes_one_complete_event(world, act: Act):
    act.first(world)
    before = set(Event.objects.values_list("pk", flat=True))
    sid, jtis = world.sid, {"t": world.jti, "a": str(read(world.pair.access)["jti"])}
    answer = act.does(world)
    if answer is not None:
        assert answer.status_code < 500, answer.content
        b"".join(answer) if answer.streaming else b""
    new = Event.objects.exclude(pk__in=before)
    assert sorted(event.kind for event in new) == sorted(filter(None, (act.kind, act.also)))
    event = new.get(kind=act.kind)
    assert (event.actor_name, event.subject_name) == (act.actor, act.subject.rstrip("?"))
    for name, pk in ((act.actor, event.actor_id), (act.subject, event.subject_id)):
        known = {"alice": world.alice.pk, "sam": world.sam.pk, "": None, "alice?": None}
        assert pk == known.get(
            name, User.objects.filter(username=name).values_list("pk", flat=True).first()
        )
    if act.about == "new":
        assert event.session_id is not None
        assert str(event.session_id) != sid
        assert event.jti not in {"", jtis["t"]}
    else:
        assert str(event.session_id or "") == (sid if "s" in act.about else "")
        if act.kind not in {Kind.REFRESH, Kind.REFRESH_RETRY}:
            assert event.jti == next((jtis[a] for a in act.about if a in jtis), "")
        else:
            assert event.jti not in {"", jtis["t"]}
            assert event.data["presented"] == jtis["t"]
    assert (event.reason, event.count) == (act.reason, act.count)
    assert set(event.data) == set(act.data)
    assert (event.ip, event.user_agent, event.client, event.request_id) == where(act, event)
    for token in (world.pair.access, world.pair.refresh):
        assert token.rpartition(".")[2] not in str(vars(event))


def where(act: Act, event: Event):
    """Return the origin of a request (address, device, client, id) or of a command."""
    if act.request:
        # The client's own X-Request-ID is not taken.
        assert re.fullmatch("[0-9a-f]{32}", event.request_id)
        return "203.0.113.9", "Phone/1", "app", event.request_id
    if event.client:
        assert event.client.startswith("manage.py ")
        assert "@" in event.user_agent
    return None, event.user_agent, event.client, ""


@each_act
@pytest.mark.django_db(transaction=True)
def test_act_changes_nothing_if_its_event_cannot_be_written(world, act: Act):
    act.first(world)
    before = everything()
    with events_refused():
        if act.request:
            answer = act.does(world)
            assert answer.status_code == 503
            assert int(answer.headers["Retry-After"]) > 0
        else:
            with pytest.raises((CommandError, DatabaseError), match=r"no space|database"):
                act.does(world)
    assert everything() == before
    assert not list(world.folder.glob("trail*"))
    if (file := world.folder / "env").exists():
        assert "RETIRED" not in file.read_text()
    for client in (world.staff, world.own, world.mallory):
        assert client.get("/account/sessions/").status_code == 200, "logged out all the same"
    if act.kind is Kind.LOGIN:
        assert world.api.get("/account/sessions/").status_code == 302, "in without an event"


def everything():
    accounts = list(User.objects.order_by("pk").values("pk", "password", "is_active", "is_staff"))
    return snapshot(), accounts
