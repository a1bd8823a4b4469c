"""Show the page of a list."""

from typing import cast

from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from tokens.listing.estimates import estimate
from tokens.listing.revocable import RevocableQuery
from tokens.listing.saved_views import saved_views
from tokens.staff.filters import QueryForm
from tokens.staff.guards import wants_fragment


def render_list(
    request: HttpRequest, name: str, form: type[QueryForm], *, counted: type[Model] | None = None
) -> HttpResponse:
    """Render the list ``name`` with the filters and the cursor of the address.

    htmx gets only the list. The whole page also says about how many rows of ``counted`` there are.
    """
    filters = form(request.GET)
    query = filters.query
    page = query.listing().page(cursor=request.GET.get("page", ""))
    fragment = wants_fragment(request)
    context = {"filters": filters, "page": page, "fragment": fragment}
    if isinstance(query, RevocableQuery):
        context["matches_live"] = query.may_match_live(page)
    if not fragment:
        viewer = cast(AbstractBaseUser, request.user)
        context["saved_views"] = saved_views(viewer=viewer, lists=(name,))
        if counted is not None:
            context["about"] = estimate(counted)
    return render(request, f"tokens/staff/{'_' if fragment else ''}{name}.html", context)
