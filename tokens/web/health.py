"""Tell operators and load balancers whether the process runs and whether it can serve."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from tokens.web import readiness
from tokens.web.errors import RETRY_AFTER_SECONDS

View = Callable[..., HttpResponse]


def probe(view: View) -> View:
    """Mark a view for operators: it answers under any Host header, past the pages' middleware."""
    marked: View = never_cache(require_safe(view))
    marked.skips_page_middleware = marked.answers_any_host = True  # type: ignore[attr-defined]
    return marked


@probe
def healthz(request: HttpRequest) -> HttpResponse:
    """Answer as long as the process runs.

    Nothing else is checked: an unavailable database must not get every worker restarted.
    """
    return JsonResponse({"status": "alive"})


@probe
def readyz(
    request: HttpRequest, *, is_draining: Callable[[], bool] = lambda: False
) -> HttpResponse:
    """Answer 200 if the database is whole, migrated and takes writes, else 503.

    The cache is reported, but not needed. A host that is about to stop is not ready.
    """
    draining = is_draining()
    state = {"database": readiness.database.state(), "cache": readiness.cache_service.state()}
    ready = state["database"] == readiness.OK and not draining
    if draining:
        state["server"] = "draining"
    response = JsonResponse({"ready": ready, **state}, status=200 if ready else 503)
    if not ready:
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response
