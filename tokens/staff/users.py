"""People: everything that one of them holds."""

from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from tokens import audit
from tokens.http import wants_fragment
from tokens.models import Kind
from tokens.selectors.sessions import live_sessions_of, sessions
from tokens.selectors.tokens import stray_tokens
from tokens.staff.filters import PeopleFilters
from tokens.staff.guards import VIEW_TOKENS, staff_may

SHOWN = 20


@require_GET
@staff_may(VIEW_TOKENS)
def index(request: HttpRequest) -> HttpResponse:
    filters = PeopleFilters(request.GET)
    page = filters.listing().page(cursor=request.GET.get("page", ""))
    fragment = wants_fragment(request)
    context = {"filters": filters, "page": page, "fragment": fragment}
    return render(request, "staff/_users.html" if fragment else "staff/users.html", context)


@require_GET
@staff_may(VIEW_TOKENS)
@transaction.atomic
def detail(request: HttpRequest, pk: str) -> HttpResponse:
    person: Any = get_object_or_404(get_user_model(), pk=pk)
    audit.record(kind=Kind.CLAIMS_VIEWED, actor=request.user, subject=person)
    context = {
        "person": person,
        "held": live_sessions_of(user=person),
        "sessions": sessions(user=person).page(size=SHOWN),
        "strays": stray_tokens(user=person, most=SHOWN),
    }
    return render(request, "staff/user.html", context)
