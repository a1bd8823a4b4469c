"""Each time that the portal writes is read as it was written."""

import pytest
from django.utils import timezone

from tests.audit.events import write
from tests.support.clock import travel
from tokens.models import Event
from tokens.models.readable import is_readable

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("fraction", [0, 1, 999_499, 999_500, 999_999])
def test_time_of_an_event_is_read_to_the_microsecond(fraction) -> None:
    with travel(timezone.now().replace(microsecond=fraction), tick=False):
        (event,) = write(1)
    at = Event.objects.get(pk=event.pk).at
    assert is_readable(at)
    assert (at, at.microsecond) == (event.at, fraction)
