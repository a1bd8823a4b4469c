"""Lists: a page or its fragment, two ways to be empty, and nothing that a name can break."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tokens.origin import Origin
from tokens.sessions.issue import open_session

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
    assert "No results" in found
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


@pytest.mark.parametrize("path", LISTS[:2])
def test_clear_filters_comes_and_goes_with_the_rows(staff: Client, path) -> None:
    found = staff.get(path, {"q": "alice"}, headers=HTMX).content.decode()
    assert 'id="filters-on" hx-swap-oob="true"' in found
    assert "Clear filters" in found
    unfiltered = staff.get(path, headers=HTMX).content.decode()
    assert 'id="filters-on" hx-swap-oob="true"' in unfiltered
    assert "Clear filters" not in unfiltered
    assert staff.get(path, {"q": "alice"}).content.decode().count('id="filters-on"') == 1


@pytest.mark.parametrize("path", LISTS[:2])
def test_each_filter_can_be_taken_away_by_itself(staff: Client, alice, path) -> None:
    page = staff.get(path, {"user": alice.pk, "ip": "10.0.0.1", "page": "x"}).content.decode()
    assert f'href="{path}?user={alice.pk}"' in page
    assert f'href="{path}?ip=10.0.0.1"' in page
    assert "<strong>alice</strong>" in page


@pytest.mark.parametrize("path", LISTS[:2])
@pytest.mark.parametrize("name", ["issued", "used", "expires"])
def test_ranges_narrow_the_list(staff: Client, alice, path, name) -> None:
    open_session(user=alice)
    rows = {
        side: len(staff.get(path, {f"{name}_{side}": "2001-01-01"}).context["page"].rows)
        for side in ("after", "before")
    }
    assert rows == {"after": 1, "before": 0}


@pytest.mark.parametrize("path", LISTS[:2])
def test_an_invalid_filter_is_reported_and_finds_nothing(staff, alice, path) -> None:
    open_session(user=alice)
    answer = staff.get(path, {"ip": "nowhere"})
    assert answer.context["page"].rows == []
    assert 'role="alert"' in answer.content.decode()


def test_accounts_by_status(staff: Client, alice, bob) -> None:
    User.objects.filter(pk=bob.pk).update(is_active=False)

    def names(**query) -> set[str]:
        rows = staff.get("/staff/users/", query).context["page"].rows
        return {person.username for person in rows}

    assert names(status="inactive") == {"bob"}
    assert names(status="active") == {"alice", "sam"}
    assert names(status="inactive", q="alice") == set()
    assert names(status="nonsense") == set()


def test_a_rare_status_is_looked_for_in_bounded_stretches(
    staff: Client, alice, monkeypatch
) -> None:
    """A page says where it stopped, and the next one goes on."""
    User.objects.filter(pk=alice.pk).update(is_active=False)
    User.objects.bulk_create(User(username=f"user{at}", password="!") for at in range(30))
    monkeypatch.setattr("tokens.listing.users.LOOK", 20)
    first = staff.get("/staff/users/", {"status": "inactive"})
    assert "Continue on the next page for older ones" in first.content.decode()
    cursor = first.context["page"].older
    second = staff.get("/staff/users/", {"status": "inactive", "page": cursor})
    assert [person.username for person in second.context["page"].rows] == ["alice"]
