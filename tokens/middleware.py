"""What every request passes through."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.middleware.locale import LocaleMiddleware
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from tokens.faults import answer_for
from tokens.http import client_address, drop_untrusted_scheme, origin_of, request_id_of
from tokens.logs import write_access
from tokens.origin import found_by, on_behalf_of

Handler = Callable[[HttpRequest], HttpResponseBase]


class RequestContextMiddleware:
    """Where the request comes from, for the audit trail; a line of the access log with the same
    request id; and no body over the limit."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        began = time.perf_counter()
        drop_untrusted_scheme(request)
        if request.encoding is not None:
            # Addresses and forms are UTF-8, whatever codec a Content-Type names.
            request.encoding = "utf-8"
        request_id = request_id_of(request)
        with found_by(lambda: origin_of(request, request_id=request_id)):
            response = self._too_large(request) or self.get_response(request)
        response.headers["X-Request-ID"] = request_id
        if settings.ACCESS_LOG:
            took = (time.perf_counter() - began) * 1000
            # Without the query string: what somebody puts after "?" is nobody's business.
            asked = f"{request.method} {quote(request.path, errors='replace')}"
            answered = f"{response.status_code} {took:.1f}ms"
            write_access(f'{client_address(request)} "{asked}" {answered} {request_id}')
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


class ViewerLocaleMiddleware(LocaleMiddleware):
    """Django's, except that a viewer's language ends with the request: the thread's next caller
    has one of their own."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with translation.override(settings.LANGUAGE_CODE):
            response: HttpResponseBase = super().__call__(request)  # type: ignore[assignment]
            return response


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
