"""How the calls are described in the schema: each with the errors that it really answers."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema

ERROR = {
    "type": "object",
    "properties": {"detail": {"type": "string"}},
    "required": ["detail"],
}
# RFC 9110, section 10.2.3: seconds.
RETRY = {"Retry-After": {"required": True, "schema": {"type": "integer", "minimum": 1}}}
CHALLENGE = {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}}
ALLOW = {"Allow": {"required": True, "schema": {"type": "string"}}}
NOT_VALID = {
    "detail": "Given token not valid for any token type",
    "code": "token_not_valid",
    "messages": [
        {"token_class": "AccessToken", "token_type": "access", "message": "Token is expired"}
    ],
}


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "tokens.api.authentication.SessionJWTAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


def answer(
    description: str, example: Any, headers: Any = None, schema: Any = None
) -> dict[str, Any]:
    content = {"schema": schema or ERROR, "examples": {"Answer": {"value": example}}}
    return {
        "description": description,
        "content": {"application/json": content},
        **({"headers": headers} if headers else {}),
    }


def detail(description: str, text: str, headers: Any = None) -> dict[str, Any]:
    return answer(description, {"detail": text}, headers)


class ApiSchema(AutoSchema):
    """A view says what it answers when all is well; what can go wrong follows from what it is:
    whether it takes a body, a bearer token, a permission or an id."""

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        found = super()._get_response_bodies(direction)
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
            errors["400"] = answer(
                "The body is malformed, or a field is missing or wrong",
                {"detail": "JSON parse error - Expecting value: line 1 column 1 (char 0)"},
                schema={"type": "object"},
            )
            errors["415"] = detail(
                "The body is of another type", 'Unsupported media type "text/plain" in request.'
            )
        elif self.get_override_parameters():
            errors["400"] = answer(
                "A parameter is wrong",
                {"limit": ["A valid integer is required."]},
                schema={"type": "object"},
            )
        if view.authentication_classes:
            errors["401"] = self._unauthorised()
        elif view.refusal:
            body = {"detail": view.refusal, **view.refusal_more}
            errors["401"] = answer("Refused", body, CHALLENGE)
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

    def _unauthorised(self) -> dict[str, Any]:
        none = {"detail": "Authentication credentials were not provided."}
        body = answer("No token was sent, or it is not good", none, CHALLENGE)
        body["content"]["application/json"]["examples"] = {
            "No token": {"value": none},
            "Token refused": {"value": NOT_VALID},
        }
        return body
