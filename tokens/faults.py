"""Answers for what is nobody's refusal: a database that is away (503), too many logins (429).

JSON for the API, a page for a browser, the same words in both.
"""

import logging
import sys

from django.core.exceptions import PermissionDenied
from django.db import DataError, Error, ProgrammingError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import loader
from django.utils import translation
from django.utils.translation import gettext as _
from django.views import defaults

from tokens import audit
from tokens.logins import LoginLocked
from tokens.models import Kind

RETRY_AFTER_SECONDS = 5
# PostgreSQL files a table that this role may not write under wrong statements.
INSUFFICIENT_PRIVILEGE = "42501"
logger = logging.getLogger(__name__)


def answer_for(request: HttpRequest, exception: BaseException | None) -> HttpResponse | None:
    """The answer to an exception that is a fault or a lock; None for any other. The API's is in
    English, as all its bodies are: they are a contract."""
    if wants_json(request):
        with translation.override("en"):
            return _known(request, exception)
    return _known(request, exception)


def _known(request: HttpRequest, exception: BaseException | None) -> HttpResponse | None:
    if isinstance(exception, LoginLocked):
        detail = _("Too many attempts. Try again in %(seconds)s seconds.") % {
            "seconds": exception.retry_after
        }
        return _answer(request, 429, detail, exception.retry_after)
    if isinstance(exception, PermissionDenied):
        try:
            _note_denial(request)
        except Error as error:
            return _known(request, error)
    if is_fault(exception):
        # Only the kind of error: the message of a driver may quote parameters.
        logger.error("database fault: %s on %s", type(exception).__name__, request.path)
        detail = _("The service is not able to answer just now. Nothing was changed.")
        return _answer(request, 503, detail, RETRY_AFTER_SECONDS)
    return None


def _note_denial(request: HttpRequest) -> None:
    """Django's admin refuses by itself, and writes nothing; our own faces do."""
    match = request.resolver_match
    if match is not None and "admin" in match.app_names:
        data = {"path": request.path[:200], "wanted": []}
        audit.record(kind=Kind.PERMISSION_DENIED, actor=request.user, data=data)


def is_fault(exception: BaseException | None) -> bool:
    """Whether the database could not do its work: away, full, read-only, at its limit, or
    refusing the event. A wrong statement is a bug of ours, and stays a 500."""
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
        page = loader.get_template(f"{status}.html")
        context = {"detail": detail, "retry_after": retry_after}
        response = HttpResponse(page.render(context), status=status)
    response.headers["Retry-After"] = str(retry_after)
    response.headers["Cache-Control"] = "no-store"
    return response


def wants_json(request: HttpRequest) -> bool:
    return request.path.startswith(("/api/", "/.well-known/", "/healthz", "/readyz", "/metrics"))


def server_error(request: HttpRequest) -> HttpResponse:
    """``handler500``: exceptions that no view raised (a session that cannot be loaded, say)."""
    known = answer_for(request, sys.exc_info()[1])
    if known is not None:
        return known
    if wants_json(request):
        return JsonResponse({"detail": _("Something went wrong on our side.")}, status=500)
    return defaults.server_error(request)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """``handler404``."""
    if wants_json(request):
        return JsonResponse({"detail": _("Not found.")}, status=404)
    return defaults.page_not_found(request, exception)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """``handler400``."""
    if wants_json(request):
        return JsonResponse({"detail": _("The request could not be understood.")}, status=400)
    return defaults.bad_request(request, exception)
