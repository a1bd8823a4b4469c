"""List a user's own sessions and log them out.

Each act is confirmed on its own page, so it works without JavaScript.
"""

import uuid
from typing import cast

from django.contrib import messages
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from tokens.listing.own_sessions import had_session, is_here, own_session, own_sessions
from tokens.listing.sessions import add_origins
from tokens.models import Session
from tokens.models.reasons import Reason
from tokens.origin import current_origin
from tokens.revocation import Revocation, revoke_session, revoke_user
from tokens.web.login import login_needed


def owner_of(request: HttpRequest) -> AbstractBaseUser:
    """Return the user of a request; every view here requires a login."""
    return cast(AbstractBaseUser, request.user)


@never_cache
@login_needed
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    own = own_sessions(user=owner_of(request), origin=current_origin())
    add_origins([*own.here, *own.elsewhere])
    return render(request, "tokens/account/sessions.html", {"own": own})


@never_cache
@login_needed
@require_http_methods(["GET", "POST"])
def end(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    session = own_session(user=owner_of(request), pk=pk)
    if session is None:
        if not had_session(user=owner_of(request), pk=pk):
            raise Http404
        # The client repeats a request whose answer was lost.
        messages.success(request, _message(Revocation()))
        return redirect("tokens_account:sessions")
    if request.method == "GET":
        here = is_here(session, current_origin())
        return render(request, "tokens/account/end.html", {"session": session, "here": here})
    revoke_session(session=session, actor=request.user, reason=Reason.BY_OWNER)
    messages.success(request, _("The session is logged out. That device has to log in again."))
    return redirect("tokens_account:sessions")


@never_cache
@login_needed
@require_http_methods(["GET", "POST"])
def end_many(request: HttpRequest) -> HttpResponse:
    """Log out all sessions of the user, except the one in ``?keep=`` and this browser."""
    keep = _session_to_keep(request)
    if request.method == "GET":
        own = own_sessions(user=owner_of(request), origin=current_origin())
        ending = [one for one in (*own.here, *own.elsewhere) if keep is None or one.pk != keep.pk]
        context = {"keep": keep, "ending": ending, "more": own.more}
        return render(request, "tokens/account/end_many.html", context)
    ended = revoke_user(
        user=owner_of(request), actor=request.user, reason=Reason.BY_OWNER, keep=keep
    )
    messages.success(request, _message(ended))
    return redirect("tokens_account:sessions")


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
