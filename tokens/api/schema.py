"""The description of the API (OpenAPI 3.1), and a page that reads it aloud: made on the server,
so it needs no script and nothing from elsewhere."""

import json
from functools import lru_cache
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import translation
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator

from tokens.api.described import describe
from tokens.api.shapes import SHAPES

METHODS = ("get", "post", "put", "patch", "delete")


@lru_cache(maxsize=1)
def document() -> dict[str, Any]:
    """Made once: it depends on the code alone."""
    describe()
    with translation.override("en"):
        found: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    found["components"]["schemas"] |= SHAPES
    return found


@cache_control(public=True, max_age=300)
@require_safe
def schema(request: HttpRequest) -> HttpResponse:
    return JsonResponse(document())


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    return render(
        request, "api/docs.html", {"operations": operations(), "info": document()["info"]}
    )


def operations() -> list[dict[str, Any]]:
    """The calls as the page lists them."""
    return [
        _operation(path, method, methods[method])
        for path, methods in document()["paths"].items()
        for method in METHODS
        if method in methods
    ]


def _operation(path: str, method: str, found: dict[str, Any]) -> dict[str, Any]:
    body = found.get("requestBody", {}).get("content", {})
    return {
        "id": found["operationId"],
        "path": path,
        "method": method.upper(),
        "summary": found.get("summary", ""),
        "text": found.get("description", ""),
        "bearer": any("bearer" in need for need in found.get("security", [])),
        "parameters": [p for p in found.get("parameters", []) if p["in"] == "query"],
        "media": list(body),
        "sent": _example(next(iter(body.values()), {})),
        "answers": [
            {
                "status": status,
                "description": answer.get("description", ""),
                "example": _example(next(iter(answer.get("content", {}).values()), {})),
            }
            for status, answer in found["responses"].items()
        ],
    }


def _example(content: dict[str, Any]) -> str:
    first: Any = next(iter(content.get("examples", {}).values()), None)
    return "" if first is None else json.dumps(first["value"], ensure_ascii=False, indent=2)
