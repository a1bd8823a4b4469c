"""Check tables whose rows hold long texts."""

import pytest
from django.contrib.auth.models import User

from tests.support.browser.person import WAYS
from tokens import audit
from tokens.models import Kind


@pytest.mark.parametrize("width", [1280, 1920])
def test_a_long_reason_does_not_break_names(enter, sam: User, width: int) -> None:
    admin = User.objects.create_user("admin")
    audit.record(kind=Kind.REVOKE_SESSION, actor=admin, subject=admin, reason="x" * 400)
    person = enter(sam, WAYS[0])
    person.page.set_viewport_size({"width": width, "height": 860})
    person.open("/staff/events/?kind=revoke_session")
    for name in person.page.get_by_role("link", name="admin", exact=True).all():
        box = name.bounding_box()
        assert box is not None
        assert box["height"] < 30, box
    person.fits()


@pytest.mark.parametrize("url", ["/staff/", "/staff/events/"])
@pytest.mark.parametrize("width", [320, 360])
def test_a_long_german_word_covers_nothing(
    enter, portal_server, sam: User, url: str, width: int
) -> None:
    audit.record(kind=Kind.REUSE, subject=sam)
    person = enter(sam, WAYS[0])
    german = {"name": "django_language", "value": "de", "url": portal_server.url}
    person.page.context.add_cookies([german])
    person.page.set_viewport_size({"width": width, "height": 860})
    person.open(url)
    row = person.page.get_by_role("row").filter(has_text="Wiederverwendung").last
    kind = row.locator(".event-kind").bounding_box()
    when = row.locator("td[data-label=Wann]").bounding_box()
    assert kind is not None
    assert when is not None
    apart = kind["x"] + kind["width"] <= when["x"] or kind["y"] + kind["height"] <= when["y"]
    assert apart, (kind, when)
    person.fits()


@pytest.mark.parametrize("width", [320, 360])
def test_a_long_german_word_fits_its_tile(enter, portal_server, sam: User, width: int) -> None:
    person = enter(sam, WAYS[0])
    german = {"name": "django_language", "value": "de", "url": portal_server.url}
    person.page.context.add_cookies([german])
    person.page.set_viewport_size({"width": width, "height": 860})
    person.open("/staff/")
    box = person.page.get_by_role("heading", name="Wiederverwendung", exact=True).bounding_box()
    assert box is not None
    assert box["height"] < 30
