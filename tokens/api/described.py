"""What each call takes and answers, in one table: the schema and its page are made of it."""

from typing import Any

from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    extend_schema,
    extend_schema_view,
)

from tokens.api import examples, lists, oauth, own, pairs, staff_acts, staff_reads
from tokens.api.describing import FORM, JSON
from tokens.api.serializers import (
    LoginSerializer,
    ReasonSerializer,
    RefreshSerializer,
    TokenSerializer,
)
from tokens.api.shapes import ref

KEEP = OpenApiParameter(
    "keep", str, enum=["current"], description="leave the session that this call is made with"
)
JTI = OpenApiParameter(
    "jti",
    {"type": "string", "minLength": 1, "maxLength": 255},
    OpenApiParameter.PATH,
    description="a refresh token's id",
)


def _call(
    tag: str,
    name: str,
    summary: str,
    answer: str,
    example: Any,
    *,
    body: Any = None,
    sent: Any = None,
    parameters: Any = None,
) -> Any:
    shown = [OpenApiExample("Answer", value=example, response_only=True, status_codes=["200"])]
    if sent is not None:
        shown.append(OpenApiExample("Request", value=sent, request_only=True))
    return extend_schema(
        operation_id=name,
        summary=summary,
        tags=[tag],
        request=body,
        responses={200: ref(answer)},
        parameters=parameters,
        examples=shown,
    )


def _tolerant(field: str, *media: str) -> Any:
    """The body of a call that always answers 200: nothing that stands in it is an error."""
    return {kind: {"properties": {field: {"description": "a token"}}} for kind in media}


REFRESH, TOKEN = {"refresh": examples.TOKEN}, {"token": examples.TOKEN}
TAGS = TOKENS, OAUTH, OWN, STAFF = ("Tokens", "OAuth", "Own sessions", "Staff")
EXPORT = extend_schema(
    tags=[STAFF],
    operation_id="staff_export_events",
    summary="The audit trail as a file: CSV, JSON Lines or ECS; leaves an event",
    request=None,
    responses={(200, media): str for media in ("text/csv", "application/x-ndjson")},
    parameters=[lists.ExportFilters],
    examples=[
        OpenApiExample(
            name, value=value, response_only=True, status_codes=["200"], media_type=media
        )
        for name, media, value in (
            ("CSV", "text/csv", '"id","at","kind",…'),
            ("JSON Lines", "application/x-ndjson", '{"id": 7, "kind": "login", …}'),
        )
    ],
)

CALLS: list[tuple[Any, dict[str, Any]]] = [
    (pairs.LoginView, {"post": _call(
        TOKENS, "login", "Open a session: a refresh and an access token", "Pair", examples.PAIR,
        body=LoginSerializer, sent=examples.CREDENTIALS,
    )}),
    (pairs.RestrictedView, {"get": _call(
        TOKENS, "restricted", "A call that needs an access token", "Allowed", examples.ALLOWED,
    )}),
    (pairs.RefreshView, {"post": _call(
        TOKENS, "refresh", "One refresh token for the next", "Pair", examples.PAIR,
        body=RefreshSerializer, sent=REFRESH,
    )}),
    (pairs.LogoutView, {"post": _call(
        TOKENS, "logout", "End the session of a refresh token", "Nothing", {},
        body=_tolerant("refresh", JSON), sent=REFRESH,
    )}),
    (pairs.VerifyView, {"post": _call(
        TOKENS, "verify", "Whether a token is good", "Nothing", {},
        body=TokenSerializer, sent=TOKEN,
    )}),
    (oauth.RevokeView, {"post": _call(
        OAUTH, "revoke", "Revocation (RFC 7009)", "Nothing", {},
        body=_tolerant("token", JSON, FORM), sent=TOKEN,
    )}),
    (oauth.IntrospectView, {"post": _call(
        OAUTH, "introspect", "Introspection (RFC 7662)", "Introspection", examples.INTROSPECTED,
        body=TokenSerializer, sent=TOKEN,
    )}),
    (own.OwnSessionsView, {
        "get": _call(
            OWN, "own_sessions", "Your live sessions", "OwnSessionPage",
            examples.page(examples.OWN_SESSION), parameters=[lists.Paging],
        ),
        "delete": _call(
            OWN, "end_own_sessions", "End your sessions", "Ended", examples.ENDED,
            parameters=[KEEP],
        ),
    }),
    (own.OwnSessionView, {"delete": _call(
        OWN, "end_own_session", "End one of your sessions", "Ended", examples.ENDED,
    )}),
    (staff_reads.TokensView, {"get": _call(
        STAFF, "staff_tokens", "Outstanding tokens", "OutstandingTokenPage",
        examples.page(examples.OUTSTANDING), parameters=[lists.Filters],
    )}),
    (staff_reads.TokenView, {"get": _call(
        STAFF, "staff_token", "One token and its claims; leaves an event",
        "OutstandingTokenClaims", {**examples.OUTSTANDING, "claims": examples.CLAIMS},
        parameters=[JTI],
    )}),
    (staff_reads.SessionsView, {"get": _call(
        STAFF, "staff_sessions", "Sessions", "SessionPage",
        examples.page(examples.SESSION), parameters=[lists.SessionFilters],
    )}),
    (staff_reads.SessionView, {"get": _call(
        STAFF, "staff_session", "One session", "Session", examples.SESSION,
    )}),
    (staff_reads.UserView, {"get": _call(
        STAFF, "staff_user", "An account and its sessions", "Account", examples.ACCOUNT,
        parameters=[lists.Paging],
    )}),
    (staff_reads.EventsView, {"get": _call(
        STAFF, "staff_events", "The audit trail", "EventPage",
        examples.page(examples.EVENT), parameters=[lists.EventFilters],
    )}),
    (staff_reads.ExportView, {"get": EXPORT}),
    (staff_acts.RevokeTokenView, {"post": _call(
        STAFF, "staff_revoke_token", "Revoke a token and its session", "Ended", examples.ENDED,
        body=ReasonSerializer, sent=examples.REASON, parameters=[JTI],
    )}),
    (staff_acts.RevokeSessionView, {"post": _call(
        STAFF, "staff_revoke_session", "Revoke a session", "Ended", examples.ENDED,
        body=ReasonSerializer, sent=examples.REASON,
    )}),
    (staff_acts.RevokeUserView, {"post": _call(
        STAFF, "staff_revoke_user", "Revoke all of a person", "Ended", examples.ENDED,
        body=ReasonSerializer, sent=examples.REASON,
    )}),
]  # fmt: skip


def describe() -> None:
    for view, methods in CALLS:
        extend_schema_view(**methods)(view)
