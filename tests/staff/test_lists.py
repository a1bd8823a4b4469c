"""Lists: a page or its fragment, two ways to be empty, and nothing that a name can break."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tokens.issuing import open_session
from tokens.origin import Origin

LISTS = ("/staff/tokens/", "/staff/sessions/", "/staff/users/")
HTMX = {"HX-Request": "true"}
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def staff(client: Client, sam: User) -> Client:
    client.force_login(sam)
    return client


@pytest.mark.parametrize("path", LISTS)
def test_htmx_gets_the_fragment_that_the_page_includes(staff: Client, alice, path) -> None:
    open_session(user=alice)
    fragment = staff.get(path, headers=HTMX)
    page = staff.get(path)
    assert b"<html" not in fragment.content
    assert b"<html" in page.content
    assert "HX-Request" in page["Vary"]
    assert "HX-Request" in fragment["Vary"]


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("header", ["HX-Boosted", "HX-History-Restore-Request"])
def test_a_boosted_link_and_the_back_button_get_the_page(staff: Client, path, header) -> None:
    assert b"<html" in staff.get(path, headers={**HTMX, header: "true"}).content


@pytest.mark.parametrize("path", LISTS[:2])
def test_nothing_yet_and_nothing_matches_are_told_apart(staff: Client, path) -> None:
    assert "Nothing yet" in staff.get(path).content.decode()
    found = staff.get(path, {"q": "nobody-like-this"}).content.decode()
    assert "Nothing matches" in found
    assert "Clear filters" in found


@pytest.mark.parametrize("path", LISTS)
def test_markup_in_names_agents_and_searches_stays_text(staff: Client, path) -> None:
    mallory = User.objects.create_user(SCRIPT, email="m@example.com")
    open_session(user=mallory, origin=Origin(user_agent=SCRIPT, client=SCRIPT))
    for answer in (staff.get(path), staff.get(path, {"q": SCRIPT}), staff.get(path, headers=HTMX)):
        assert SCRIPT not in answer.content.decode()


@pytest.mark.parametrize("path", LISTS)
def test_a_cut_off_cursor_and_a_wild_search_are_no_error(staff: Client, path) -> None:
    for query in ({"page": "ey"}, {"q": "\0%_'\""}, {"q": "x" * 400}):
        assert staff.get(path, query).status_code == 200
