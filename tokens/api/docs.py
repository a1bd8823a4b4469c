"""A page that reads the description of the API aloud: made on the server, so it needs no script
and nothing from elsewhere."""

import json
import shlex
from itertools import groupby
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from tokens.api.described import TAGS
from tokens.api.describing import FORM
from tokens.api.schema import document

METHODS = ("get", "post", "put", "patch", "delete")
Found = dict[str, Any]


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
    return render(request, "api/docs.html", {"groups": groups, "info": found["info"]})


def _call(url: str, path: str, method: str, found: Found) -> Found:
    body = found.get("requestBody", {}).get("content", {})
    sent = _first(next(iter(body.values()), {}))
    bearer = any("bearer" in need for need in found.get("security", []))
    answers = [_answer(status, answer) for status, answer in found["responses"].items()]
    return {
        "id": found["operationId"],
        "tag": found["tags"][0],
        "path": path,
        "method": method.upper(),
        "summary": found.get("summary", ""),
        "text": found.get("description", ""),
        "bearer": bearer,
        "parameters": [
            {**parameter, "kind": _kind(parameter["schema"])}
            for parameter in found.get("parameters", [])
        ],
        "form": FORM in body,
        "sent": _json(sent) if sent is not None else "",
        "curl": _curl(method.upper(), url, bearer, sent),
        "good": [answer for answer in answers if answer["status"] == "200"],
        "bad": [answer for answer in answers if answer["status"] != "200"],
    }


def _answer(status: str, found: Found) -> Found:
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


def _first(content: Found) -> Any:
    first: Any = next(iter(content.get("examples", {}).values()), None)
    return None if first is None else first["value"]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _kind(schema: Found) -> str:
    """What a parameter may be, in a few words."""
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


def _curl(method: str, url: str, bearer: bool, sent: Any) -> str:
    """A line for a shell; the access token is in $ACCESS."""
    command = "curl" if method == "GET" or sent is not None else f"curl -X {method}"
    parts = []
    if bearer:
        parts.append('-H "Authorization: Bearer $ACCESS"')
    if sent is not None:
        parts.append("--json " + shlex.quote(json.dumps(sent, ensure_ascii=False)))
    return f"{command} " + " \\\n  ".join([*parts, shlex.quote(url)])
