"""What every call of the API has in common."""

import json
from typing import Any

from django.http import HttpResponse
from django.utils import translation
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tokens.api.describing import ApiSchema

JSON = JSONRenderer()


def answer(body: dict[str, Any]) -> HttpResponse:
    """A body of plain values, as JSON. The calls that every user waits for answer so: DRF's own
    `Response` finds out once more for each what we know of all."""
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    return HttpResponse(text, content_type="application/json")


class ApiView(APIView):
    """A call of the API: JSON, in English, and kept by nobody on the way.

    English, because the bodies are a contract; the pages are what is translated.
    """

    schema = ApiSchema()
    # For the description alone: the 401 of a call that needs no bearer token, a 429, and a
    # body in which nothing is an error.
    refusal = ""
    refusal_more: dict[str, str] = {}
    may_lock = False
    tolerant = False

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        if translation.get_language() == "en":
            return super().dispatch(request, *args, **kwargs)
        with translation.override("en"):
            return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        # Before authentication: which methods there are is no secret, and a 401 would send a
        # client looking for a token that cannot help.
        if request.method not in self.allowed_methods:
            self.http_method_not_allowed(request, *args, **kwargs)
        if request.method != "OPTIONS":
            super().initial(request, *args, **kwargs)

    def perform_content_negotiation(
        self, request: Request, force: bool = False
    ) -> tuple[BaseRenderer, str]:
        """There is one; ``Accept`` is not held against a client (RFC 9110, section 12.5.1)."""
        return JSON, JSON.media_type

    def options(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        return Response(status=204)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        answer = super().finalize_response(request, response, *args, **kwargs)
        # RFC 6749, section 5.1; also right for lists of who is logged in where.
        answer.headers.setdefault("Cache-Control", "no-store")
        return answer


class AnonymousView(ApiView):
    """A call that needs no bearer token, and looks at none."""

    authentication_classes: Any = []
    permission_classes: Any = []

    def get_authenticate_header(self, request: Request) -> str:
        # Without it DRF turns every 401 of a view that authenticates nobody into a 403.
        return 'Bearer realm="api"'
