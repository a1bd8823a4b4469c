"""A person's own sessions: what is logged in, and the ways to end it. Every act is asked about
first, on a page of its own, and needs no script."""

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from tokens.models import Session
from tokens.origin import current_origin
from tokens.revocation import Revocation, revoke_session, revoke_user
from tokens.selectors.own import had_session, is_here, own_session, own_sessions

# In the trail; not translated, because one trail is read by many.
REASON = "ended by its owner"


@never_cache
@login_required(login_url="account:login")
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    own = own_sessions(user=request.user, origin=current_origin())
    return render(request, "account/sessions.html", {"own": own})


@never_cache
@login_required(login_url="account:login")
@require_http_methods(["GET", "POST"])
def end(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    session = own_session(user=request.user, pk=pk)
    if session is None:
        if not had_session(user=request.user, pk=pk):
            raise Http404
        # Whoever did not get the answer asks again.
        messages.success(request, _said(Revocation()))
        return redirect("account:sessions")
    if request.method == "GET":
        here = is_here(session, current_origin())
        return render(request, "account/end.html", {"session": session, "here": here})
    revoke_session(session=session, actor=request.user, reason=REASON)
    messages.success(request, _("The session is ended. That device has to log in again."))
    return redirect("account:sessions")


@never_cache
@login_required(login_url="account:login")
@require_http_methods(["GET", "POST"])
def end_many(request: HttpRequest) -> HttpResponse:
    """All of them, or all but ``?keep=``: the session that the person chose to stay."""
    keep = _kept(request)
    if request.method == "GET":
        own = own_sessions(user=request.user, origin=current_origin())
        doomed = [one for one in (*own.here, *own.elsewhere) if keep is None or one.pk != keep.pk]
        context = {"keep": keep, "doomed": doomed, "more": own.more}
        return render(request, "account/end_many.html", context)
    ended = revoke_user(user=request.user, actor=request.user, reason=REASON, keep=keep)
    messages.success(request, _said(ended))
    return redirect("account:sessions")


def _kept(request: HttpRequest) -> Session | None:
    given = request.GET.get("keep", "")
    if not given:
        return None
    try:
        keep = own_session(user=request.user, pk=uuid.UUID(given))
    except ValueError:
        keep = None
    if keep is None:
        # To end everything because the session to keep is gone is not what was asked for.
        raise Http404
    return keep


def _said(ended: Revocation) -> str:
    if not ended:
        return _("There was nothing left to end.")
    return ngettext(
        "%(number)s session is ended. That device has to log in again.",
        "%(number)s sessions are ended. Those devices have to log in again.",
        ended.sessions,
    ) % {"number": ended.sessions}
