"""Find the saved views that a member of staff may open."""

from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import Model, Q

from tokens.listing.events import EventQuery
from tokens.listing.query import ListQuery
from tokens.listing.sessions import SessionQuery
from tokens.listing.tokens import TokenQuery
from tokens.listing.users import UserQuery
from tokens.models import SavedView

LISTS: dict[str, type[ListQuery[Model]]] = {
    "tokens": TokenQuery,
    "sessions": SessionQuery,
    "users": UserQuery,
    "events": EventQuery,
}
# How many views one account may keep, and how many one page lists.
KEPT, SHOWN = 50, 200


def saved_views(*, viewer: AbstractBaseUser, lists: tuple[str, ...]) -> list[SavedView]:
    """Return the views of ``lists`` that are the viewer's or shared, by name.

    A view with a filter that no longer exists isn't ``readable``: its list would show more.
    """
    found = SavedView.objects.filter(Q(owner=viewer.pk) | Q(shared=True), list_name__in=lists)
    views = list(found.select_related("owner").order_by("name", "pk")[:SHOWN])
    for view in views:
        view.readable = view.filters.keys() <= LISTS[view.list_name].filters().keys()
    return views
