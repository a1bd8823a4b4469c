"""A user's own sessions.

The session of another user and an unknown one get the same 404, without an event.
"""

from typing import cast
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from tokens.api.base import ApiView
from tokens.api.lists import Paging, asked, page, refuse_unknown
from tokens.api.openapi import OWN_SESSIONS, describe
from tokens.api.serializers import (
    OwnSessionPageSerializer,
    OwnSessionSerializer,
    RevokedSerializer,
)
from tokens.listing.sessions import SessionQuery
from tokens.models import Session
from tokens.models.reasons import Reason
from tokens.revocation import revoke_session, revoke_user
from tokens.simplejwt.authentication import ValidatedToken

KEEP = OpenApiParameter(
    "keep", str, enum=["current"], description="don't end the session of this call"
)


def _current_session(request: Request) -> Session | None:
    """Return the session of the call's access token; None for a legacy token."""
    token = cast(ValidatedToken, request.auth)  # the view requires one
    return token.validation.session


class OwnSessionsView(ApiView):
    @describe(
        OWN_SESSIONS,
        "own_sessions",
        "Your live sessions",
        OwnSessionPageSerializer,
        parameters=[Paging],
    )
    def get(self, request: Request) -> Response:
        given, current = asked(request, Paging), _current_session(request)
        return page(
            SessionQuery(user=request.user.pk, status="active").listing(),
            cursor=given.get("cursor", ""),
            limit=given["limit"],
            row=OwnSessionSerializer(context={"current": current.pk if current else None}),
        )

    @describe(
        OWN_SESSIONS, "end_own_sessions", "End your sessions", RevokedSerializer, parameters=[KEEP]
    )
    def delete(self, request: Request) -> Response:
        """End all of them. With ``?keep=current``, the session of this call goes on."""
        refuse_unknown(request, ["keep"])
        keep = request.query_params.get("keep")
        if keep not in {None, "current"}:
            # A misspelled value must not end the session of this call too.
            raise ValidationError({"keep": ['The only value is "current".']})
        kept = _current_session(request) if keep else None
        if keep and kept is None:
            raise ValidationError({"keep": ["The token of this call belongs to no session."]})
        user = cast(AbstractBaseUser, request.user)  # the view requires a token
        act = revoke_user(user=user, actor=request.user, reason=Reason.BY_OWNER, keep=kept)
        return Response(RevokedSerializer(act).data)


class OwnSessionView(ApiView):
    @describe(OWN_SESSIONS, "end_own_session", "End one of your sessions", RevokedSerializer)
    def delete(self, request: Request, pk: UUID) -> Response:
        session = Session.objects.select_related("user").filter(user=request.user.pk, pk=pk).first()
        if session is None:
            raise Http404
        act = revoke_session(session=session, actor=request.user, reason=Reason.BY_OWNER)
        return Response(RevokedSerializer(act).data)
