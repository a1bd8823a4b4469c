"""What the staff pages show, for scripts."""

from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import transaction
from django.http import Http404, StreamingHttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from tokens import audit
from tokens.api import showing
from tokens.api.base import ApiView
from tokens.api.guards import StaffMay
from tokens.api.lists import (
    EventFilters,
    ExportFilters,
    Filters,
    Paging,
    SessionFilters,
    asked,
    page,
)
from tokens.audit.export import CONTENT_TYPES, export, file_name
from tokens.claims import Malformed, parse
from tokens.models import Kind, OutstandingToken
from tokens.selectors.events import events, trail
from tokens.selectors.sessions import session_row, sessions
from tokens.selectors.tokens import outstanding_tokens, token_row


class StaffView(ApiView):
    permission_classes: Any = [StaffMay]


class TokensView(StaffView):
    permission = "token_blacklist.view_outstandingtoken"

    def get(self, request: Request) -> Response:
        given = asked(request, Filters)
        cursor, limit = given.pop("cursor", ""), given.pop("limit")
        return page(outstanding_tokens(**given), cursor=cursor, limit=limit, shown=showing.token)


class TokenView(StaffView):
    permission = "token_blacklist.view_outstandingtoken"

    @transaction.atomic
    def get(self, request: Request, jti: str) -> Response:
        token = _token(jti)
        audit.record(
            kind=Kind.CLAIMS_VIEWED,
            actor=request.user,
            subject=token.user,
            session=token.session_id,
            jti=token.jti,
        )
        try:
            claims = parse(token.token).payload
        except Malformed:
            claims = {}
        return Response({**showing.token(token), "claims": claims})


class SessionsView(StaffView):
    permission = "tokens.view_session"

    def get(self, request: Request) -> Response:
        given = asked(request, SessionFilters)
        cursor, limit = given.pop("cursor", ""), given.pop("limit")
        return page(sessions(**given), cursor=cursor, limit=limit, shown=showing.session)


class SessionView(StaffView):
    permission = "tokens.view_session"

    @transaction.atomic
    def get(self, request: Request, pk: UUID) -> Response:
        session = session_row(pk=pk)
        if session is None:
            raise Http404
        audit.record(
            kind=Kind.CLAIMS_VIEWED,
            actor=request.user,
            subject=session.user,
            subject_name=session.username,
            session=session.pk,
        )
        return Response(showing.session(session))


class UserView(StaffView):
    """An account, and a page of its sessions."""

    permission = "tokens.view_session"

    @transaction.atomic
    def get(self, request: Request, pk: int) -> Response:
        given = asked(request, Paging)
        account = get_user_model()._default_manager.filter(pk=pk).first()
        if account is None:
            raise Http404
        audit.record(kind=Kind.CLAIMS_VIEWED, actor=request.user, subject=account)
        held = page(
            sessions(user=account),
            cursor=given.get("cursor", ""),
            limit=given["limit"],
            shown=showing.session,
        )
        return Response({**showing.user(account), "sessions": held.data})


class EventsView(StaffView):
    permission = "tokens.view_event"

    def get(self, request: Request) -> Response:
        given = asked(request, EventFilters)
        cursor, limit = given.pop("cursor", ""), given.pop("limit")
        return page(trail(**given), cursor=cursor, limit=limit, shown=showing.event)


class ExportView(StaffView):
    """The trail as it stands, whole, while it streams. The export is itself an event, and that
    one is not in it."""

    permission = "tokens.export_event"

    def get(self, request: Request) -> StreamingHttpResponse:
        given = asked(request, ExportFilters)
        form = given.pop("format")
        lines = export(
            events=events(**given),
            form=form,
            actor=request.user,
            filters={name: str(value) for name, value in given.items()},
        )
        return StreamingHttpResponse(
            lines,
            content_type=CONTENT_TYPES[form],
            headers={"Content-Disposition": f'attachment; filename="{file_name(form)}"'},
        )


def _token(jti: str) -> Any:
    # The database refuses a NUL in a text, and no jti holds one.
    known = OutstandingToken.objects.filter(jti=jti) if "\0" not in jti else None
    pk = known.values_list("pk", flat=True).first() if known is not None else None
    token = token_row(pk=pk) if pk is not None else None
    if token is None:
        raise Http404
    return token
