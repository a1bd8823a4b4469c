import json
import logging

import pytest
from django.db import transaction

from tests.support.users import make_staff
from tokens.audit import record
from tokens.models import Event, Kind
from tokens.sessions.issue import open_session


@pytest.fixture
def logged(caplog):
    logger = logging.getLogger("tokens.events")
    logger.addHandler(caplog.handler)
    logger.setLevel(logging.INFO)
    yield caplog
    logger.removeHandler(caplog.handler)


@pytest.mark.django_db
def test_token_in_a_name_or_reason_loses_its_signature(alice):
    pair = open_session(user=alice)
    event = record(kind=Kind.LOGIN_REFUSED, subject_name=pair.access, reason=f"see {pair.refresh}!")
    signature = pair.refresh.rpartition(".")[2]
    assert signature not in event.reason
    assert event.reason.endswith(".!")


@pytest.mark.django_db
def test_token_in_a_path_or_filter_loses_its_signature(alice, client, logged):
    """Open a path that contains a token, without permission, and filter by a token."""
    signature = (token := open_session(user=alice).access).rpartition(".")[2]
    client.force_login(make_staff("reader", "view_event", "export_event"))
    assert client.get(f"/staff/tokens/{token}/").status_code == 403
    assert client.get("/staff/tokens/%00/").status_code == 403
    short = f"eyJhbGciOiJIUzI1NiJ9.eyJhIjoxfQ.{signature}"
    client.post(f"/staff/events/export?jti={short}", {"format": "csv"})
    assert (
        Event.objects.filter(kind=Kind.PERMISSION_DENIED).count() == 1
    )  # The second refusal within a minute is counted with a later one.
    assert Event.objects.filter(kind=Kind.EXPORTED).count() == 1
    for event in Event.objects.all():
        assert signature[:20] not in str(vars(event))
    assert signature[:20] not in logged.text


@pytest.mark.django_db
def test_recording_takes_one_statement(django_assert_num_queries):
    with django_assert_num_queries(1):
        record(kind=Kind.REFRESH)


@pytest.mark.django_db(transaction=True)
def test_event_is_logged_after_its_commit(logged):
    with transaction.atomic():
        record(kind=Kind.LOGOUT, reason="done")
        assert logged.messages == []
    (line,) = logged.messages
    assert json.loads(line)["reason"] == "done"


@pytest.mark.django_db(transaction=True)
def test_rolled_back_event_is_not_logged(logged):
    with transaction.atomic():
        record(kind=Kind.LOGOUT)
        transaction.set_rollback(True)
    assert logged.messages == []
    assert Event.objects.count() == 0
