"""Check the cells of odd rows."""

import pytest
from django.test import Client

from tokens import audit
from tokens.models import Kind


@pytest.mark.parametrize(("count", "shown"), [(0, False), (1, False), (7, True)])
def test_only_an_act_upon_several_shows_a_number(client: Client, auditor, count, shown) -> None:
    audit.record(kind=Kind.REVOKE_BROWSERS, actor=auditor, count=count)
    client.force_login(auditor)
    assert ("× " in client.get("/staff/events/?kind=revoke_browsers").text) is shown
