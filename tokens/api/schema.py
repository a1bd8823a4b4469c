"""The description of the API (OpenAPI 3.1)."""

from functools import lru_cache
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import translation
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator

from tokens.api.described import describe
from tokens.api.shapes import SHAPES


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
