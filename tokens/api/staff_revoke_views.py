"""Revocations by staff. Each takes a reason and answers with what it revoked."""

from uuid import UUID

from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response

from tokens import revocation
from tokens.api.base import ApiView
from tokens.api.openapi import STAFF, describe
from tokens.api.permissions import ApprovalNeeded, StaffMay, guard_superuser, require_fresh_login
from tokens.api.serializers import ReasonSerializer, RevokedSerializer
from tokens.api.staff_views import ACCOUNT, JTI, account_or_404
from tokens.models import OutstandingToken, Session
from tokens.permissions import REVOKE


class RevokingView(ApiView):
    permission = REVOKE
    may_ask_for_login = True
    permission_classes = [StaffMay]


def _reason(request: Request) -> str:
    form = ReasonSerializer(data=request.data)
    form.is_valid(raise_exception=True)
    return str(form.validated_data["reason"])


class RevokeTokenView(RevokingView):
    @describe(
        STAFF,
        "staff_revoke_token",
        "Revoke a token and its session",
        RevokedSerializer,
        request=ReasonSerializer,
        parameters=[JTI],
    )
    def post(self, request: Request, jti: str) -> Response:
        rows = OutstandingToken.objects.select_related("user")
        token = rows.filter(jti=jti).first() if "\0" not in jti else None
        if token is None:
            raise Http404
        guard_superuser(request, token.user)
        reason = _reason(request)
        act = revocation.revoke_token(jti=jti, actor=request.user, reason=reason)
        return Response(RevokedSerializer(act).data)


class RevokeSessionView(RevokingView):
    @describe(
        STAFF,
        "staff_revoke_session",
        "Revoke a session",
        RevokedSerializer,
        request=ReasonSerializer,
    )
    def post(self, request: Request, pk: UUID) -> Response:
        session = Session.objects.select_related("user").filter(pk=pk).first()
        if session is None:
            raise Http404
        guard_superuser(request, session.user)
        reason = _reason(request)
        act = revocation.revoke_session(session=session, actor=request.user, reason=reason)
        return Response(RevokedSerializer(act).data)


class RevokeUserView(RevokingView):
    @describe(
        STAFF,
        "staff_revoke_user",
        "Revoke everything of a user",
        RevokedSerializer,
        request=ReasonSerializer,
        parameters=[ACCOUNT],
    )
    def post(self, request: Request, pk: str) -> Response:
        account = account_or_404(pk)
        guard_superuser(request, account)
        reason = _reason(request)
        selection = revocation.Selection(users=(account.pk,))
        found = revocation.preview(selection=selection)
        if revocation.needs_proof(actor=request.user, selection=selection, found=found):
            require_fresh_login(request)
        if revocation.needs_approval(actor=request.user, selection=selection, found=found):
            raise ApprovalNeeded
        act = revocation.revoke_user(user=account, actor=request.user, reason=reason)
        return Response(RevokedSerializer(act).data)
