"""Check permissions before a staff view runs, and tell requests for a fragment from pages."""

from collections.abc import Callable
from functools import wraps

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from django_htmx.middleware import HtmxDetails

from tokens.origin import is_staff, may
from tokens.web.denials import record_denial
from tokens.web.login import login_url

View = Callable[..., HttpResponseBase]


def staff_may(
    *permissions: str, after_login: Callable[[HttpRequest], str] | None = None
) -> Callable[[View], View]:
    """Require a member of staff with every one of ``permissions``.

    Anonymous requests are sent to the login page. Other users get a 403, which is recorded in the
    audit trail. ``HX-Request`` does not affect permissions. ``after_login`` returns the address
    that a login leads to if the request was a POST, which a login can't repeat.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
            if not request.user.is_authenticated:
                if after_login is None or request.method != "POST":
                    return to_login(request)
                return to_login(request, after_login(request))
            if not is_staff(request.user) or not may(request.user, *permissions):
                denied(request, *permissions)
            response = view(request, *args, **kwargs)
            patch_vary_headers(response, ["HX-Request"])
            response.headers.setdefault("Cache-Control", "no-store")
            return response

        return guarded

    return decorate


def denied(request: HttpRequest, *permissions: str) -> None:
    """Record the attempt in the audit trail and raise `PermissionDenied`."""
    record_denial(request, *permissions)
    raise PermissionDenied


def to_login(request: HttpRequest, page: str = "") -> HttpResponse:
    """Redirect the browser to the login page, and from there to ``page``.

    A redirected htmx request would swap the login form into a table, so htmx is told to leave the
    page, and to come back to it after the login.
    """
    if not request.headers.get("HX-Request"):
        wanted = page or request.get_full_path()
        return redirect_to_login(wanted, login_url("tokens_staff:login"))
    htmx = htmx_of(request)
    page = page or (htmx.current_url_abs_path if htmx else None) or request.get_full_path()
    response = HttpResponse(status=204)
    response.headers["HX-Redirect"] = redirect_to_login(page, login_url("tokens_staff:login")).url
    return response


def staff_only(view: View) -> View:
    """Require any member of staff; the page hides what their permissions do not cover."""
    return staff_may()(view)


def htmx_of(request: HttpRequest) -> HtmxDetails | None:
    """Return what htmx says about the request; None if htmx did not send it."""
    htmx: HtmxDetails | None = getattr(request, "htmx", None)
    return htmx or None


def wants_fragment(request: HttpRequest) -> bool:
    """Return True if htmx asks for a fragment.

    A boosted link and a restored history entry need the whole page. Permissions never depend on
    this: any client can send the headers of htmx.
    """
    htmx = htmx_of(request)
    return htmx is not None and not htmx.boosted and not htmx.history_restore_request
