"""Look up a refused call by its request id."""

import re

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET

from tokens import audit
from tokens.listing.refusals import find_refusal
from tokens.listing.sessions import session_rows
from tokens.models import Kind
from tokens.permissions import INSPECT
from tokens.revocation import may_revoke
from tokens.staff.guards import staff_may

HEADER = re.compile(r"X-Request-ID:\s*", re.IGNORECASE)


@require_GET
@staff_may(INSPECT)
def index(request: HttpRequest) -> HttpResponse:
    """Ask for a request id, and lead to the refused call with it."""
    # As the headers of a response have it.
    request_id = HEADER.sub("", request.GET.get("id", "").strip())
    if request_id and "/" not in request_id:
        return redirect("tokens_staff:refusal", request_id)
    return render(request, "tokens/staff/refusal.html")


@require_GET
@staff_may(INSPECT)
@transaction.atomic
def detail(request: HttpRequest, request_id: str) -> HttpResponse:
    """Show which check refused a call, for which account, when and from where."""
    refusal = find_refusal(request_id)
    context: dict[str, object] = {"request_id": request_id}
    if refusal is None:
        return render(request, "tokens/staff/refusal.html", context, status=404)
    found = session_rows(pks={refusal.session_id} if refusal.session_id else set())
    session = next(iter(found.values()), None)
    user = refusal.user or (session.user if session is not None else None)
    audit.record(
        kind=Kind.CLAIMS_VIEWED,
        actor=request.user,
        subject=user,
        subject_name=refusal.username,
        session=refusal.session_id,
        jti=refusal.jti,
    )
    context |= {
        "refusal": refusal,
        "session": session,
        "person": user,
        "may_revoke": may_revoke(actor=request.user, user=user),
    }
    return render(request, "tokens/staff/refusal.html", context)
