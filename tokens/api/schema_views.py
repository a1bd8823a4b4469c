"""The OpenAPI document, and the page that renders it on the server, without a script."""

import json
import shlex
from itertools import groupby

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from tokens.api.fields import Schema
from tokens.api.openapi import FORM, TAGS, document

METHODS = ("get", "post", "put", "patch", "delete")


@cache_control(public=True, max_age=300)
@require_safe
def schema(request: HttpRequest) -> HttpResponse:
    return JsonResponse(document())


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    found = document()
    calls = sorted(
        (
            _call(request.build_absolute_uri(path), path, method, methods[method])
            for path, methods in found["paths"].items()
            for method in METHODS
            if method in methods
        ),
        key=lambda call: TAGS.index(call["tag"]),
    )
    groups = [(tag, list(own)) for tag, own in groupby(calls, key=lambda call: call["tag"])]
    return render(request, "tokens/api/docs.html", {"groups": groups, "info": found["info"]})


def _call(url: str, path: str, method: str, found: Schema) -> Schema:
    body = found.get("requestBody", {}).get("content", {})
    sent = _first(next(iter(body.values()), {}))
    schemes = [scheme for need in found.get("security", []) for scheme in need]
    bearer = "bearer" in schemes
    service = not bearer and "service" in schemes
    answers = [_answer(status, answer) for status, answer in found["responses"].items()]
    return {
        "id": found["operationId"],
        "tag": found["tags"][0],
        "path": path,
        "method": method.upper(),
        "summary": found.get("summary", ""),
        "text": found.get("description", ""),
        "bearer": bearer,
        "service": service,
        "parameters": [
            {**parameter, "kind": _kind(parameter["schema"])}
            for parameter in found.get("parameters", [])
        ],
        "form": FORM in body,
        "sent": _json(sent) if sent is not None else "",
        "curl": _curl(method.upper(), url, sent, bearer=bearer, service=service),
        "good": [answer for answer in answers if answer["status"] == "200"],
        "bad": [answer for answer in answers if answer["status"] != "200"],
    }


def _answer(status: str, found: Schema) -> Schema:
    examples = [
        value if isinstance(value := example["value"], str) else _json(value)
        for content in found.get("content", {}).values()
        for example in content.get("examples", {}).values()
    ]
    return {
        "status": status,
        "description": found.get("description", ""),
        "headers": list(found.get("headers", {})),
        "examples": examples,
    }


def _first(content: Schema) -> object:
    first = next(iter(content.get("examples", {}).values()), None)
    return None if first is None else first["value"]


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _kind(schema: Schema) -> str:
    """Return a few words that say what a parameter accepts."""
    formats = [part["format"] for part in schema.get("anyOf", [schema]) if "format" in part]
    number = schema.get("type") == "integer"
    words = [" | ".join(formats) if formats and not number else str(schema.get("type", "string"))]
    if "maxLength" in schema:
        words.append(f"≤ {schema['maxLength']}")
    if schema.get("maximum", 1 << 62) < 1 << 62:
        words.append(f"{schema.get('minimum', 0)}–{schema['maximum']}")
    if "default" in schema:
        words.append(f"= {schema['default']}")
    return "" if "enum" in schema else ", ".join(words)


def _curl(method: str, url: str, sent: object, *, bearer: bool, service: bool) -> str:
    """Return a shell command for the call, with $ACCESS or $NAME and $SECRET."""
    command = "curl" if method == "GET" or sent is not None else f"curl -X {method}"
    parts = []
    if service:
        parts.append('--user "$NAME:$SECRET"')
    if bearer:
        parts.append('-H "Authorization: Bearer $ACCESS"')
    if sent is not None:
        parts.append("--json " + shlex.quote(json.dumps(sent, ensure_ascii=False)))
    return f"{command} " + " \\\n  ".join([*parts, shlex.quote(url)])
