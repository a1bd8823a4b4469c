"""For operators and load balancers: alive, and able to serve."""

from django.core.cache import cache
from django.db import Error, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from tokens.faults import RETRY_AFTER_SECONDS


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers. Nothing else is asked, so that a database that is away does not get
    every worker restarted."""
    return JsonResponse({"status": "alive"})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Able to serve: the database answers. The cache is told of, but nothing stops without it."""
    state = {"database": _database(), "cache": _cache()}
    ready = state["database"] == "ok"
    response = JsonResponse({"ready": ready, **state}, status=200 if ready else 503)
    if not ready:
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        return "away"
    return "ok"


def _cache() -> str:
    try:
        cache.get("tokens:ready")
    except Exception:  # noqa: BLE001  (each cache client has errors of its own)
        return "away"
    return "ok"
