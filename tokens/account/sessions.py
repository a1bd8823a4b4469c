"""List a user's own sessions and browser sessions, name them and log them out.

Each act is confirmed on its own page, so it works without JavaScript.
"""

import uuid
from typing import cast

from django import forms
from django.contrib import messages
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from tokens.listing.browsers import this_browser
from tokens.listing.own_sessions import (
    OwnSessions,
    had_login,
    is_here,
    name_device,
    own_login,
    own_session,
    own_sessions,
)
from tokens.listing.sessions import add_origins
from tokens.models import BrowserSession, Session
from tokens.models.lengths import DEVICE_NAME_LENGTH
from tokens.models.reasons import Reason
from tokens.origin import current_origin
from tokens.revocation import (
    Revocation,
    revoke_browser_session,
    revoke_session,
    revoke_user,
)
from tokens.web.login import login_needed


class NameForm(forms.Form):
    """The name of a device."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=DEVICE_NAME_LENGTH,
        required=False,
        help_text=gettext_lazy("Leave it empty to remove the name."),
        widget=forms.TextInput(attrs={"class": "input", "autocomplete": "off"}),
    )


def owner_of(request: HttpRequest) -> AbstractBaseUser:
    """Return the user of a request; every view here requires a login."""
    return cast(AbstractBaseUser, request.user)


@never_cache
@login_needed
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    own = _own(request)
    add_origins([*own.here, *own.elsewhere])
    return render(request, "tokens/account/sessions.html", {"own": own})


@never_cache
@login_needed
@require_http_methods(["GET", "POST"])
def end(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    user = owner_of(request)
    session = own_login(user=user, pk=pk)
    if session is None:
        if not had_login(user=user, pk=pk):
            raise Http404
        # The client repeats a request whose answer was lost.
        messages.success(request, _message(Revocation()))
        return redirect("tokens_account:sessions")
    if request.method == "GET":
        context = {"session": session, "here": _is_this_device(session)}
        return render(request, "tokens/account/end.html", context)
    if isinstance(session, BrowserSession):
        revoke_browser_session(browser=session, user=user, actor=user, reason=Reason.BY_OWNER)
    else:
        revoke_session(session=session, actor=user, reason=Reason.BY_OWNER)
    messages.success(request, _("The session is logged out. That device has to log in again."))
    return redirect("tokens_account:sessions")


@never_cache
@login_needed
@require_http_methods(["GET", "POST"])
def name(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    session = own_login(user=owner_of(request), pk=pk)
    if session is None:
        raise Http404
    sent = request.POST if request.method == "POST" else None
    form = NameForm(sent, initial={"name": session.name})
    if form.is_valid():
        name_device(login=session, name=form.cleaned_data["name"])
        messages.success(request, _("The name is saved."))
        return redirect("tokens_account:sessions")
    context = {"form": form, "session": session}
    status = 422 if form.is_bound else 200
    return render(request, "tokens/account/name.html", context, status=status)


@never_cache
@login_needed
@require_http_methods(["GET", "POST"])
def end_many(request: HttpRequest) -> HttpResponse:
    """Log out all sessions of the user, except the one in ``?keep=`` and this browser."""
    keep = _session_to_keep(request)
    if request.method == "GET":
        own = _own(request)
        ending = [one for one in (*own.here, *own.elsewhere) if keep is None or one.pk != keep.pk]
        context = {"keep": keep, "ending": ending, "own": own}
        return render(request, "tokens/account/end_many.html", context)
    ended = revoke_user(
        user=owner_of(request), actor=request.user, reason=Reason.BY_OWNER, keep=keep
    )
    messages.success(request, _message(ended))
    return redirect("tokens_account:sessions")


def _own(request: HttpRequest) -> OwnSessions:
    return own_sessions(user=owner_of(request), origin=current_origin())


def _is_this_device(session: Session | BrowserSession) -> bool:
    if isinstance(session, BrowserSession):
        return bool(session.pk == this_browser())
    return is_here(session, current_origin())


def _session_to_keep(request: HttpRequest) -> Session | None:
    given = request.GET.get("keep", "")
    if not given:
        return None
    try:
        keep = own_session(user=owner_of(request), pk=uuid.UUID(given))
    except ValueError:
        keep = None
    if keep is None:
        # Logging out everything is not what a user with a session to keep asked for.
        raise Http404
    return keep


def _message(ended: Revocation) -> str:
    if not ended:
        return _("There was nothing to log out.")
    if not ended.sessions:
        return _("Your other browsers are logged out.")
    return ngettext(
        "%(number)s session is logged out. That device has to log in again.",
        "%(number)s sessions are logged out. Those devices have to log in again.",
        ended.sessions,
    ) % {"number": ended.sessions}
