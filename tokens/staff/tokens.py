"""Outstanding tokens: find one, read it."""

from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from tokens import audit
from tokens.claims import Malformed, parse
from tokens.http import wants_fragment
from tokens.models import Kind, OutstandingToken
from tokens.selectors.about import about
from tokens.selectors.sessions import session_row
from tokens.selectors.tokens import token_row
from tokens.staff.filters import TokenFilters
from tokens.staff.guards import VIEW_TOKENS, staff_may
from tokens.staff.show import rows, timeline
from tokens.verdict import explain_stored


@require_GET
@staff_may(VIEW_TOKENS)
def index(request: HttpRequest) -> HttpResponse:
    filters = TokenFilters(request.GET)
    page = filters.listing().page(cursor=request.GET.get("page", ""))
    fragment = wants_fragment(request)
    context = {"filters": filters, "page": page, "fragment": fragment}
    if not fragment:
        context["about"] = about(OutstandingToken)
    return render(request, "staff/_tokens.html" if fragment else "staff/tokens.html", context)


@require_GET
@staff_may(VIEW_TOKENS)
@transaction.atomic
def detail(request: HttpRequest, jti: str) -> HttpResponse:
    pk = OutstandingToken.objects.filter(jti=jti).values_list("pk", flat=True).first()
    token = token_row(pk=pk) if pk is not None else None
    if token is None:
        raise Http404
    membership = getattr(token, "membership", None)
    session = session_row(pk=membership.session_id) if membership else None
    audit.record(
        kind=Kind.CLAIMS_VIEWED,
        actor=request.user,
        subject=token.user,
        session=session.pk if session else None,
        jti=jti,
    )
    context = {
        "token": token,
        "session": session,
        "steps": timeline(session, jti=jti) if session else [],
    }
    try:
        parts = parse(token.token)
    except Malformed as error:
        context["unreadable"] = str(error)
    else:
        context |= {
            "header": rows(parts.header),
            "claims": rows(parts.payload),
            "verdict": explain_stored(claims=parts.payload),
        }
    return render(request, "staff/token.html", context)
