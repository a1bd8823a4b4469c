"""Ids grow with time, so that the database writes at one end of its indexes."""

import uuid
from datetime import UTC, datetime, timedelta

from rest_framework_simplejwt.tokens import RefreshToken

from tests.support.tokens import jti, later, pair_of
from tokens.jwt.signing import time_ordered_id
from tokens.models import OutstandingToken, Session
from tokens.sessions.issue import open_session
from tokens.sessions.refresh import rotate

NOW = datetime(2026, 11, 28, 12, 0, 0, 123_000, tzinfo=UTC)


def test_id_is_a_uuid_of_version_7_with_its_milliseconds():
    one = time_ordered_id(NOW)
    assert (one.version, one.variant) == (7, uuid.RFC_4122)
    assert one.int >> 80 == int(NOW.timestamp() * 1000)


def test_ids_of_one_instant_differ_in_74_bits():
    ids = {time_ordered_id(NOW).int for _ in range(2000)}
    assert len(ids) == 2000
    differing = 0
    for one in ids:
        differing |= one ^ next(iter(ids))
    assert differing.bit_count() == 74


def test_later_id_is_greater_as_uuid_and_as_text():
    first, second = time_ordered_id(NOW), time_ordered_id(NOW + timedelta(milliseconds=1))
    assert first < second
    assert first.hex < second.hex


def test_tokens_and_sessions_have_ids_in_the_order_of_their_issue(alice):
    pairs = [pair_of(alice)]
    with later(minutes=1):
        pairs.append(rotate(refresh=pairs[0].refresh))
        pairs.append(pair_of(alice))
    by_issue = OutstandingToken.objects.order_by("pk").values_list("jti", flat=True)
    assert list(by_issue) == [jti(pair.refresh) for pair in pairs]
    assert {uuid.UUID(one).version for one in by_issue} == {7}
    assert by_issue[0] < min(by_issue[1:])
    first, second = Session.objects.order_by("created_at").values_list("pk", flat=True)
    assert first < second
    assert {first.version, second.version} == {7}


class NumberedToken(RefreshToken):
    """Number the tokens, as a project may."""

    def set_jti(self) -> None:
        self.payload["jti"] = f"number-{OutstandingToken.objects.count() + 1}"


def test_ids_of_a_class_of_the_project_are_kept(alice):
    first = open_session(user=alice)
    second = rotate(refresh=first.refresh, token_class=NumberedToken)
    assert jti(second.refresh) == "number-2"
