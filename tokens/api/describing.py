"""How the calls are described in the schema: each with the errors that it really answers."""

from inspect import cleandoc
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import append_meta

from tokens.api.shapes import ref
from tokens.verdict import bearer_refusal

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
# RFC 9110, section 10.2.3: seconds.
RETRY = {"Retry-After": {"required": True, "schema": {"type": "integer", "minimum": 1}}}
CHALLENGE = {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}}
ALLOW = {"Allow": {"required": True, "schema": {"type": "string"}}}
NO_TOKEN = {"detail": "Authentication credentials were not provided."}
MALFORMED = {"detail": "JSON parse error - Expecting value: line 1 column 1 (char 0)"}


# The server's own answer, before a call is looked for.
TOO_LONG = {
    "description": "The address is over 8 KiB",
    "content": {
        "text/html": {
            "schema": {"type": "string"},
            "examples": {"Answer": {"value": "<html>…<title>URI Too Long</title>…</html>"}},
        }
    },
}


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "tokens.api.authentication.SessionJWTAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


def answer(description: str, schema: Any, headers: Any = None, **examples: Any) -> dict[str, Any]:
    shown = {name.replace("_", " "): {"value": value} for name, value in examples.items()}
    return {
        "description": description,
        "content": {JSON: {"schema": schema, "examples": shown}},
        **({"headers": headers} if headers else {}),
    }


def detail(description: str, text: str, headers: Any = None) -> dict[str, Any]:
    return answer(description, ref("Error"), headers, Answer={"detail": text})


class ApiSchema(AutoSchema):
    """A view says what it answers when all is well; what can go wrong follows from what it is:
    whether it takes a body, a bearer token, a permission or an id."""

    def get_description(self) -> str:  # type: ignore[override]  # as drf-spectacular has it
        """What the view says of itself; what all have in common is said once, at the top."""
        own = vars(type(self.view)).get("__doc__") or ""
        action = vars(type(self.view)).get(str(self.method).lower())
        return cleandoc(getattr(action, "__doc__", None) or own)

    def _map_serializer_field(self, field: Any, direction: Any, *args: Any) -> Any:
        described = getattr(field, "described", None)
        if described is None:
            return super()._map_serializer_field(field, direction, *args)  # type: ignore[no-untyped-call]
        meta = self._get_serializer_field_meta(field, direction)  # type: ignore[no-untyped-call]
        return append_meta(dict(described), meta)

    def _insert_field_validators(self, field: Any, schema: Any) -> None:
        if getattr(field, "described", None) is None:
            super()._insert_field_validators(field, schema)  # type: ignore[no-untyped-call]

    def _get_request_body(self, direction: Any = "request") -> Any:
        body = super()._get_request_body(direction)  # type: ignore[no-untyped-call]
        if body is not None and self._takes_anything():
            body.pop("required", None)
        return body

    def _takes_anything(self) -> bool:
        return bool(getattr(self.view, "tolerant", False))

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        found = super()._get_response_bodies(direction)
        found["200"]["description"] = "Done"
        for code, body in self._errors().items():
            found.setdefault(code, body)
        return dict(sorted(found.items()))

    def _errors(self) -> dict[str, Any]:
        view: Any = self.view
        errors = {
            "405": detail("No such method here", 'Method "PUT" not allowed.', ALLOW),
            "413": detail("The body is over 64 KiB", "The body is too large."),
            "503": detail(
                "The database cannot answer; nothing was changed",
                "The service is not able to answer just now. Nothing was changed.",
                RETRY,
            ),
        }
        if self.method == "POST":
            errors["400"] = self._bad_body()
            errors["415"] = detail(
                "The body is of another type", 'Unsupported media type "text/plain" in request.'
            )
        elif any(p["in"] == "query" for p in self._get_parameters()):
            wrong = self._wrong_parameter()
            errors["400"] = answer("A parameter is wrong", ref("FieldErrors"), Answer=wrong)
        if self._get_parameters():
            errors["414"] = TOO_LONG
        if view.authentication_classes:
            errors["401"] = answer(
                "No token was sent, or it is not good",
                {"oneOf": [ref("Error"), ref("BearerNotValid")]},
                CHALLENGE,
                No_token=NO_TOKEN,
                Token_refused=bearer_refusal("Token is expired"),
            )
        elif view.refusal:
            body = {"detail": view.refusal, **view.refusal_more}
            shape = "TokenNotValid" if view.refusal_more else "Error"
            errors["401"] = answer("Refused", ref(shape), CHALLENGE, Answer=body)
        if getattr(view, "permission", ""):
            errors["403"] = detail(
                f"Without the permission {view.permission}; the attempt is in the audit trail",
                "You do not have permission to perform this action.",
            )
        if "{" in self.path:
            errors["404"] = detail("There is none of that id", "Not found.")
        if view.may_lock:
            errors["429"] = detail(
                "Too many attempts", "Too many attempts. Try again in 240 seconds.", RETRY
            )
        return errors

    def _bad_body(self) -> dict[str, Any]:
        if self._takes_anything():
            return answer("The body cannot be read", ref("Error"), Malformed=MALFORMED)
        serializer: Any = self.get_request_serializer()
        name = next(iter(serializer().fields))
        return answer(
            "The body cannot be read, or a field is missing or wrong",
            {"oneOf": [ref("Error"), ref("FieldErrors")]},
            Malformed=MALFORMED,
            Field_missing={name: ["This field is required."]},
        )

    def _wrong_parameter(self) -> dict[str, Any]:
        if self.method == "DELETE":
            return {"keep": ['The only value is "current".']}
        return {"limit": ["A valid integer is required."]}
