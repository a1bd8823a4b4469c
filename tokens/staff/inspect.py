"""Any pasted JWT, taken apart and judged. What is pasted is neither kept nor repeated: the page
shows header and claims, the event says that somebody looked and what came of it."""

import json
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods

from tokens import audit
from tokens.claims import Malformed, Parts, parse
from tokens.models import Kind
from tokens.staff.guards import staff_may
from tokens.staff.show import rows
from tokens.verdict import Check, Verdict, explain

# The names of `tokens.verdict.CHECKS`, as questions that pass with yes.
NAMES = {
    "signature": _("Signed with a key of ours"),
    "times": _("Inside its times"),
    "type": _("Of a type that fits"),
    "known": _("Known here"),
    "revoked": _("Neither revoked nor used up"),
    "session": _("Its session goes on"),
    "user": _("Its account is active and unchanged"),
    "cut-off": _("Opened after every cut-off"),
}


@sensitive_post_parameters("token")
@sensitive_variables("pasted")
@require_http_methods(["GET", "POST"])
@staff_may("tokens.inspect_token")
def index(request: HttpRequest) -> HttpResponse:
    if request.method == "GET":
        return render(request, "staff/inspect.html")
    pasted = without_wrapping(request.POST.get("token", ""))
    if not pasted:
        return render(request, "staff/inspect.html", {"nothing": True}, status=400)
    verdict = explain(token=pasted)
    record(verdict=verdict, actor=request.user)
    return render(request, "staff/inspect.html", result(pasted=pasted, verdict=verdict))


def without_wrapping(text: str) -> str:
    """The token in what people paste: with ``Bearer``, quotes, or a line break in it."""
    bare = "".join(text.split()).strip("\"'")
    return bare[6:] if bare[:6].lower() == "bearer" else bare


def record(*, verdict: Verdict, actor: Any) -> None:
    """Ids are written down only where the signature was good: a forged claim names nobody."""
    session = verdict.session
    audit.record(
        kind=Kind.TOKEN_INSPECTED,
        actor=actor,
        subject=verdict.user,
        session=session.pk if session else None,
        jti=str(verdict.claims.get("jti", "")) if session else "",
        data={"verdict": verdict.failed or "active"},
    )


@sensitive_variables("pasted")
def result(*, pasted: str, verdict: Verdict) -> dict[str, Any]:
    """What the page shows of a token that was judged. ``claims`` may be of a token that nobody
    should believe; the page says so."""
    status, body = verdict.answer
    shown = {
        "verdict": verdict,
        "checks": [_check(check) for check in verdict.checks],
        "status": status,
        "body": json.dumps(body, indent=2, ensure_ascii=False),
    }
    try:
        parts = parse(pasted)
    except Malformed as error:
        return {**shown, "malformed": str(error)}
    return {**shown, **described(parts), "believed": bool(verdict.claims)}


def _check(check: Check) -> dict[str, Any]:
    mark, icon, said = {
        True: ("pass", "pass", _("passed")),
        False: ("fail", "fail", _("failed")),
        None: ("skip-check", "skipped", _("not made any more")),
    }[check.passed]
    name = NAMES[check.name]
    return {"name": name, "why": check.why, "mark": mark, "icon": icon, "said": said}


def described(parts: Parts) -> dict[str, Any]:
    return {"header": rows(parts.header), "claims": rows(parts.payload)}
