"""Who may see a page, said above the view."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import resolve_url
from django.utils.cache import patch_vary_headers

from tokens import audit
from tokens.models import Kind

VIEW_TOKENS = "token_blacklist.view_outstandingtoken"
VIEW_SESSIONS = "tokens.view_session"
REVOKE = "tokens.revoke_token"
CUT_OFF = "tokens.add_cutoff"

View = Callable[..., HttpResponseBase]


def staff_may(*permissions: str) -> Callable[[View], View]:
    """Staff who hold every one of ``permissions``; anybody else is sent to log in, or gets 403
    and a line in the trail. ``HX-Request`` plays no part in who may."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return to_login(request)
            if not request.user.is_staff or not request.user.has_perms(permissions):
                denied(request, *permissions)
            response = view(request, *args, **kwargs)
            patch_vary_headers(response, ["HX-Request"])
            response.headers.setdefault("Cache-Control", "no-store")
            return response

        return guarded

    return decorate


def denied(request: HttpRequest, *permissions: str) -> None:
    """Write down who tried what, and refuse."""
    audit.record(
        kind=Kind.PERMISSION_DENIED,
        actor=request.user,
        data={"path": request.path[:200], "wanted": list(permissions)},
    )
    raise PermissionDenied


def to_login(request: HttpRequest) -> HttpResponse:
    """Send the browser to log in. A fragment would swap the form into a table, so htmx is told
    to leave the page it is on, and to come back to that page."""
    if not request.headers.get("HX-Request"):
        return redirect_to_login(request.get_full_path(), resolve_url("staff:login"))
    htmx: Any = getattr(request, "htmx", None)
    page = (htmx.current_url_abs_path if htmx else None) or request.get_full_path()
    response = HttpResponse(status=204)
    response.headers["HX-Redirect"] = redirect_to_login(page, resolve_url("staff:login")).url
    return response


def staff_only(view: View) -> View:
    """Any member of staff; the page itself leaves out what the person may not see."""
    return staff_may()(view)
