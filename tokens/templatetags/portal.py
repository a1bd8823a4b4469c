"""How ids, devices and instants are shown on the pages."""

import json
import re
from datetime import datetime
from functools import lru_cache
from typing import Any

from django import template
from django.http import HttpRequest, QueryDict
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.utils.html import avoid_wrapping, format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import get_language, gettext_lazy, npgettext_lazy
from django.utils.translation import gettext as _

register = template.Library()
# In this order: Edge and Opera say that they are Chrome, and Chrome that it is Safari.
BROWSERS = (
    ("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrome", "Chrome"),
    ("Safari", "Safari"), ("curl", "curl"), ("python", "Python"), ("okhttp", "Android app"),
)  # fmt: skip
SYSTEMS = (
    ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"),
    ("Mac OS X", "macOS"), ("Linux", "Linux"),
)  # fmt: skip

# Beside "ago" and "in", which other languages put into another case than a length of time.
SPANS: dict[str, Any] = {
    "year": npgettext_lazy("ago or in", "%(num)d year", "%(num)d years", "num"),
    "month": npgettext_lazy("ago or in", "%(num)d month", "%(num)d months", "num"),
    "week": npgettext_lazy("ago or in", "%(num)d week", "%(num)d weeks", "num"),
    "day": npgettext_lazy("ago or in", "%(num)d day", "%(num)d days", "num"),
    "hour": npgettext_lazy("ago or in", "%(num)d hour", "%(num)d hours", "num"),
    "minute": npgettext_lazy("ago or in", "%(num)d minute", "%(num)d minutes", "num"),
}
# As long as no month can have passed, for those are not all of one length.
SECONDS = {"week": 604_800, "day": 86_400, "hour": 3_600, "minute": 60}
MONTH = 4 * SECONDS["week"]


@register.filter
@lru_cache(maxsize=1024)
def device(agent: str) -> str:
    """A user agent in two words; what nobody knows by its first."""
    if not agent:
        return ""
    browser = next((name for mark, name in BROWSERS if mark.lower() in agent.lower()), "")
    system = next((name for mark, name in SYSTEMS if mark in agent), "")
    known = " · ".join(part for part in (browser, system) if part)
    return known or re.split(r"[\s/(]", agent)[0][:24]


@register.filter
def as_json(value: Any) -> str:
    """A body as a client receives it."""
    return json.dumps(value, ensure_ascii=False, indent=2)


@register.filter
def short_id(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 12 else f"{text[:4]}…{text[-4:]}"


@register.simple_tag
def when(at: datetime | None) -> SafeString | str:
    """An instant in words, the exact one under the pointer and for screen readers."""
    if at is None:
        return "–"
    now = timezone.now()
    seconds = (now - at).total_seconds()
    if abs(seconds) < 60:
        words = _("just now") if at <= now else _("in a moment")
    elif abs(seconds) < MONTH:
        unit = next(unit for unit, length in SECONDS.items() if abs(seconds) >= length)
        words = _span(get_language(), unit, int(abs(seconds) // SECONDS[unit]), seconds > 0)
    else:
        span = timesince(min(at, now), max(at, now), time_strings=SPANS, depth=1)
        words = _from_now(span, past=seconds > 0)
    exact = timezone.localtime(at).strftime("%Y-%m-%d %H:%M:%S %Z")
    # What only stands in a title is not read aloud.
    return format_html(
        '<time datetime="{}" title="{}">{}<span class="visually-hidden"> ({})</span></time>',
        at.isoformat(),
        exact,
        words,
        exact,
    )


@lru_cache(maxsize=1024)
def _span(language: str, unit: str, number: int, past: bool) -> str:
    """In words, which are few: a list says the same ones over and over."""
    return _from_now(avoid_wrapping(SPANS[unit] % {"num": number}), past=past)


def _from_now(span: str, *, past: bool) -> str:
    return (_("%(time)s ago") if past else _("in %(time)s")) % {"time": span}


@register.simple_tag
@lru_cache(maxsize=64)
def icon(name: str) -> SafeString:
    return format_html(
        '<svg class="icon" aria-hidden="true" focusable="false"><use href="{}#{}"/></svg>',
        static("icons.svg"),
        name,
    )


@register.simple_tag(takes_context=True)
def here(context: dict[str, Any], **changes: Any) -> str:
    """This address with some of its query changed: None takes a name out."""
    request = context.get("request")
    query: QueryDict = request.GET.copy() if request else QueryDict(mutable=True)
    for name, value in changes.items():
        query.pop(name, None)
        if value not in (None, ""):
            query[name] = str(value)
    return f"?{query.urlencode()}"


NAV = (
    ("overview", gettext_lazy("Overview"), ""),
    ("tokens", gettext_lazy("Tokens"), "token_blacklist.view_outstandingtoken"),
    ("sessions", gettext_lazy("Sessions"), "tokens.view_session"),
    ("users", gettext_lazy("Users"), "token_blacklist.view_outstandingtoken"),
    ("inspect", gettext_lazy("Inspect"), "tokens.inspect_token"),
    ("events", gettext_lazy("Audit"), "tokens.view_event"),
)


@register.simple_tag
def nav_links(request: HttpRequest) -> list[dict[str, Any]]:
    """The staff pages that the person may see."""
    overview = reverse("staff:overview")
    found = []
    for name, words, permission in NAV:
        if permission and not request.user.has_perm(permission):
            continue
        href = reverse(f"staff:{name}")
        current = request.path == href or (href != overview and request.path.startswith(href))
        found.append({"href": href, "name": words, "current": current})
    return found
