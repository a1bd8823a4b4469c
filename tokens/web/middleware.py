"""The middleware of the app."""

import random
import re
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from functools import lru_cache, partial
from urllib.parse import quote

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.shortcuts import redirect
from django.urls import Resolver404, resolve
from django.utils import timezone, translation
from django.utils.functional import SimpleLazyObject

from tokens.accounts.factors import REQUIRED
from tokens.conf import app_settings
from tokens.jwt.redaction import SUSPECT, redact_text
from tokens.origin import (
    CLIENT_LENGTH,
    USER_AGENT_LENGTH,
    Actor,
    Browser,
    Origin,
    enter_browser,
    forwarded_scheme,
    is_staff,
    is_trusted,
    may,
    nearest_address,
    request_context,
    valid_traceparent,
)
from tokens.sessions.browsers import keep_browser_session
from tokens.validation import browser
from tokens.web import second_step
from tokens.web.errors import answer_for, answer_for_own, too_large
from tokens.web.logging import JSON, REQUEST_ID, access_as_json
from tokens.web.pages import REDACTED, VISIBLE, show_hidden, zone_of
from tokens.web.redaction import (
    ADDRESSES,
    correct_history,
    redact_address,
    redact_form,
    redirect_to_redacted,
)
from tokens.web.series import DURATION, REQUESTS, begin

Handler = Callable[[HttpRequest], HttpResponseBase]
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Bytes. A view that takes more names the permission for it (``large_body_for``).
MAX_BODY = 64 * 1024
# Attributes with which a view tells `ApiSkipsPageMiddleware` how to treat its calls.
MARKS = ("skips_page_middleware", "answers_any_host")
# The access log cuts longer paths.
MAX_LOGGED_PATH = 2048
VALID_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


class RequestContextMiddleware:
    """Set the origin and the actor of events, and write the access log.

    Both have the request id that is in the response's ``X-Request-ID``. A browser session that is
    over is logged out, and an exception of the app that a view lets through is answered. Otherwise,
    wherever a project lists this middleware, no request and no other response changes.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response
        self.proxies = tuple(app_settings.TRUSTED_PROXIES)
        self.access_log = app_settings.ACCESS_LOG
        self.as_json = app_settings.LOG_FORMAT == JSON
        self.staff_need_factor = app_settings.STAFF_MFA == REQUIRED

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        began = time.perf_counter()
        request_id = request_id_of(request, proxies=self.proxies)
        setattr(request, REQUEST_ID, request_id)
        with request_context(
            origin=lambda: origin_of(request, request_id=request_id, proxies=self.proxies),
            actor=lambda: actor_of(request),
        ):
            check_browser_session(request)
            response = self.get_response(request)
        response.headers.setdefault("X-Request-ID", request_id)
        if self.access_log:
            took = (time.perf_counter() - began) * 1000
            # The query string may hold what a person searched for, so it isn't logged.
            path = quote(request.path[:MAX_LOGGED_PATH], errors="replace")
            address, status = client_address(request, proxies=self.proxies), response.status_code
            if self.as_json:
                line = access_as_json(request, path=path, status=status, took=took, address=address)
            else:
                asked = f"{request.method} {path}"
                line = f'{address} "{asked}" {status} {took:.1f}ms {request_id}'
            _write_access(line)
        return response

    def process_view(self, request: HttpRequest, *_: object) -> HttpResponseBase | None:
        # The request has no user yet when this middleware comes before Django's.
        check_browser_session(request)
        if self.staff_need_factor and (page := second_step.page_needed(request)):
            return go_to(request, page)
        return None

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponseBase | None:
        """Answer 429, 503 or 401 for what the app raises through a view of the project."""
        return answer_for_own(request, exception)


def go_to(request: HttpRequest, page: str) -> HttpResponseBase:
    """Redirect the whole page, also if htmx asked for a part of it."""
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204, headers={"HX-Redirect": page})
    return redirect(page)


def actor_of(request: HttpRequest) -> Actor:
    """Return the account that a request's own code acts for; None before it is authenticated."""
    user = getattr(request, "user", None)
    return user if user is not None and user.is_authenticated else None


class UntrustedRequestMiddleware:
    """Refuse large bodies, and use a proxy's scheme only if the proxy is trusted.

    Every address is UTF-8, and so is every form, whichever codec the Content-Type names.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response
        self.proxies = tuple(app_settings.TRUSTED_PROXIES)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        take_scheme_of_proxy(request, proxies=self.proxies)
        if request.encoding is not None:
            request.encoding = "utf-8"
        # Checked before the body is read: Django itself would answer 400.
        if body_exceeds(request, settings.DATA_UPLOAD_MAX_MEMORY_SIZE):
            return too_large(request)
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Handler, *_: object
    ) -> HttpResponseBase | None:
        """Refuse a body of more than `MAX_BODY`, before any other middleware reads it."""
        if not body_exceeds(request, MAX_BODY):
            return None
        permission = getattr(view, "large_body_for", "")
        user = getattr(request, "user", None)
        if permission and is_staff(user) and may(user, permission):
            return None
        return too_large(request)


class RedactTokensMiddleware:
    """Redact tokens that are typed into any page of the project (`tokens.web.redaction`).

    Without it, this happens on the pages of the app alone.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        address = " ".join([str(request.META.get(name, "")) for name in ADDRESSES])
        if SUSPECT.search(address) is None or not redact_address(request):
            return self.get_response(request)
        if redirect := redirect_to_redacted(request):
            return redirect
        response = self.get_response(request)
        correct_history(request, response)
        return response

    def process_view(self, request: HttpRequest, view: object, *_arguments: object) -> None:
        """Redact the form of a page. A view of REST framework parses its body itself."""
        if not hasattr(view, "cls"):
            redact_form(request)
            setattr(request, REDACTED, True)


class VisibleTextMiddleware:
    """Show invisible characters on every page of the project, such as those of the admin."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        setattr(request, VISIBLE, True)
        response = self.get_response(request)
        show_hidden(response)
        return response


def body_exceeds(request: HttpRequest, limit: int | None) -> bool:
    """Return whether a request announces a body of more than ``limit`` bytes."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    return limit is not None and length.isdecimal() and int(length) > limit


def check_browser_session(request: HttpRequest) -> None:
    """Make the request anonymous if its browser session is over. It is checked at the first use."""
    found = request.__dict__.get("user")
    if found is None or getattr(request, "_tokens_checked", False):
        return
    request._tokens_checked = True  # type: ignore[attr-defined]
    user = SimpleLazyObject(partial(_user_of_open_session, request, found))

    async def auser() -> AbstractBaseUser | AnonymousUser:
        return await sync_to_async(_user_of_open_session)(request, found)

    request.user = user  # type: ignore[assignment]
    request.auser = auser  # type: ignore[assignment]


def _user_of_open_session(
    request: HttpRequest, user: AbstractBaseUser | AnonymousUser
) -> AbstractBaseUser | AnonymousUser:
    session = getattr(request, "session", None)
    with browser.loading(session):
        if not isinstance(user, AbstractBaseUser) or not browser.belongs_to(session, user):
            return user
    if not browser.is_over(session=request.session, user=user):
        if browser.has_news(session=request.session, user=user):
            keep_browser_session(session=request.session, user=user)
        enter_browser(Browser(user, request.session, browser.row_id(request.session)))
        return user
    request.session.flush()
    anonymous = AnonymousUser()
    request._cached_user = request._acached_user = anonymous  # type: ignore[attr-defined]
    return anonymous


class MetricsMiddleware:
    """Count each response and its duration by view (`tokens.web.series`).

    It comes second, so that responses of other middleware are counted too.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response
        begin()

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        began = time.perf_counter()
        response = self.get_response(request)
        # Nothing that a client can choose freely becomes a label.
        match = request.resolver_match
        view = match.view_name if match is not None and match.view_name else "none"
        method = request.method if request.method in METHODS else "other"
        REQUESTS.labels(view, method, response.status_code).inc()
        DURATION.labels(view).observe(time.perf_counter() - began)
        return response


class ApiSkipsPageMiddleware:
    """Hand API calls straight to the view, past every middleware listed after this one.

    A bearer call has no session, CSRF token, messages, htmx or content policy, and the middleware
    for them costs as much as the rest of the call. A view asks for this with the attribute
    ``skips_page_middleware``. ``process_view`` and the other hooks of the skipped middleware
    still run.
    """

    def __init__(self, get_response: Handler) -> None:
        self.page_handler = get_response
        self.api_handler = innermost_handler(get_response)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not skips_page_middleware(request.path_info, settings.ROOT_URLCONF):
            return self.page_handler(request)
        if not answers_any_host(request.path_info, settings.ROOT_URLCONF):
            # Raises DisallowedHost, a 400. CommonMiddleware, which does this for pages, is skipped.
            request.get_host()
        response = self.api_handler(request)
        if not response.streaming and not response.has_header("Content-Length"):
            # CommonMiddleware is skipped; without a length the server would send chunks.
            response.headers["Content-Length"] = str(len(response.content))  # type: ignore[attr-defined]
        return response


def skips_page_middleware(path: str, urlconf: str) -> bool:
    """Return whether the view at a path is marked to skip the pages' middleware."""
    return "skips_page_middleware" in _marks(path, urlconf)


def answers_any_host(path: str, urlconf: str) -> bool:
    """Return whether the view at a path is marked to answer under any Host header."""
    return "answers_any_host" in _marks(path, urlconf)


@lru_cache(maxsize=512)
def _marks(path: str, urlconf: str) -> frozenset[str]:
    """Return the names of `MARKS` that the view at a path has as true attributes.

    Django resolves the path again in its handler. The cache spares the calls with a fixed path,
    which are the frequent ones, from resolving twice.
    """
    try:
        view = resolve(path, urlconf).func
    except Resolver404:
        return frozenset()
    marked = getattr(view, "cls", view)
    return frozenset(mark for mark in MARKS if getattr(marked, mark, False))


def innermost_handler(handler: Handler) -> Handler:
    """Return the handler behind all middleware, which resolves the path and calls the view.

    Under ASGI, Django puts adapters between the middleware that can't be followed: the handler
    itself is returned then, and API calls go through all of the middleware.
    """
    inner = handler
    while True:
        wrapped = getattr(inner, "__wrapped__", None)
        if getattr(wrapped, "__name__", "") == "_get_response":
            return inner
        following = getattr(wrapped, "get_response", None)
        if following is None:
            return handler
        inner = following


class FaultMiddleware:
    """Respond to database faults with 503 and to login locks with 429, and not with 401."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponseBase | None:
        return answer_for(request, exception)


class ViewerLocaleMiddleware(LocaleMiddleware):
    """Activate the viewer's language, like Django's middleware, and only for the request.

    Django leaves it active, and the thread's next request would start with it.
    """

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with translation.override(settings.LANGUAGE_CODE):
            response: HttpResponseBase = super().__call__(request)  # type: ignore[assignment]
            return response


class ViewerMiddleware:
    """Show times in the viewer's time zone, in Django's admin too."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        zone = zone_of(request)
        with timezone.override(zone) if zone else nullcontext():
            return self.get_response(request)


def take_scheme_of_proxy(request: HttpRequest, *, proxies: tuple[str, ...]) -> None:
    """Leave X-Forwarded-Proto (SECURE_PROXY_SSL_HEADER) in the request only from a trusted proxy.

    A proxy that writes Forwarded (RFC 7239) and none of the other headers says the scheme there.
    """
    meta = request.META
    if "HTTP_X_FORWARDED_PROTO" not in meta and "HTTP_FORWARDED" not in meta:
        return
    if not is_trusted(str(meta.get("REMOTE_ADDR", "")), proxies):
        meta.pop("HTTP_X_FORWARDED_PROTO", None)
    elif "HTTP_X_FORWARDED_PROTO" not in meta and "HTTP_X_FORWARDED_FOR" not in meta:
        meta["HTTP_X_FORWARDED_PROTO"] = forwarded_scheme(meta["HTTP_FORWARDED"])


def client_address(request: HttpRequest, *, proxies: tuple[str, ...]) -> str | None:
    """Return the client's address, as the trusted ``proxies`` give it in their headers."""
    meta = request.META
    return nearest_address(
        str(meta.get("REMOTE_ADDR", "")),
        meta.get("HTTP_X_FORWARDED_FOR", ""),
        meta.get("HTTP_FORWARDED", ""),
        proxies,
    )


def request_id_of(request: HttpRequest, *, proxies: tuple[str, ...]) -> str:
    """Return the request id that a trusted proxy set, if it is well-formed, or a new one.

    An id from any other client is ignored: it could be that of another request.
    """
    given = str(request.META.get("HTTP_X_REQUEST_ID", ""))
    if VALID_REQUEST_ID.fullmatch(given) and is_trusted(
        str(request.META.get("REMOTE_ADDR", "")), proxies
    ):
        return given
    # It is no secret, so it needn't come from the kernel: that call would release the GIL.
    return f"{random.getrandbits(128):032x}"


def origin_of(request: HttpRequest, *, request_id: str, proxies: tuple[str, ...]) -> Origin:
    return Origin(
        ip=client_address(request, proxies=proxies),
        user_agent=_header_text(request, "User-Agent", USER_AGENT_LENGTH),
        client=_header_text(request, "X-Client", CLIENT_LENGTH),
        request_id=request_id,
        traceparent=valid_traceparent(request.META),
    )


def _header_text(request: HttpRequest, name: str, length: int) -> str:
    """Return a header that was sent as UTF-8; each byte that is not becomes U+FFFD.

    WSGI passes headers as Latin-1 (PEP 3333).
    """
    # A character of UTF-8 takes four bytes at most.
    text = request.headers.get(name, "")[: 4 * length]
    if not text.isascii():
        text = text.encode("latin-1", "replace").decode(errors="replace")
    return _clean(text[:length])


def _clean(text: str) -> str:
    """Return header text that a database and a log can hold, without signatures of tokens."""
    if SUSPECT.search(text):
        text = redact_text(text)
    return "".join(c if c.isprintable() and not "\ud800" <= c <= "\udfff" else "?" for c in text)


def _write_access(line: str) -> None:
    """Write one line to standard output. An error while writing fails no request.

    `logging` would take a tenth of a bearer call for it.
    """
    with suppress(OSError, ValueError):
        sys.stdout.write((redact_text(line) if SUSPECT.search(line) else line) + "\n")
        sys.stdout.flush()
