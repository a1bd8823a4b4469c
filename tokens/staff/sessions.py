"""Sessions: find one, follow it from login to end."""

from uuid import UUID

from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from tokens import audit
from tokens.http import wants_fragment
from tokens.models import Kind, Session
from tokens.selectors.about import about
from tokens.selectors.sessions import session_row
from tokens.staff.filters import SessionFilters
from tokens.staff.guards import VIEW_SESSIONS, staff_may
from tokens.staff.show import timeline


@require_GET
@staff_may(VIEW_SESSIONS)
def index(request: HttpRequest) -> HttpResponse:
    filters = SessionFilters(request.GET)
    page = filters.listing().page(cursor=request.GET.get("page", ""))
    fragment = wants_fragment(request)
    context = {"filters": filters, "page": page, "fragment": fragment}
    if not fragment:
        context["about"] = about(Session)
    return render(request, "staff/_sessions.html" if fragment else "staff/sessions.html", context)


@require_GET
@staff_may(VIEW_SESSIONS)
@transaction.atomic
def detail(request: HttpRequest, sid: UUID) -> HttpResponse:
    session = session_row(pk=sid)
    if session is None:
        raise Http404
    audit.record(
        kind=Kind.CLAIMS_VIEWED,
        actor=request.user,
        subject=session.user,
        subject_name=session.username,
        session=session.pk,
    )
    context = {"session": session, "steps": timeline(session)}
    return render(request, "staff/session.html", context)
