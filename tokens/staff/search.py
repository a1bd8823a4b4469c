"""Search everything at once, from the box on every page.

The box posts what was typed, so that a token that is pasted is in no address: it goes on to the
inspector. Anything else is looked up by GET.
"""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils.http import urlencode
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods

from tokens.jwt.redaction import holds_redacted, redact_text
from tokens.listing.find import Row, SearchResults, find
from tokens.models import Event, OutstandingToken, Refusal, Session
from tokens.permissions import INSPECT
from tokens.staff.guards import staff_only

MOST = 300


@sensitive_post_parameters("token")
@sensitive_variables("text")
@require_http_methods(["GET", "POST"])
@staff_only
def index(request: HttpRequest) -> HttpResponse:
    """Lead to what the text names, or show all that it may mean."""
    if request.method == "POST":
        text = redact_text(request.POST.get("token", "").strip())
        if holds_redacted(text) and request.user.has_perm(INSPECT):
            # The browser repeats the request, with its body, at the inspector.
            return redirect("tokens_staff:inspect", preserve_request=True)
        asked = urlencode({"q": text[:MOST]})
        return redirect(f"{resolve_url('tokens_staff:search')}?{asked}")
    text = redact_text(request.GET.get("q", ""))[:MOST].strip()
    token = holds_redacted(text)
    found = SearchResults() if token else find(text=text, viewer=request.user)
    if found.exact is not None:
        return redirect(address_of_row(found.exact))
    context = {"searched": text, "found": found, "token": token}
    return render(request, "tokens/staff/search.html", context)


def address_of_row(row: Row) -> str:
    """Return the address of the page about ``row``; for an event, of all events of its request."""
    if isinstance(row, Session):
        return resolve_url("tokens_staff:session", row.pk)
    if isinstance(row, OutstandingToken):
        return resolve_url("tokens_staff:token", row.jti)
    if isinstance(row, Refusal):
        return resolve_url("tokens_staff:refusal", row.request_id)
    if isinstance(row, Event):
        asked = urlencode({"request_id": row.request_id})
        return f"{resolve_url('tokens_staff:events')}?{asked}"
    return resolve_url("tokens_staff:user", row.pk)
