"""List outstanding tokens, and show one with its claims."""

from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET

from tokens.audit.reads import record_token_read
from tokens.listing.sessions import session_row
from tokens.listing.tokens import token_row
from tokens.models import Event, OutstandingToken
from tokens.permissions import VIEW_TOKENS
from tokens.revocation import may_revoke
from tokens.staff.filters import TokenForm
from tokens.staff.guards import staff_may
from tokens.staff.lists import render_list
from tokens.staff.timeline import timeline
from tokens.validation.details import describe_token


@require_GET
@staff_may(VIEW_TOKENS)
def index(request: HttpRequest) -> HttpResponse:
    return render_list(request, "tokens", TokenForm, counted=OutstandingToken)


@require_GET
@staff_may(VIEW_TOKENS)
@transaction.atomic
def detail(request: HttpRequest, jti: str) -> HttpResponse:
    if "\0" in jti:  # PostgreSQL rejects a NUL in text.
        raise Http404
    pk = OutstandingToken.objects.filter(jti=jti).values_list("pk", flat=True).first()
    token = token_row(pk=pk) if pk is not None else None
    if token is None:
        return _to_session_of(jti)
    membership = getattr(token, "membership", None)
    session = session_row(pk=membership.session_id) if membership else None
    record_token_read(token=token, actor=request.user)
    context = {
        "token": token,
        "may_revoke": may_revoke(actor=request.user, user=token.user),
        "session": session,
        "steps": timeline(session, jti=jti) if session else [],
        "details": describe_token(token.token),
    }
    return render(request, "tokens/staff/token.html", context)


def _to_session_of(jti: str) -> HttpResponse:
    """Lead to the session of a token that has no row: an access token, or one that was purged."""
    known = Event.objects.filter(jti=jti).exclude(jti="").exclude(session_id=None)
    sid = known.values_list("session_id", flat=True).first()
    if sid is None:
        raise Http404
    return redirect("tokens_staff:session", sid)
