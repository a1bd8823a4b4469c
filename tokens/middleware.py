"""What every request passes through."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from tokens.faults import answer_for
from tokens.http import drop_untrusted_scheme, origin_of
from tokens.origin import acting_from, on_behalf_of

Handler = Callable[[HttpRequest], HttpResponseBase]


class RequestContextMiddleware:
    """Where the request comes from, for the audit trail; and no body over the limit."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        drop_untrusted_scheme(request)
        # Addresses and forms are UTF-8, whatever codec a Content-Type names.
        request.encoding = "utf-8"
        origin = origin_of(request)
        # A viewer's language ends with the request: the thread's next caller has one of his own.
        with acting_from(origin), translation.override(settings.LANGUAGE_CODE):
            response = self._too_large(request) or self.get_response(request)
        response.headers["X-Request-ID"] = origin.request_id
        return response

    @staticmethod
    def _too_large(request: HttpRequest) -> HttpResponseBase | None:
        # Before anything reads it: Django itself would answer 400 when the body is touched.
        length = request.META.get("CONTENT_LENGTH") or "0"
        if length.isdecimal() and int(length) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            return JsonResponse({"detail": _("The body is too large.")}, status=413)
        return None


class FaultMiddleware:
    """Faults and locks as clear answers, told apart from refusals (503 and 429, not 401)."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        # Raises DisallowedHost, a 400: the middlewares that ask for it are not on every road.
        request.get_host()
        return self.get_response(request)

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponseBase | None:
        return answer_for(request, exception)


class ViewerMiddleware:
    """Who acts, for acts that nobody hands an actor to; and the viewer's own time zone."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        def actor() -> Any | None:
            return request.user if request.user.is_authenticated else None

        with ExitStack() as stack:
            stack.enter_context(on_behalf_of(actor))
            if zone := _zone(request.COOKIES.get("tz", "")):
                stack.enter_context(timezone.override(zone))
            return self.get_response(request)


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
