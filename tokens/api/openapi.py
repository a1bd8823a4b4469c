"""The OpenAPI 3.1 document of the portal's own calls.

Each view describes its successful response with `describe`. What can go wrong follows from the view
itself: whether it takes a body, a bearer token, a permission or an id.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from inspect import cleandoc
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from django.urls import include, path, reverse
from django.utils import translation
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import append_meta, force_instance
from drf_spectacular.settings import patched_settings
from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    PolymorphicProxySerializer,
    extend_schema,
)

from tokens import VERSION
from tokens.api import examples, serializers
from tokens.api.fields import Schema
from tokens.api.permissions import ProofNeeded
from tokens.conf import app_settings
from tokens.validation.validator import bearer_refusal

if TYPE_CHECKING:
    from rest_framework.serializers import Serializer

    from tokens.api.base import ApiView

    Request = type[Serializer[None]]
    Answer = type[serializers.ExampleSerializer] | PolymorphicProxySerializer

Direction = Literal["request", "response"]
Method = TypeVar("Method", bound=Callable[..., object])

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
TAGS = TOKENS, OAUTH, SERVICES, OWN_SESSIONS, STAFF = (
    "Tokens", "OAuth", "Services", "Own sessions", "Staff",
)  # fmt: skip
# Independent of what a host project sets for a document of its own.
SETTINGS: Mapping[str, object] = {
    "VERSION": VERSION,
    "OAS_VERSION": "3.1.1",
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": [],
    "PREPROCESSING_HOOKS": [],
    "SCHEMA_PATH_PREFIX": None,
    "SORT_OPERATIONS": False,
}

# RFC 9110, section 10.2.3: seconds.
RETRY = {"Retry-After": {"required": True, "schema": {"type": "integer", "minimum": 1}}}
CHALLENGE = {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}}
ALLOW = {"Allow": {"required": True, "schema": {"type": "string"}}}
NO_TOKEN = {"detail": "Authentication credentials were not provided."}
LOGIN_TOO_OLD = {"detail": ProofNeeded.default_detail, "code": ProofNeeded.default_code}
WRONG_CREDENTIAL = {"detail": "Wrong name or secret of a service."}
OUTLIVED = "The cursor is not known here, or too old. Start again without one."
MALFORMED = {"detail": "JSON parse error - Expecting value: line 1 column 1 (char 0)"}
FIELD_ERRORS: Schema = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {"type": "array", "items": {"type": "string"}},
    "description": "for each wrong field, what is wrong with it",
}
# The HTTP server answers before the URL is resolved.
URI_TOO_LONG: Schema = {
    "description": "The address is over 8 KiB",
    "content": {
        "text/html": {
            "schema": {"type": "string"},
            "examples": {"Answer": {"value": "<html>…<title>URI Too Long</title>…</html>"}},
        }
    },
}


def describe(
    tag: str,
    operation_id: str,
    summary: str,
    response: "Answer | Mapping[tuple[int, str], OpenApiResponse]",
    *,
    request: "Request | Schema | None" = None,
    parameters: "Sequence[Request | OpenApiParameter]" = (),
) -> Callable[[Method], Method]:
    """Describe a view's method in the document.

    ``response`` is the serializer of the 200, or a mapping as `extend_schema` takes it.
    """

    def decorate(method: Method) -> Method:
        # extend_schema would derive from the host's DEFAULT_SCHEMA_CLASS otherwise.
        method.kwargs = {"schema": ApiSchema}  # type: ignore[attr-defined]
        return extend_schema(
            operation_id=operation_id,
            summary=summary,
            tags=[tag],
            request=request,
            responses=response if isinstance(response, Mapping) else {200: response},
            parameters=list(parameters),
        )(method)

    return decorate


def any_body(field: str, *media_types: str) -> Schema:
    """Describe the body of a call that always answers 200, whatever the body holds."""
    body = {"properties": {field: {"description": "a token"}}}
    return dict.fromkeys(media_types, body)


def document() -> Schema:
    """Return the document, which is built once for each URL prefix and title."""
    prefix = reverse("tokens_api:schema").removesuffix("schema").lstrip("/")
    return _document(prefix, app_settings.SITE_TITLE)


@lru_cache(maxsize=4)
def _document(prefix: str, title: str) -> Schema:
    from tokens.api import urls

    own = {"TITLE": title, **SETTINGS}
    with translation.override("en"), patched_settings(own), _building():
        generator = SchemaGenerator(patterns=[path(prefix, include(urls.urlpatterns))])  # type: ignore[no-untyped-call]
        found: Schema = generator.get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return found


class DocumentGenerator(SchemaGenerator):
    """Give `manage.py spectacular` the document of `/api/schema`."""

    def get_schema(self, request: object = None, public: bool = False) -> Schema:
        return document()


_own_document: ContextVar[bool] = ContextVar("tokens_own_document", default=False)


@contextmanager
def _building() -> Iterator[None]:
    reset = _own_document.set(True)
    try:
        yield
    finally:
        _own_document.reset(reset)


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describe `tokens.simplejwt.JWTAuthentication` in the document."""

    target_class = "tokens.simplejwt.JWTAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: AutoSchema) -> Schema:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class BasicScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describe `tokens.api.service_authentication.ServiceAuthentication` in the document."""

    target_class = "tokens.api.service_authentication.ServiceAuthentication"
    name = "service"

    def get_security_definition(self, auto_schema: AutoSchema) -> Schema:
        return {
            "type": "http",
            "scheme": "basic",
            "description": "The name and the secret of a service (RFC 6749, section 2.3.1)",
        }


class ApiSchema(AutoSchema):
    """Describe a call of the API, with the errors that it really answers.

    A document of the host project leaves these calls out: a view without a schema is in none.
    """

    def __get__(self, instance: object, owner: object) -> Any:
        return super().__get__(instance, owner) if _own_document.get() else None

    if TYPE_CHECKING:
        view: ApiView  # type: ignore[override]  # it describes only these views

    def get_description(self) -> str:  # type: ignore[override]  # as drf-spectacular has it
        """Return the docstring of the method, or of the view; not one it inherits."""
        own = vars(type(self.view)).get("__doc__") or ""
        action = vars(type(self.view)).get(str(self.method).lower())
        return cleandoc(getattr(action, "__doc__", None) or own)

    # --- Fields and objects.

    def _map_serializer_field(self, field: object, direction: Direction, *args: object) -> Schema:
        """Use the JSON Schema that one of our fields gives for itself."""
        json_schema = getattr(field, "json_schema", None)
        if json_schema is None:
            mapped: Schema = super()._map_serializer_field(field, direction, *args)  # type: ignore[no-untyped-call]
            return mapped
        meta = self._get_serializer_field_meta(field, direction)
        return append_meta(dict(json_schema), meta)

    def _insert_field_validators(self, field: object, schema: Schema) -> None:
        if getattr(field, "json_schema", None) is None:
            super()._insert_field_validators(field, schema)  # type: ignore[no-untyped-call]

    def _get_serializer_field_meta(self, field: object, direction: Direction) -> Schema:
        # A response only has readable fields; saying so for each would be noise.
        meta: Schema = super()._get_serializer_field_meta(field, direction)  # type: ignore[no-untyped-call]
        return {key: value for key, value in meta.items() if key not in {"readOnly", "writeOnly"}}

    def _map_basic_serializer(self, serializer: object, direction: Direction) -> Schema:
        schema: Schema = super()._map_basic_serializer(serializer, direction)  # type: ignore[no-untyped-call]
        if direction == "response":
            schema["required"] = sorted(schema.get("properties", {}))
            if not getattr(serializer, "open_ended", False):
                schema["additionalProperties"] = False
        return schema

    def _get_examples(
        self, serializer: object, direction: Direction, *args: object, **kwargs: object
    ) -> Schema:
        found: Schema = super()._get_examples(serializer, direction, *args, **kwargs)  # type: ignore[no-untyped-call]
        if isinstance(serializer, PolymorphicProxySerializer):
            serializer = serializer.serializers[-1]
        example = getattr(serializer, "example", None)
        if example is None:
            return found
        return found | {"Request" if direction == "request" else "Answer": {"value": example}}

    # --- Bodies.

    def _get_request_body(self, direction: Direction = "request") -> Schema | None:
        body: Schema | None = super()._get_request_body(direction)  # type: ignore[no-untyped-call]
        if body is not None and self.view.accepts_any_body:
            body.pop("required", None)
            for content in body["content"].values():
                name = next(iter(content["schema"]["properties"]))
                content["examples"] = {"Request": {"value": {name: examples.TOKEN}}}
        return body

    def _get_response_bodies(self, direction: Direction = "response") -> Schema:
        found: Schema = super()._get_response_bodies(direction)
        found["200"]["description"] = "Done"
        for code, body in self._errors().items():
            found.setdefault(code, body)
        return dict(sorted(found.items()))

    def _reference(self, serializer: type[serializers.ExampleSerializer]) -> Schema:
        component = self.resolve_serializer(serializer(), "response")
        return dict(component.ref)

    def _error(self, description: str, detail: str, headers: Schema | None = None) -> Schema:
        schema = self._reference(serializers.ErrorSerializer)
        return _response(description, schema, headers, Answer={"detail": detail})

    def _errors(self) -> dict[str, Schema]:
        view = self.view
        errors = {
            "405": self._error("No such method here", 'Method "PUT" not allowed.', ALLOW),
            "413": self._error("The body is over 64 KiB", "The body is too large."),
            "503": self._error(
                "The database cannot answer; nothing was changed",
                "The service is not able to answer just now. Nothing was changed.",
                RETRY,
            ),
        }
        if self.method == "POST":
            errors["400"] = self._bad_body()
            errors["415"] = self._error(
                "The body is of another type", "Unsupported media type in request."
            )
        elif any(p["in"] == "query" for p in self._get_parameters()):
            wrong = self._wrong_parameter()
            errors["400"] = _response("A parameter is wrong", FIELD_ERRORS, Answer=wrong)
        if self._get_parameters():
            errors["414"] = URI_TOO_LONG
        if view.authentication_classes:
            errors["401"] = self._no_valid_credentials()
        elif view.refusal is not None:
            errors["401"] = _response(
                "Refused",
                self._reference(view.refusal_serializer),
                CHALLENGE,
                Answer=view.refusal,
            )
        if view.permission:
            errors["403"] = self._error(
                f"Without the permission {view.permission}; the attempt is in the audit trail",
                "You do not have permission to perform this action.",
            )
        if "{" in self.path:
            errors["404"] = self._error("There is nothing with that id", "Not found.")
        if view.may_outlive:
            errors["304"] = {"description": "Nothing is new", "content": {}}
            errors["410"] = self._error("Start again without a cursor", OUTLIVED)
        if view.may_throttle:
            errors["429"] = self._error(
                "Too many attempts", "Too many attempts. Try again in 240 seconds.", RETRY
            )
        return errors

    def _no_valid_credentials(self) -> Schema:
        schemes = {scheme for need in self.get_auth() for scheme in need}
        error = self._reference(serializers.ErrorSerializer)
        if "bearer" not in schemes:
            shown = {"No_credentials": NO_TOKEN, "Wrong": WRONG_CREDENTIAL}
            return _response("The name or the secret is wrong", error, CHALLENGE, **shown)
        description, wrong = "No access token was sent, or it is not valid", {}
        bodies = [error, self._reference(serializers.BearerNotValidSerializer)]
        if self.view.may_ask_for_login:
            description += "; or the act needs a newer login"
            bodies.append(self._reference(serializers.LoginNeededSerializer))
            wrong["Login_too_old"] = LOGIN_TOO_OLD
        if BasicScheme.name in schemes:
            description += "; or the name or the secret of the service is wrong"
            wrong["Wrong_secret"] = WRONG_CREDENTIAL
        return _response(
            description,
            {"oneOf": bodies},
            CHALLENGE,
            No_token=NO_TOKEN,
            Token_rejected=bearer_refusal("Token is expired"),
            **wrong,
        )

    def _bad_body(self) -> Schema:
        error = self._reference(serializers.ErrorSerializer)
        if self.view.accepts_any_body:
            return _response("The body cannot be read", error, Malformed=MALFORMED)
        serializer = force_instance(self.get_request_serializer())  # type: ignore[no-untyped-call]
        return _response(
            "The body cannot be read, or a field is missing or wrong",
            {"oneOf": [error, FIELD_ERRORS]},
            Malformed=MALFORMED,
            Field_missing={next(iter(serializer.fields)): ["This field is required."]},
        )

    def _wrong_parameter(self) -> Schema:
        if self.view.may_outlive:
            return {"before": ["Unknown parameter. This call has: after."]}
        if self.method == "DELETE":
            return {"keep": ['The only value is "current".']}
        return {"limit": ["A valid integer is required."]}


def _response(
    description: str, schema: Schema, headers: Schema | None = None, **shown: object
) -> Schema:
    values = {name.replace("_", " "): {"value": value} for name, value in shown.items()}
    return {
        "description": description,
        "content": {JSON: {"schema": schema, "examples": values}},
        **({"headers": headers} if headers else {}),
    }
