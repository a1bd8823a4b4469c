"""List sessions, and show one with its timeline."""

from uuid import UUID

from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from tokens.audit.reads import record_session_read
from tokens.listing.sessions import add_origins, session_row
from tokens.models import Session
from tokens.permissions import VIEW_SESSIONS
from tokens.revocation import may_revoke
from tokens.services import reach_of_session
from tokens.staff.filters import SessionForm
from tokens.staff.guards import staff_may
from tokens.staff.lists import render_list
from tokens.staff.timeline import timeline


@require_GET
@staff_may(VIEW_SESSIONS)
def index(request: HttpRequest) -> HttpResponse:
    return render_list(request, "sessions", SessionForm, counted=Session)


@require_GET
@staff_may(VIEW_SESSIONS)
@transaction.atomic
def detail(request: HttpRequest, sid: UUID) -> HttpResponse:
    session = session_row(pk=sid)
    if session is None:
        raise Http404
    add_origins([session])
    record_session_read(session=session, actor=request.user)
    context = {
        "session": session,
        "steps": timeline(session),
        "may_revoke": may_revoke(actor=request.user, user=session.user),
        "reach": reach_of_session(session=session),
    }
    return render(request, "tokens/staff/session.html", context)
