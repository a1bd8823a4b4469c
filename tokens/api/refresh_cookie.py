"""Keep the refresh token of a browser client in a cookie that scripts can't read.

A client asks for it with ``X-Token-Transport: cookie`` at login, refresh and logout. The cookie
opens no other call, and only pages of this origin, or of one in CSRF_TRUSTED_ORIGINS, can use it.
"""

from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import is_same_domain
from rest_framework.exceptions import PermissionDenied

from tokens.api.base import json_response
from tokens.jwt.claims import parse
from tokens.sessions.issue import IssuedPair

NAME = "tokens_refresh"
COOKIE = "cookie"


class ForeignPage(PermissionDenied):
    """Refuse a page that may not use the cookie, or a client that names no page."""

    default_detail = "The cookie is for pages of this origin."


def require_own_page(request: HttpRequest) -> None:
    """Raise `ForeignPage` unless the call is of a page that may use the cookie.

    The browser says so, in headers that scripts can't set (Fetch Metadata; RFC 6454).
    """
    if request.headers.get("Sec-Fetch-Site") == "same-origin":
        return
    origin = request.headers.get("Origin", "")
    if origin != f"{request.scheme}://{request.get_host()}" and not _is_trusted(origin):
        raise ForeignPage


def presented(request: HttpRequest) -> str:
    """Return the refresh token in the cookie; empty if there is none."""
    return request.COOKIES.get(_name(request), "")


def answer(request: HttpRequest, pair: IssuedPair) -> HttpResponse:
    """Return the access token in the body, and the refresh token in the cookie alone."""
    response = json_response({"access": pair.access})
    claims = parse(pair.refresh).payload
    response.set_cookie(
        _name(request),
        pair.refresh,
        max_age=int(claims["exp"]) - int(claims["iat"]),
        path=_path(),
        secure=_secure(request),
        httponly=True,
        samesite="Strict",
    )
    return response


def forget(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Have the browser delete the cookie."""
    response.delete_cookie(_name(request), path=_path(), samesite="Strict")
    return response


def _is_trusted(origin: str) -> bool:
    """Return whether an origin is in CSRF_TRUSTED_ORIGINS, which may name all subdomains."""
    given = urlsplit(origin)
    for one in settings.CSRF_TRUSTED_ORIGINS:
        trusted = urlsplit(one)
        if "*" not in one and origin == one:
            return True
        pattern = trusted.netloc.removeprefix("*")
        if "*" in one and trusted.scheme == given.scheme and is_same_domain(given.netloc, pattern):
            return True
    return False


def _name(request: HttpRequest) -> str:
    """Return the name; the prefix has browsers refuse a cookie that came without HTTPS."""
    return f"__Secure-{NAME}" if _secure(request) else NAME


def _secure(request: HttpRequest) -> bool:
    return request.is_secure() or settings.SESSION_COOKIE_SECURE


def _path() -> str:
    """Return the path that login, refresh and logout share."""
    return reverse("tokens_api:refresh").rpartition("/")[0] + "/"
