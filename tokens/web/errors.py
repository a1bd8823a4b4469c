"""Respond to errors that are not the caller's fault, and to unknown addresses.

These are 503 when the database is unavailable and 429 when logins are throttled. The API answers in
JSON, and pages in HTML with the same text.
"""

import logging
import sys

from django.core.exceptions import PermissionDenied
from django.db import DataError, Error, ProgrammingError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.template import loader
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views import defaults

from tokens.accounts.factors import FactorMissing, FactorNeeded
from tokens.accounts.passwords import LoginBusy, LoginLocked
from tokens.jwt.keys import KeyUnavailable
from tokens.sessions.claims import ClaimsUnavailable
from tokens.sessions.issue import LoginSuperseded
from tokens.web import PARTS, second_step
from tokens.web.denials import record_denial

RETRY_AFTER_SECONDS = 5
UNAVAILABLE = gettext_lazy("The service is not able to answer just now. Nothing was changed.")
UNKNOWN = gettext_lazy(
    "The service is not able to answer just now. It is not known whether the change was made."
)
FACTOR_NEEDED = gettext_lazy("A second factor is needed. Send its code too.")
FACTOR_MISSING = gettext_lazy("Staff need a second factor. Add one on the account pages first.")
# PostgreSQL reports a table that the role may not write like a wrong statement.
INSUFFICIENT_PRIVILEGE = "42501"
# In the portal, for addresses without a view.
JSON_PATHS = ("/api/", "/.well-known/", "/healthz", "/readyz", "/metrics")
# What the app raises in a login or logout, in whichever view.
OWN = (LoginLocked, LoginBusy, FactorNeeded, FactorMissing, ClaimsUnavailable, KeyUnavailable)
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
logger = logging.getLogger(__name__)


def answer_for(request: HttpRequest, exception: BaseException | None) -> HttpResponse | None:
    """Return the response to a database fault or a login lock, or None for other exceptions.

    The API's response is in English, as all its bodies are: they are a contract.
    """
    if wants_json(request):
        with translation.override("en"):
            return _known(request, exception)
    return _known(request, exception)


def answer_for_own(request: HttpRequest, exception: Exception) -> HttpResponse | None:
    """Return the response to what only the app raises, or None for other exceptions.

    A view of a project may let it through: one that calls Django's `authenticate` with the app's
    backend, or `open_session`.
    """
    if isinstance(exception, LoginSuperseded):
        detail = _("No active account found with the given credentials")
        return JsonResponse({"detail": detail, "code": "no_active_account"}, status=401)
    return answer_for(request, exception) if isinstance(exception, OWN) else None


def _known(request: HttpRequest, exception: BaseException | None) -> HttpResponse | None:
    if isinstance(exception, LoginLocked):
        detail = _("Too many attempts. Try again in %(seconds)s seconds.") % {
            "seconds": exception.retry_after
        }
        return _answer(request, 429, detail, exception.retry_after)
    if isinstance(exception, LoginBusy):
        detail = _("Too many logins at once. Try again in a moment.")
        return _answer(request, 503, detail, exception.retry_after)
    if isinstance(exception, FactorNeeded | FactorMissing):
        return _ask_for_factor(request, exception)
    if isinstance(exception, PermissionDenied):
        try:
            _note_denial(request)
        except Error as error:
            return _known(request, error)
    if isinstance(exception, ClaimsUnavailable | KeyUnavailable):
        return _answer(request, 503, str(UNAVAILABLE), RETRY_AFTER_SECONDS)
    if is_fault(exception):
        # Log only the type: a driver's message may quote parameters.
        logger.error("database fault: %s on %s", type(exception).__name__, request.path)
        return _answer(request, 503, str(_outcome(request, exception)), RETRY_AFTER_SECONDS)
    return None


def _ask_for_factor(request: HttpRequest, exception: FactorNeeded | FactorMissing) -> HttpResponse:
    """Send a browser to the page that asks for a second factor; tell other clients to send one."""
    if isinstance(exception, FactorNeeded):
        page = "" if wants_json(request) else second_step.begin(request, user=exception.user)
        if page:
            return redirect(page)
        body = {"detail": str(FACTOR_NEEDED), "code": "mfa_required"}
    else:
        body = {"detail": str(FACTOR_MISSING), "code": "mfa_enrolment_required"}
    return JsonResponse(
        body,
        status=401,
        headers={"WWW-Authenticate": 'Bearer realm="api"', "Cache-Control": "no-store"},
    )


def _outcome(request: HttpRequest, exception: BaseException | None) -> object:
    """Say that nothing was changed, unless the answer to a commit was lost."""
    cause = getattr(exception, "__cause__", None)
    lost = getattr(cause, "outcome_unknown", False) and request.method not in SAFE_METHODS
    return UNKNOWN if lost else UNAVAILABLE


def _note_denial(request: HttpRequest) -> None:
    """Record that Django's admin denied access. The app's own pages record it themselves."""
    match = request.resolver_match
    if match is not None and "admin" in match.app_names:
        record_denial(request, about="admin")


def is_fault(exception: BaseException | None) -> bool:
    """Tell whether the database is unavailable, full, read-only, at a limit, or refuses the event.

    A wrong statement is a bug, and stays a 500.
    """
    if exception is None:
        return False
    if getattr(exception.__cause__, "sqlstate", None) == INSUFFICIENT_PRIVILEGE:
        return True
    return isinstance(exception, Error) and not isinstance(exception, DataError | ProgrammingError)


def _answer(request: HttpRequest, status: int, detail: str, retry_after: int) -> HttpResponse:
    response: HttpResponse
    if wants_json(request):
        response = JsonResponse({"detail": detail}, status=status)
    else:
        page = loader.get_template(f"tokens/{status}.html")
        context = {"detail": detail, "retry_after": retry_after}
        response = HttpResponse(page.render(context), status=status)
    response.headers["Retry-After"] = str(retry_after)
    response.headers["Cache-Control"] = "no-store"
    return response


def wants_json(request: HttpRequest) -> bool:
    """Return whether the request is a call of the API, wherever a project includes its URLs.

    So is one of a project's own views of REST framework.
    """
    match = getattr(request, "resolver_match", None)
    if match is not None and hasattr(match.func, "cls"):
        return True
    if match is not None and not PARTS.isdisjoint(match.app_names):
        return "tokens_api" in match.app_names
    return request.path_info.startswith(JSON_PATHS)


def too_large(request: HttpRequest) -> HttpResponse:
    """Answer 413: with a page for a browser's form, in JSON for any other client.

    No middleware has chosen the language yet.
    """
    if wants_json(request) or "text/html" not in request.headers.get("Accept", ""):
        return JsonResponse({"detail": _("The body is too large.")}, status=413)
    with translation.override(translation.get_language_from_request(request)):
        page = loader.get_template("tokens/413.html").render()
    return HttpResponse(page, status=413, headers={"Cache-Control": "no-store"})


def server_error(request: HttpRequest) -> HttpResponse:
    """Handle exceptions that no view raised, such as a browser session that can't be loaded.

    This is Django's ``handler500``.
    """
    known = answer_for(request, sys.exc_info()[1])
    if known is not None:
        return known
    if wants_json(request):
        return JsonResponse({"detail": _("Something went wrong on our side.")}, status=500)
    return defaults.server_error(request)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer 403 for a form that is too old, or not from this site (``CSRF_FAILURE_VIEW``).

    The header tells the scripts of the pages that no permission is missing.
    """
    page = loader.get_template("tokens/403_csrf.html")
    response = HttpResponse(page.render(), status=403)
    response.headers["X-Form-Expired"] = "1"
    response.headers["Cache-Control"] = "no-store"
    return response


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 404, in JSON for the API. This is Django's ``handler404``."""
    if wants_json(request):
        with translation.override("en"):
            return JsonResponse({"detail": _("Not found.")}, status=404)
    return defaults.page_not_found(request, exception)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400, in JSON for the API. This is Django's ``handler400``."""
    if wants_json(request):
        with translation.override("en"):
            return JsonResponse({"detail": _("The request could not be understood.")}, status=400)
    return defaults.bad_request(request, exception)
