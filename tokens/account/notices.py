"""Pages behind the links of mails. They need no login, and a GET changes nothing."""

from collections.abc import Callable
from functools import wraps

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from tokens.account.password import NewPasswordForm
from tokens.models import Notice
from tokens.notices.links import PARAMETER, Link, find
from tokens.notices.report import choose_password, report_not_me
from tokens.web.login import login_url


def _opened_by(link: Link) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """Call a view with the row of the link, or show that the link can't be used.

    The page is the same whatever is wrong, so it doesn't tell whether there is an account.
    """

    def decorate(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def opened(request: HttpRequest) -> HttpResponse:
            notice = find(request.GET.get(PARAMETER, ""), link)
            response = _over(request) if notice is None else view(request, notice)
            # No log of a proxy learns the link from the next request. With "no-referrer", browsers
            # would also send the form without its origin, and Django would refuse it.
            response.headers["Referrer-Policy"] = "strict-origin"
            return response

        guarded = require_http_methods(["GET", "HEAD", "POST"])(opened)
        return never_cache(sensitive_post_parameters()(guarded))

    return decorate


@_opened_by(Link.NOT_ME)
def not_me(request: HttpRequest, notice: Notice) -> HttpResponse:
    user = notice.user
    context = {"account": user, "password": user.has_usable_password()}
    if request.method != "POST":
        return render(request, "tokens/account/not_me.html", context)
    if not report_not_me(notice=notice):
        return _over(request)
    if request.user == user:
        request.session.flush()
    return render(request, "tokens/account/not_me_done.html", context)


@_opened_by(Link.PASSWORD)
def new_password(request: HttpRequest, notice: Notice) -> HttpResponse:
    form = NewPasswordForm(notice.user, request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return render(request, "tokens/account/new_password.html", {"form": form})
    if not choose_password(notice=notice, password=form.cleaned_data["new_password1"]):
        return _over(request)
    messages.success(request, _("The password is changed. Log in with it."))
    return redirect(login_url("tokens_account:login"))


def _over(request: HttpRequest) -> HttpResponse:
    return render(request, "tokens/account/link_over.html", status=404)
