"""A user's own sessions. Another's and an unknown one are the same 404, and no event."""

from functools import partial
from typing import Any, cast
from uuid import UUID

from django.http import Http404
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from tokens.api import showing
from tokens.api.base import ApiView
from tokens.api.lists import Paging, asked, page
from tokens.models import Session
from tokens.revocation import revoke_session, revoke_user
from tokens.selectors.sessions import sessions

REASON = "ended by its owner"


def _here(request: Request) -> Session:
    """The session of the access token that the call is made with."""
    verdict: Any = request.auth
    return cast(Session, verdict.session)


class OwnSessionsView(ApiView):
    def get(self, request: Request) -> Response:
        given = asked(request, Paging)
        return page(
            sessions(user=request.user, status="active"),
            cursor=given.get("cursor", ""),
            limit=given["limit"],
            shown=partial(showing.own_session, current=_here(request).pk),
        )

    def delete(self, request: Request) -> Response:
        """All of them; ``?keep=current`` leaves the one that this call is made with."""
        keep = request.query_params.get("keep")
        if keep not in {None, "current"}:
            # To end everything because of a misspelling is not what was asked for.
            raise ValidationError({"keep": ['The only value is "current".']})
        kept = _here(request) if keep else None
        act = revoke_user(user=request.user, actor=request.user, reason=REASON, keep=kept)
        return Response(showing.ended(act))


class OwnSessionView(ApiView):
    def delete(self, request: Request, pk: UUID) -> Response:
        session = Session.objects.select_related("user").filter(user=request.user.pk, pk=pk).first()
        if session is None:
            raise Http404
        act = revoke_session(session=session, actor=request.user, reason=REASON)
        return Response(showing.ended(act))
