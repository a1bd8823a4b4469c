"""A long revocation: how far it is, and going on with it."""

from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods
from django_htmx.http import trigger_client_event

from tokens import revocation
from tokens.http import wants_fragment
from tokens.models import RevocationJob
from tokens.revocation import Selection
from tokens.staff.filters import Filters
from tokens.staff.guards import CUT_OFF, REVOKE, denied, staff_may

# One poll works this long; whoever has no JavaScript presses a button, and waits a little more.
POLL_SECONDS, PRESS_SECONDS = 1.0, 5.0
NAMED = 5
RANGES = {
    "issued": gettext_lazy("Opened"),
    "used": gettext_lazy("Last used"),
    "expires": gettext_lazy("Ends at the latest"),
    "token_issued": gettext_lazy("Token issued"),
    "token_expires": gettext_lazy("Token expires"),
}


@require_http_methods(["GET", "HEAD", "POST"])
@staff_may(REVOKE)
def job(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(RevocationJob, pk=pk)
    if found.everybody and not request.user.has_perm(CUT_OFF):
        denied(request, CUT_OFF)
    fragment = wants_fragment(request)
    going = request.method == "POST" and found.finished_at is None
    if going:
        found = revocation.work_off(job=found, seconds=POLL_SECONDS if fragment else PRESS_SECONDS)
    if request.method == "POST" and not fragment:
        return redirect(request.path)
    context = {"job": found, "parts": described(found), "ranges": ranged(found)}
    response = render(request, "staff/_job.html" if fragment else "staff/job.html", context)
    if going and found.finished_at is not None:
        sessions = ngettext("%(n)s session", "%(n)s sessions", found.sessions)
        said = _("Finished: revoked %(what)s.") % {"what": sessions % {"n": found.sessions}}
        trigger_client_event(response, "portal:said", {"said": said})
    return response


def described(found: RevocationJob) -> list[tuple[str, str]]:
    """The selection in words, one condition a line."""
    selection = Selection.from_json(found.selection)
    labels = {name: str(field.label) for name, field in Filters.base_fields.items()}
    parts: list[tuple[str, Any]] = [
        (_("Accounts"), _names(selection.users)),
        (_("Sessions"), len(selection.sessions)),
        (_("Tokens"), len(selection.jtis)),
        (labels["ip"], selection.ip),
        (labels["client"], selection.client),
        (labels["device"], selection.user_agent),
    ]
    return [(label, str(value)) for label, value in parts if value]


def ranged(found: RevocationJob) -> list[tuple[str, datetime | None, datetime | None]]:
    """Its ranges: what of, from when, before when."""
    selection = Selection.from_json(found.selection)
    limits = [
        (str(label), getattr(selection, f"{name}_after"), getattr(selection, f"{name}_before"))
        for name, label in RANGES.items()
    ]
    return [limit for limit in limits if any(limit[1:])]


def _names(users: tuple[Any, ...]) -> str:
    people = get_user_model()._default_manager.filter(pk__in=users[:NAMED]).order_by("pk")
    names = [person.get_username() for person in people]
    return ", ".join([*names, "…"] if len(users) > NAMED else names)
