"""A user admin that the project registered itself stays in use, with a section about tokens."""

import pytest
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.urls import reverse

from tests.support.tokens import pair_of
from tokens.admin.users import with_tokens
from tokens.listing.estimates import Estimate

COMPLETE = "/admin/autocomplete/?app_label=tokens&model_name=session&field_name=user&term="


class SlowPaginator(Paginator):
    pass


class PlainAdmin(admin.ModelAdmin):
    """Neither Django's nor a subclass of it, with a paginator and actions of its own."""

    list_display = ("username", "email")
    fields = ("username", "email")
    paginator = SlowPaginator
    show_full_result_count = True
    actions = ("greet",)

    @admin.action(description="Greet")
    def greet(self, request, queryset):
        pass


def shown_by(theirs, rf, user):
    request = rf.get("/")
    request.user = user
    return with_tokens(theirs)(User, admin.site), request


def test_what_a_project_declares_is_kept(rf, sam, alice):
    held = pair_of(alice)
    shown, request = shown_by(PlainAdmin, rf, sam)
    assert shown.list_display == ("username", "email")
    assert (shown.paginator, shown.show_full_result_count) == (SlowPaginator, True)
    assert {"greet", "revoke_all_tokens"} <= set(shown.get_actions(request))
    fields = [
        name for _title, part in shown.get_fieldsets(request, alice) for name in part["fields"]
    ]
    assert fields == ["username", "email", "live_sessions", "last_login_by_api"]
    assert str(held.session.pk) in shown.live_sessions(alice)
    assert str(held.session.created_at.year) in shown.last_login_by_api(alice)


def test_who_may_not_see_sessions_sees_their_admin_alone(rf, alice, bob):
    shown, request = shown_by(PlainAdmin, rf, bob)
    assert "revoke_all_tokens" not in shown.get_actions(request)
    assert len(shown.get_fieldsets(request, alice)) == 1


def test_it_is_extended_once():
    once = with_tokens(UserAdmin)
    assert with_tokens(once) is once


@pytest.mark.postgresql
def test_a_big_list_of_users_is_not_counted(rf, sam, monkeypatch):
    monkeypatch.setattr("tokens.admin.users.estimate", lambda model: Estimate(800_000, exact=False))
    shown, request = shown_by(UserAdmin, rf, sam)
    assert not shown.show_full_result_count
    assert shown.get_paginator(request, User.objects.order_by("pk"), 100).count == 800_000
    assert (
        shown.get_paginator(request, User.objects.filter(is_staff=True).order_by("pk"), 100).count
        == 1
    )


@pytest.mark.parametrize(
    ("typed", "offered"), [("ali", ["alice"]), ("LICE", []), ("bob@", ["bob"])]
)
def test_names_are_completed_from_their_start(client, sam, alice, bob, typed, offered):
    client.force_login(sam)
    answer = client.get(COMPLETE + typed).json()
    assert [one["text"] for one in answer["results"]] == offered
    page = client.get(reverse("admin:tokens_session_changelist")).content.decode()
    assert COMPLETE.rpartition("&")[0].replace("&", "&amp;") in page


def test_who_may_not_see_accounts_gets_no_names(client, viewer, alice):
    client.force_login(viewer)
    assert client.get(COMPLETE + "ali").status_code == 403
