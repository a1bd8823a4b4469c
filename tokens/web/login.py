"""Find the page where a browser logs in: the project's, if it has one, or the app's own."""

from collections.abc import Callable
from functools import wraps
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.views import LoginView, LogoutView, redirect_to_login
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, Resolver404, get_script_prefix, resolve, reverse

from tokens.web import PAGES


def project_login_url() -> str:
    """Return the address of the project's login page.

    Empty if ``LOGIN_URL`` names one of the app's own login pages, or leads nowhere, as Django's
    default does in a project without such a page.
    """
    try:
        url = resolve_url(settings.LOGIN_URL)
        parts = urlsplit(url)
        if parts.netloc:
            return url
        inside = parts.path.removeprefix(get_script_prefix().rstrip("/"))
        return url if PAGES.isdisjoint(resolve(inside).app_names) else ""
    except (NoReverseMatch, Resolver404):
        return ""


def login_url(own: str) -> str:
    """Return the project's login page, or the one of the app with the URL name ``own``."""
    return project_login_url() or reverse(own)


def note_who_is_here(request: HttpRequest) -> None:
    """Load the user of a request before a login, which ends what another user has open here."""
    request.user.is_authenticated  # noqa: B018  (the user is loaded at the first use)


def login_needed(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Send visitors without a login to the login page, and back after it."""

    @wraps(view)
    def shown(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        if request.user.is_authenticated:
            return view(request, *args, **kwargs)
        return redirect_to_login(request.get_full_path(), login_url("tokens_account:login"))

    return shown


def address_of(name: str, *args: object) -> str:
    """Return the address of a URL name; empty if the project doesn't include those URLs."""
    try:
        return reverse(name, args=args)
    except NoReverseMatch:
        return ""


class PageLoginView(LoginView):
    """Send visitors to the project's login page if it has one, and log them in here otherwise.

    With a project's page, this one would be a second way in, past the project's single sign-on or
    second factor.
    """

    # Django's view treats a PUT like a POST.
    http_method_names = ["get", "head", "post", "options"]

    def dispatch(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        if url := project_login_url():
            wanted = request.GET.get("next") or self.get_default_redirect_url()
            return redirect_to_login(wanted, url)
        note_who_is_here(request)
        return super().dispatch(request, *args, **kwargs)


class PageLogoutView(LogoutView):
    """Log a browser out, and show the login page. ``own`` is the URL name of the app's own one."""

    own = ""

    def get_default_redirect_url(self) -> str:
        return login_url(self.own)
