"""List users, and show one with all of their sessions."""

from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from tokens import audit
from tokens.accounts.factors import has_factor
from tokens.listing.browsers import browser_sessions, this_browser
from tokens.listing.sessions import SessionQuery, active_first, live_sessions_of
from tokens.listing.tokens import foreign_tokens_of
from tokens.listing.users import account_with_key
from tokens.models import Kind
from tokens.permissions import VIEW_TOKENS
from tokens.revocation import may_revoke
from tokens.services import reach_of_user
from tokens.staff.filters import UserForm
from tokens.staff.guards import staff_may
from tokens.staff.lists import render_list

SHOWN = 20


@require_GET
@staff_may(VIEW_TOKENS)
def index(request: HttpRequest) -> HttpResponse:
    return render_list(request, "users", UserForm)


@require_GET
@staff_may(VIEW_TOKENS)
@transaction.atomic
def detail(request: HttpRequest, pk: str) -> HttpResponse:
    person = account_with_key(pk)
    if person is None:
        raise Http404
    audit.record(kind=Kind.CLAIMS_VIEWED, actor=request.user, subject=person)
    context = {
        "person": person,
        "may_revoke": may_revoke(actor=request.user, user=person),
        "held": live_sessions_of(user=person),
        "sessions": active_first(query=SessionQuery(user=person.pk), size=SHOWN),
        "browsers": browser_sessions(user=person),
        "this_browser": this_browser(),
        "strays": foreign_tokens_of(user=person, most=SHOWN),
        "reach": reach_of_user(user=person),
        "has_factor": has_factor(person),
    }
    return render(request, "tokens/staff/user.html", context)
