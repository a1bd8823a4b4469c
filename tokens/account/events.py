"""Show users what happened to their account."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from tokens.account.sessions import owner_of
from tokens.listing.own_events import as_owner_sees, own_events
from tokens.web.login import login_needed


@never_cache
@login_needed
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    user = owner_of(request)
    page = own_events(user=user, cursor=request.GET.get("page", ""))
    rows = [as_owner_sees(event, user=user) for event in page.rows]
    return render(request, "tokens/account/events.html", {"page": page, "rows": rows})
