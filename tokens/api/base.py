"""Base classes of the API's views, and the parsers of their bodies."""

import json
from collections.abc import Callable, Mapping
from typing import IO, Any, ClassVar

from django.core.exceptions import SuspiciousOperation
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict, UnreadablePostError
from django.utils import translation
from rest_framework.exceptions import (
    APIException,
    ErrorDetail,
    ParseError,
    UnsupportedMediaType,
)
from rest_framework.parsers import FormParser, JSONParser
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView, exception_handler

from tokens.api.openapi import ApiSchema
from tokens.api.serializers import ErrorSerializer, ExampleSerializer
from tokens.simplejwt import JWTAuthentication
from tokens.simplejwt.errors import token_not_valid
from tokens.validation import TokenRejected
from tokens.web.errors import answer_for
from tokens.web.middleware import MAX_BODY, body_exceeds

JSON = JSONRenderer()
COMPACT_JSON = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


class BodyTooLarge(APIException):
    """Refuse a body over `MAX_BODY`, before reading it."""

    status_code = 413
    default_detail = "The body is too large."


def json_response(body: Mapping[str, object]) -> HttpResponse:
    """Return ``body``, a mapping of plain values, as JSON.

    The calls that every client waits for use this instead of REST framework's `Response`, which
    negotiates the content type again for each.
    """
    return HttpResponse(COMPACT_JSON.encode(body), content_type="application/json")


# Both parsers read UTF-8, whatever ``charset`` a client names (RFC 8259, section 8.1): some codecs
# that Python knows are not text encodings, and decoding with one raises an unexpected exception.


class BoundedJSONParser(JSONParser):
    """Parse JSON. Nesting that is too deep for the interpreter is a 400."""

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, object] | None = None,
    ) -> Any:
        context = {**(parser_context or {}), "encoding": "utf-8"}
        try:
            return super().parse(stream, media_type, context)
        except RecursionError as error:
            raise ParseError("JSON parse error - nested too deeply") from error
        except UnreadablePostError as error:
            raise ParseError("The body ended early") from error


class BoundedFormParser(FormParser):
    """Parse a form, as RFC 7009 and RFC 7662 require. Too many fields are a 400."""

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, object] | None = None,
    ) -> Any:
        try:
            return QueryDict(stream.read(), encoding="utf-8")
        except (SuspiciousOperation, ValueError) as error:
            raise ParseError("Form parse error") from error
        except UnreadablePostError as error:
            raise ParseError("The body ended early") from error


class ApiView(APIView):
    """A call of the API. Its responses are JSON, in English, and not cached.

    The bodies are in English because they are a contract. Only pages are translated.
    """

    # What `HasPermission` checks.
    permission: ClassVar[str] = ""
    schema = ApiSchema()
    # The project's defaults are for the project's own views.
    authentication_classes = [JWTAuthentication]
    permission_classes: list[type[BasePermission]] = [IsAuthenticated]
    parser_classes = [BoundedJSONParser]
    renderer_classes = [JSONRenderer]
    throttle_classes = []
    versioning_class = None
    # Read by a project's middleware: an API call needs no session, CSRF token or content policy.
    skips_page_middleware = True
    # For the OpenAPI document: the body of the 401 of a call without a bearer token, whether the
    # call can answer 429, whether it can ask for a newer login, and whether it answers 200 whatever
    # the body holds.
    refusal: ClassVar[Mapping[str, str] | None] = None
    refusal_serializer: ClassVar[type[ExampleSerializer]] = ErrorSerializer
    may_throttle = False
    may_ask_for_login = False
    # Whether the call takes a cursor that the portal forgets, and answers 304 without news.
    may_outlive = False
    accepts_any_body = False

    @transaction.non_atomic_requests
    def dispatch(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        if translation.get_language() == "en":
            return super().dispatch(request, *args, **kwargs)
        with translation.override("en"):
            return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        # A wrong method is a 405 before authentication: a 401 would make the client look for a
        # token that can't help.
        if body_exceeds(request._request, MAX_BODY):
            raise BodyTooLarge
        if request.method not in self.allowed_methods:
            self.http_method_not_allowed(request, *args, **kwargs)
        if request.method != "OPTIONS":
            super().initial(request, *args, **kwargs)

    def perform_content_negotiation(
        self, request: Request, force: bool = False
    ) -> tuple[BaseRenderer, str]:
        """Return the one renderer, whatever ``Accept`` says (RFC 9110, section 12.5.1)."""
        return JSON, JSON.media_type

    def handle_exception(self, exc: Exception) -> Response:
        """Answer `TokenRejected` with a 401 in simplejwt's shape, and faults with a 503 or 429."""
        if isinstance(exc, TokenRejected):
            exc = token_not_valid(exc.validation)
        if isinstance(exc, UnsupportedMediaType):
            # REST framework repeats the header, which may hold a token.
            exc.detail = ErrorDetail("Unsupported media type in request.", exc.default_code)
        answer = answer_for(self.request._request, exc)
        return answer if answer is not None else super().handle_exception(exc)  # type: ignore[return-value]

    def get_exception_handler(self) -> Callable[..., Response | None]:
        # The project's own may give errors another shape.
        return exception_handler

    def options(self, request: HttpRequest, *args: object, **kwargs: object) -> Response:
        return Response(status=204)

    def finalize_response(
        self, request: Request, response: Response, *args: object, **kwargs: object
    ) -> Response:
        final = super().finalize_response(request, response, *args, **kwargs)
        # RFC 6749, section 5.1. Lists of sessions must not be cached either.
        final.headers.setdefault("Cache-Control", "no-store")
        return final


class AnonymousView(ApiView):
    """A call that needs no bearer token, and reads none."""

    authentication_classes = []
    permission_classes = []

    def get_authenticate_header(self, request: Request) -> str:
        # REST framework turns a 401 without this header into a 403.
        return 'Bearer realm="api"'
