"""Staff end things, for scripts: with a reason, and told what ended."""

from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response

from tokens import revocation
from tokens.api import showing
from tokens.api.base import ApiView
from tokens.api.guards import StaffMay
from tokens.api.serializers import ReasonSerializer
from tokens.models import OutstandingToken, Session


class RevokingView(ApiView):
    permission = "tokens.revoke_token"
    permission_classes: Any = [StaffMay]


def _reason(request: Request) -> str:
    form = ReasonSerializer(data=request.data)
    form.is_valid(raise_exception=True)
    return str(form.validated_data["reason"])


class RevokeTokenView(RevokingView):
    def post(self, request: Request, jti: str) -> Response:
        reason = _reason(request)
        if "\0" in jti or not OutstandingToken.objects.filter(jti=jti).exists():
            raise Http404
        act = revocation.revoke_token(jti=jti, actor=request.user, reason=reason)
        return Response(showing.ended(act))


class RevokeSessionView(RevokingView):
    def post(self, request: Request, pk: UUID) -> Response:
        reason = _reason(request)
        session = Session.objects.select_related("user").filter(pk=pk).first()
        if session is None:
            raise Http404
        act = revocation.revoke_session(session=session, actor=request.user, reason=reason)
        return Response(showing.ended(act))


class RevokeUserView(RevokingView):
    def post(self, request: Request, pk: int) -> Response:
        reason = _reason(request)
        account = get_user_model()._default_manager.filter(pk=pk).first()
        if account is None:
            raise Http404
        act = revocation.revoke_user(user=account, actor=request.user, reason=reason)
        return Response(showing.ended(act))
