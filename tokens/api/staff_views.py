"""Lists and single objects for staff: what the staff pages show."""

from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.http import Http404, HttpResponse, StreamingHttpResponse
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework.request import Request
from rest_framework.response import Response

from tokens import audit
from tokens.api.base import ApiView
from tokens.api.fields import account_key_schema
from tokens.api.lists import (
    EventFilters,
    ExportFilters,
    Filters,
    Paging,
    SessionFilters,
    asked,
    page,
    page_of,
)
from tokens.api.openapi import STAFF, describe
from tokens.api.permissions import StaffMay
from tokens.api.serializers import (
    AccountSerializer,
    AccountWithSessionsSerializer,
    EventPageSerializer,
    EventSerializer,
    OutstandingTokenPageSerializer,
    OutstandingTokenSerializer,
    SessionPageSerializer,
    SessionSerializer,
    SessionWithOriginsSerializer,
    TokenWithClaimsSerializer,
    reach_json,
)
from tokens.audit.export import CONTENT_TYPES, export, file_name
from tokens.audit.reads import record_session_read, record_token_read
from tokens.jwt.claims import Malformed, parse
from tokens.listing.events import EventQuery
from tokens.listing.sessions import SessionQuery, add_origins, session_row
from tokens.listing.tokens import TokenQuery, token_row
from tokens.listing.users import account_with_key
from tokens.models import Kind, OutstandingToken
from tokens.permissions import EXPORT_EVENTS, VIEW_EVENTS, VIEW_SESSIONS, VIEW_TOKENS
from tokens.services import reach_of_session, reach_of_user

JTI = OpenApiParameter(
    "jti",
    {"type": "string", "minLength": 1, "maxLength": 255},
    OpenApiParameter.PATH,
    description="the id of a refresh token",
)
EXPORT_EXAMPLES = {
    "text/csv": OpenApiExample("CSV", value='"id","at","kind",…', response_only=True),
    "application/x-ndjson": OpenApiExample(
        "JSON Lines", value='{"id": 7, "kind": "login", …}', response_only=True
    ),
}


class StaffView(ApiView):
    permission_classes = [StaffMay]


class RecordedView(StaffView):
    """A view whose GET writes an event. A HEAD would show nothing that could be recorded."""

    http_method_names = ["get", "options"]


class TokensView(StaffView):
    permission = VIEW_TOKENS

    @describe(
        STAFF,
        "staff_tokens",
        "List outstanding tokens",
        OutstandingTokenPageSerializer,
        parameters=[Filters],
    )
    def get(self, request: Request) -> Response:
        return page_of(request, form=Filters, query=TokenQuery, row=OutstandingTokenSerializer)


class TokenView(RecordedView):
    permission = VIEW_TOKENS

    @describe(
        STAFF,
        "staff_token",
        "Read a token and its claims; writes an event",
        TokenWithClaimsSerializer,
        parameters=[JTI],
    )
    @transaction.atomic
    def get(self, request: Request, jti: str) -> Response:
        token = _token(jti)
        record_token_read(token=token, actor=request.user)
        try:
            claims = parse(token.token).payload
        except Malformed:
            claims = {}
        return Response(TokenWithClaimsSerializer(token, context={"claims": claims}).data)


class SessionsView(StaffView):
    permission = VIEW_SESSIONS

    @describe(
        STAFF, "staff_sessions", "List sessions", SessionPageSerializer, parameters=[SessionFilters]
    )
    def get(self, request: Request) -> Response:
        return page_of(request, form=SessionFilters, query=SessionQuery, row=SessionSerializer)


class SessionView(RecordedView):
    permission = VIEW_SESSIONS

    @describe(
        STAFF, "staff_session", "Read a session; writes an event", SessionWithOriginsSerializer
    )
    @transaction.atomic
    def get(self, request: Request, pk: UUID) -> Response:
        session = session_row(pk=pk)
        if session is None:
            raise Http404
        record_session_read(session=session, actor=request.user)
        add_origins([session])
        context = {"reach": reach_of_session(session=session)}
        return Response(SessionWithOriginsSerializer(session, context=context).data)


# The key is what the user model has: a number, a UUID or a text.
ACCOUNT = OpenApiParameter("id", account_key_schema(), OpenApiParameter.PATH, required=True)


def account_or_404(pk: str) -> AbstractBaseUser:
    """Return the account with a key; raise `Http404` for any other text."""
    found = account_with_key(pk)
    if found is None:
        raise Http404
    return found


class UserView(RecordedView):
    """An account, and a page of its sessions."""

    permission = VIEW_SESSIONS

    @describe(
        STAFF,
        "staff_user",
        "Read an account and its sessions; writes an event",
        AccountWithSessionsSerializer,
        parameters=[Paging, ACCOUNT],
    )
    @transaction.atomic
    def get(self, request: Request, pk: str) -> Response:
        given = asked(request, Paging)
        account = account_or_404(pk)
        audit.record(kind=Kind.CLAIMS_VIEWED, actor=request.user, subject=account)
        held = page(
            SessionQuery(user=account.pk).listing(),
            cursor=given.get("cursor", ""),
            limit=given["limit"],
            row=SessionSerializer(),
        )
        reach = reach_json(reach_of_user(user=account))
        return Response({**AccountSerializer(account).data, "sessions": held.data, "reach": reach})


class EventsView(StaffView):
    permission = VIEW_EVENTS

    @describe(
        STAFF,
        "staff_events",
        "List the audit trail",
        EventPageSerializer,
        parameters=[EventFilters],
    )
    def get(self, request: Request) -> Response:
        return page_of(request, form=EventFilters, query=EventQuery, row=EventSerializer)


class ExportView(RecordedView):
    """Stream the whole filtered trail. The file does not contain the export's own event."""

    permission = EXPORT_EVENTS

    @describe(
        STAFF,
        "staff_export_events",
        "Export the audit trail as CSV, JSON Lines or ECS; writes an event",
        {
            (200, media): OpenApiResponse(str, examples=[example])
            for media, example in EXPORT_EXAMPLES.items()
        },
        parameters=[ExportFilters],
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        given = asked(request, ExportFilters)
        form = given.pop("format")
        lines = export(
            events=EventQuery(**given).rows(),
            form=form,
            actor=request.user,
            filters={name: str(value) for name, value in given.items()},
        )
        return StreamingHttpResponse(
            lines,
            content_type=CONTENT_TYPES[form],
            headers={"Content-Disposition": f'attachment; filename="{file_name(form)}"'},
        )

    def head(self, request: Request) -> HttpResponse:
        """Answer with the headers of the export. Nothing is read, so no event is written."""
        form = asked(request, ExportFilters)["format"]
        return HttpResponse(content_type=CONTENT_TYPES[form])


def _token(jti: str) -> OutstandingToken:
    # PostgreSQL rejects a NUL in text.
    known = OutstandingToken.objects.filter(jti=jti) if "\0" not in jti else None
    pk = known.values_list("pk", flat=True).first() if known is not None else None
    token = token_row(pk=pk) if pk is not None else None
    if token is None:
        raise Http404
    return token
