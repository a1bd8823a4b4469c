"""Set a finding of the overview aside."""

from ipaddress import ip_address

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from tokens import audit
from tokens.listing.attention import RULES
from tokens.listing.search import as_uuid
from tokens.models import Event, Kind, Session
from tokens.permissions import REVOKE, VIEW_SESSIONS
from tokens.staff.guards import staff_may

# Fewer than the largest id has.
MOST_DIGITS = 18


@require_http_methods(["GET", "POST"])
@staff_may(VIEW_SESSIONS, REVOKE)
def looks_fine(request: HttpRequest) -> HttpResponse:
    """Record that staff have looked at a finding. The overview no longer shows it.

    A login on the way here comes back with a GET, and leads to the overview.
    """
    if request.method == "GET":
        return redirect("tokens_staff:overview")
    rule, key = request.POST.get("rule", ""), request.POST.get("key", "")
    sid = as_uuid(key)
    session = Session.objects.select_related("user").filter(pk=sid).first() if sid else None
    event = _lock(key)
    if rule not in {one.name for one in RULES} or not (session or event or _is_address(key)):
        return HttpResponseBadRequest()
    about = session.user if session else event.subject if event else None
    audit.record(
        kind=Kind.LOOKS_FINE,
        actor=request.user,
        subject=about,
        session=session.pk if session else None,
        data={"rule": rule, "key": key},
    )
    return redirect("tokens_staff:overview")


def _lock(key: str) -> Event | None:
    """Return the event of a login lock by its id."""
    if not (key.isascii() and key.isdigit()) or len(key) > MOST_DIGITS:
        return None
    locks = Event.objects.filter(kind=Kind.LOGIN_LOCKED).select_related("subject")
    return locks.filter(pk=int(key)).first()


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
