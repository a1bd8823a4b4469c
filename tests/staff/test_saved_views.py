"""Staff save filtered lists under a name, share them and delete them."""

import pytest
from django.utils import timezone

from tests.support.users import make_staff
from tokens.listing.saved_views import KEPT
from tokens.models import Event, Kind, SavedView

NEW = "/staff/views/new/?list=sessions&status=active&used_within=24h"


@pytest.fixture
def staff(client, sam):
    client.force_login(sam)
    return client


def save(client, *, name="yesterday", address=NEW, **more):
    return client.post(address, {"name": name, **more})


def keep(owner, **given):
    values = {"list_name": "sessions", "filters": {"q": "bob"}, "created_at": timezone.now()}
    return SavedView.objects.create(owner=owner, **(values | given))


def test_saved_filter_opens_from_its_list(staff, sam):
    assert (
        "/staff/views/new/?status=active&amp;list=sessions"
        in staff.get("/staff/sessions/?status=active").text
    )
    assert "in the last 24 hours" in staff.get(NEW).text
    answer = save(staff)
    assert answer.headers["Location"] == "/staff/sessions/?status=active&used_within=24h"
    view = SavedView.objects.get()
    assert (view.owner, view.shared) == (sam, False)
    for address in ("/staff/sessions/", "/staff/views/"):
        assert "/staff/sessions/?status=active&amp;used_within=24h" in staff.get(address).text
    assert "Saved views" not in staff.get("/staff/tokens/").text
    event = Event.objects.get(kind=Kind.VIEW_SAVED)
    assert (event.actor, event.data["filters"]) == (sam, view.filters)


def test_same_name_replaces_the_owners_view(staff):
    save(staff)
    save(staff, address="/staff/views/new/?list=sessions&q=bob", shared="on")
    view = SavedView.objects.get()
    assert (view.filters, view.shared) == ({"q": "bob"}, True)


def test_exact_time_keeps_its_zone(staff):
    with timezone.override("Pacific/Auckland"):
        save(staff, address="/staff/views/new/?list=tokens&issued_after=2026-11-02T08:00")
    stored = SavedView.objects.get().filters["issued_after"]
    assert stored.endswith("+00:00")
    page = staff.get("/staff/tokens/", {"issued_after": stored})
    assert f'value="{stored[:16]}"' in page.text


def test_colleagues_see_only_what_is_shared_of_lists_they_may_see(client, sam, viewer, auditor):
    rows = {"a": ("sessions", True), "b": ("sessions", False), "c": ("events", True)}
    for name, (of, shared) in rows.items():
        keep(sam, name=f"view {name}", list_name=of, shared=shared)
    for user, seen in ((viewer, "a"), (auditor, "c")):
        client.force_login(user)
        page = client.get("/staff/views/").text
        assert [name for name in "abc" if f"view {name}" in page] == [seen]
        assert "Delete the view" not in page
    client.force_login(viewer)
    assert "Shared by sam" in client.get("/staff/sessions/").text


def test_owner_deletes_a_view_and_others_need_the_permission(client, sam, viewer):
    client.force_login(sam)
    save(client, shared="on")
    address = f"/staff/views/{SavedView.objects.get().pk}/delete/"
    client.force_login(viewer)
    assert client.post(address).status_code == 403
    keeper = make_staff("keeper", "view_session", "delete_savedview")
    client.force_login(keeper)
    assert "Delete the view yesterday" in client.get("/staff/views/").text
    assert "Deleted the view “yesterday”." in client.post(address, follow=True).text
    assert not SavedView.objects.exists()
    assert Event.objects.get(kind=Kind.VIEW_DELETED).data["name"] == "yesterday"
    assert client.post(address).status_code == 404


def test_private_view_of_another_cannot_be_deleted(client, sam, viewer):
    client.force_login(sam)
    save(client)
    client.force_login(make_staff("keeper", "view_session", "delete_savedview"))
    assert client.post(f"/staff/views/{SavedView.objects.get().pk}/delete/").status_code == 404


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/staff/views/new/?list=sessions", 422),
        ("/staff/views/new/?list=sessions&used_within=soon", 422),
        ("/staff/views/new/?list=cutoffs&q=a", 404),
        ("/staff/views/new/?q=a", 404),
    ],
)
def test_nothing_or_a_wrong_filter_is_not_saved(staff, address, status):
    assert staff.get(address).status_code == status
    assert save(staff, address=address).status_code == status
    assert not SavedView.objects.exists()


def test_name_is_needed_and_views_are_bounded(staff, sam):
    assert "This field is required" in save(staff, name="").text
    for number in range(KEPT):
        keep(sam, name=str(number))
    assert f"You have {KEPT} saved views" in save(staff).text


def test_view_with_a_filter_that_is_gone_does_not_open(staff, sam):
    keep(sam, name="old", filters={"gone": "x"})
    assert "gone=x" not in staff.get("/staff/sessions/").text
    assert "A filter of this view no longer exists." in staff.get("/staff/views/").text


def test_empty_page_says_how_to_save_one(staff):
    assert "Save this view…" in staff.get("/staff/views/").text
