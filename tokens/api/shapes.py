"""The objects that the calls answer with, in JSON Schema: components of the served document.

Exact to the last property, so that a test may hold every answer against them.
"""

from typing import Any

from tokens.models import Kind
from tokens.selectors.status import Status

Schema = dict[str, Any]


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def closed(properties: Schema, **more: Any) -> Schema:
    """An object with all of these properties and no other."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
        **more,
    }


TEXT = {"type": "string"}
COUNT = {"type": "integer", "minimum": 0}
FLAG = {"type": "boolean"}
AT = {"type": "string", "format": "date-time"}
UUID = {"type": "string", "format": "uuid"}
KEY = {"type": ["integer", "string"], "description": "an account's id, as its model has it"}
IP = {"type": ["string", "null"], "description": "IPv4 or IPv6"}
EPOCH = {"type": "integer", "description": "seconds since 1970"}
JWT = {"type": "string", "description": "a JSON Web Token"}


def nullable(schema: Schema, why: str = "") -> Schema:
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return {**schema, "type": [*types, "null"], **({"description": why} if why else {})}


CLAIMS = {
    "token_type": {"enum": ["access", "refresh"]},
    "exp": EPOCH,
    "iat": EPOCH,
    "jti": TEXT,
    "user_id": KEY,
    "sid": {**UUID, "description": "the session"},
}
OPEN_CLAIMS = {
    "type": "object",
    "properties": CLAIMS,
    "additionalProperties": True,
    "description": "iss and aud where they are configured, and claims of your own, beside these",
}
DEVICE = {"ip": IP, "user_agent": TEXT, "client": TEXT}
TIMES = {"created_at": AT, "last_used_at": AT, "expires_at": AT}

SHAPES: dict[str, Schema] = {
    "Pair": closed({"refresh": JWT, "access": JWT}),
    "Allowed": closed({"response": TEXT}),
    "Nothing": closed({}),
    "Ended": closed(
        {"tokens": COUNT, "sessions": COUNT, "users": COUNT},
        description="What one act ended; all zero where there was nothing left to end.",
    ),
    "Introspection": {
        "oneOf": [
            closed({"active": {"const": False}}),
            {
                "type": "object",
                "properties": {"active": {"const": True}, "sub": TEXT, "username": TEXT, **CLAIMS},
                "required": ["active", "sub", "username", *CLAIMS],
                "additionalProperties": True,
            },
        ]
    },
    "OwnSession": closed(
        {
            "id": UUID,
            "current": {**FLAG, "description": "the one that this call is made with"},
            **DEVICE,
            **TIMES,
        }
    ),
    "Session": closed(
        {
            "id": UUID,
            "status": {"enum": [s.value for s in Status if s is not Status.ROTATED]},
            "user_id": nullable(KEY, "null: the account is gone"),
            "username": TEXT,
            **DEVICE,
            "rotations": COUNT,
            **TIMES,
            "revoked_at": nullable(AT),
            "revoked_by": {**TEXT, "description": "empty: nobody, or the system"},
            "revoke_reason": TEXT,
        }
    ),
    "OutstandingToken": closed(
        {
            "jti": TEXT,
            "status": {"enum": Status.values},
            "user_id": nullable(KEY, "null: the account is gone"),
            "username": nullable(TEXT),
            "session": nullable(UUID, "null: another service recorded it"),
            "issued_at": nullable(AT),
            "expires_at": AT,
        }
    ),
    "Event": closed(
        {
            "id": {"type": "integer"},
            "at": AT,
            "kind": {"enum": Kind.values},
            "actor_id": nullable(KEY, "null: nobody known, or the system"),
            "actor": TEXT,
            "subject_id": nullable(KEY),
            "subject": TEXT,
            "session": nullable(UUID),
            "jti": TEXT,
            **DEVICE,
            "request_id": TEXT,
            "reason": TEXT,
            "count": COUNT,
            "data": {"type": "object", "additionalProperties": True},
        }
    ),
    # --- Errors.
    "Error": closed({"detail": TEXT}),
    "TokenNotValid": closed({"detail": TEXT, "code": {"const": "token_not_valid"}}),
    "BearerNotValid": closed(
        {
            "detail": TEXT,
            "code": {"const": "token_not_valid"},
            "messages": {
                "type": "array",
                "items": closed({"token_class": TEXT, "token_type": TEXT, "message": TEXT}),
            },
        }
    ),
    "FieldErrors": {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {"type": "array", "items": TEXT},
        "description": "by the name of the field what is wrong with it",
    },
}
SHAPES["OutstandingTokenClaims"] = closed(
    {**SHAPES["OutstandingToken"]["properties"], "claims": OPEN_CLAIMS}
)


def page_of(name: str) -> Schema:
    cursor = nullable(TEXT)
    return closed(
        {
            "next": {**cursor, "description": "cursor of the older page"},
            "previous": {**cursor, "description": "cursor of the newer page"},
            "partial": {**FLAG, "description": "the search stopped at its limit; next goes on"},
            "results": {"type": "array", "items": ref(name)},
        }
    )


for _row in ("OwnSession", "Session", "OutstandingToken", "Event"):
    SHAPES[f"{_row}Page"] = page_of(_row)

SHAPES["Account"] = closed(
    {
        "id": KEY,
        "username": TEXT,
        "email": TEXT,
        "is_active": FLAG,
        "is_staff": FLAG,
        "last_login": nullable(AT),
        "date_joined": AT,
        "sessions": ref("SessionPage"),
    }
)
