"""What each call takes and answers, in one table: the schema and its page are made of it."""

from typing import Any

from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    extend_schema,
    extend_schema_view,
)

from tokens.api import lists, oauth, own, pairs, staff_acts, staff_reads
from tokens.api.serializers import (
    EndedSerializer,
    LoginSerializer,
    ReasonSerializer,
    RefreshSerializer,
    TokenSerializer,
)

TOKEN = "eyJhbGciOiJIUzI1NiJ9.….…"  # noqa: S105  (a picture of one)
EMPTY = {"type": "object", "properties": {}, "additionalProperties": False}
TEXT = {"type": "string"}
PAIR = {
    "type": "object",
    "properties": {"refresh": TEXT, "access": TEXT},
    "required": ["refresh", "access"],
}
ALLOWED = {"type": "object", "properties": {"response": TEXT}, "required": ["response"]}
INTROSPECTED = {
    "type": "object",
    "properties": {"active": {"type": "boolean"}},
    "required": ["active"],
    "additionalProperties": True,
}
OBJECT = {"type": "object", "additionalProperties": True}
PAGE = {
    "type": "object",
    "properties": {
        "next": {"type": ["string", "null"], "description": "cursor of the older page"},
        "previous": {"type": ["string", "null"], "description": "cursor of the newer page"},
        "partial": {"type": "boolean", "description": "the search stopped at its limit"},
        "results": {"type": "array", "items": OBJECT},
    },
    "required": ["next", "previous", "partial", "results"],
}
ENDED = {"tokens": 1, "sessions": 1, "users": 1}
NOTHING_LISTED: dict[str, Any] = {"next": None, "previous": None, "partial": False, "results": []}


def _call(
    name: str,
    summary: str,
    answer: Any,
    example: Any,
    *,
    body: Any = None,
    sent: Any = None,
    parameters: Any = None,
) -> Any:
    examples = [OpenApiExample("Answer", value=example, response_only=True, status_codes=["200"])]
    if sent is not None:
        examples.append(OpenApiExample("Request", value=sent, request_only=True))
    return extend_schema(
        operation_id=name,
        summary=summary,
        request=body,
        responses={200: answer},
        parameters=parameters,
        examples=examples,
    )


KEEP = OpenApiParameter(
    "keep", str, enum=["current"], description="leave the session that this call is made with"
)
REASON = {"reason": "lost device"}

CALLS: list[tuple[Any, dict[str, Any]]] = [
    (pairs.LoginView, {"post": _call(
        "login", "Open a session: a refresh and an access token", PAIR,
        {"refresh": TOKEN, "access": TOKEN},
        body=LoginSerializer, sent={"username": "alice", "password": "…"},
    )}),
    (pairs.RestrictedView, {"get": _call(
        "restricted", "A call that needs an access token", ALLOWED,
        {"response": "YOU ARE ALLOWED HERE"},
    )}),
    (pairs.RefreshView, {"post": _call(
        "refresh", "One refresh token for the next", PAIR,
        {"refresh": TOKEN, "access": TOKEN}, body=RefreshSerializer, sent={"refresh": TOKEN},
    )}),
    (pairs.LogoutView, {"post": _call(
        "logout", "End the session of a refresh token", EMPTY, {},
        body=RefreshSerializer, sent={"refresh": TOKEN},
    )}),
    (pairs.VerifyView, {"post": _call(
        "verify", "Whether a token is good", EMPTY, {},
        body=TokenSerializer, sent={"token": TOKEN},
    )}),
    (oauth.RevokeView, {"post": _call(
        "revoke", "Revocation (RFC 7009)", EMPTY, {},
        body=TokenSerializer, sent={"token": TOKEN},
    )}),
    (oauth.IntrospectView, {"post": _call(
        "introspect", "Introspection (RFC 7662)", INTROSPECTED, {"active": False},
        body=TokenSerializer, sent={"token": TOKEN},
    )}),
    (own.OwnSessionsView, {
        "get": _call(
            "own_sessions", "Your live sessions", PAGE, NOTHING_LISTED, parameters=[lists.Paging]
        ),
        "delete": _call(
            "end_own_sessions", "End your sessions", EndedSerializer, ENDED, parameters=[KEEP]
        ),
    }),
    (own.OwnSessionView, {"delete": _call(
        "end_own_session", "End one of your sessions", EndedSerializer, ENDED
    )}),
    (staff_reads.TokensView, {"get": _call(
        "staff_tokens", "Outstanding tokens", PAGE, NOTHING_LISTED, parameters=[lists.Filters]
    )}),
    (staff_reads.TokenView, {"get": _call(
        "staff_token", "One token: claims and verdict", OBJECT, {"jti": "7ca1…f028"}
    )}),
    (staff_reads.SessionsView, {"get": _call(
        "staff_sessions", "Sessions", PAGE, NOTHING_LISTED, parameters=[lists.SessionFilters]
    )}),
    (staff_reads.SessionView, {"get": _call(
        "staff_session", "One session", OBJECT, {"id": "d3b0c366-6904-4165-83ef-a9024339380a"}
    )}),
    (staff_reads.UserView, {"get": _call(
        "staff_user", "What one person holds", OBJECT, {"id": 7, "username": "alice"}
    )}),
    (staff_reads.EventsView, {"get": _call(
        "staff_events", "The audit trail", PAGE, NOTHING_LISTED, parameters=[lists.EventFilters]
    )}),
    (staff_acts.RevokeTokenView, {"post": _call(
        "staff_revoke_token", "Revoke a token and its session", EndedSerializer, ENDED,
        body=ReasonSerializer, sent=REASON,
    )}),
    (staff_acts.RevokeSessionView, {"post": _call(
        "staff_revoke_session", "Revoke a session", EndedSerializer, ENDED,
        body=ReasonSerializer, sent=REASON,
    )}),
    (staff_acts.RevokeUserView, {"post": _call(
        "staff_revoke_user", "Revoke all of a person", EndedSerializer, ENDED,
        body=ReasonSerializer, sent=REASON,
    )}),
]  # fmt: skip


def describe() -> None:
    for view, methods in CALLS:
        extend_schema_view(**methods)(view)
