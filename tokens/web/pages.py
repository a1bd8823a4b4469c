"""Give the app's pages what they need, whatever the project's middleware does.

These are the content policy, the viewer's time zone, the response to faults, and text without
tokens and invisible characters.
"""

import re
from collections.abc import Callable
from contextlib import nullcontext
from functools import lru_cache, wraps
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import SimpleTemplateResponse
from django.templatetags.static import static
from django.urls import URLPattern
from django.utils import timezone
from django.views.decorators.csrf import csrf_protect

from tokens.jwt.invisible import CONTROLS, INVISIBLE, character_class
from tokens.web.errors import answer_for
from tokens.web.redaction import (
    correct_history,
    redact_address,
    redact_form,
    redirect_to_redacted,
)

View = Callable[..., HttpResponseBase]
TIME_ZONE_COOKIE = "tokens_tz"
# The attributes of a request for which the middleware does the same as `page`.
REDACTED, VISIBLE = "_tokens_redacted", "_tokens_visible"
POLICY = (
    "default-src 'none'; script-src 'self'{static}; style-src 'self'{static}; "
    "img-src 'self' data:{static}; font-src 'self'{static}; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def pages(patterns: list[URLPattern]) -> list[URLPattern]:
    """Wrap the view of each pattern with `page`."""
    for pattern in patterns:
        pattern.callback = page(pattern.callback)
    return patterns


def page(view: View) -> View:
    """Show times in the viewer's zone, answer faults, and set the page's own content policy.

    The transactions of a view are its own, whatever ``ATOMIC_REQUESTS`` says: a refusal must not
    roll back what it recorded.
    """

    @transaction.non_atomic_requests
    @csrf_protect
    @wraps(view)
    def shown(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        typed = False
        if not hasattr(request, REDACTED):
            typed = redact_address(request)
            redact_form(request)
        if typed and (redirect := redirect_to_redacted(request)):
            return redirect
        zone = zone_of(request)
        with timezone.override(zone) if zone else nullcontext():
            try:
                response = view(request, *args, **kwargs)
                if isinstance(response, SimpleTemplateResponse) and not response.is_rendered:
                    response = response.render()
            except Exception as error:
                answer = answer_for(request, error)
                if answer is None:
                    raise
                response = answer
        response.headers.setdefault("Content-Security-Policy", content_policy())
        response.headers.setdefault("X-Frame-Options", "DENY")
        if typed:
            correct_history(request, response)
        if not hasattr(request, VISIBLE):
            show_hidden(response)
        return response

    return shown


def content_policy() -> str:
    """Return the policy of the app's pages. Static files may come from another host."""
    return _policy(static("tokens/icon.svg"))


@lru_cache(maxsize=8)
def _policy(example: str) -> str:
    parts = urlsplit(example)
    elsewhere = f" {parts.scheme or 'https'}://{parts.netloc}" if parts.netloc else ""
    return POLICY.format(static=elsewhere)


def zone_of(request: HttpRequest) -> ZoneInfo | None:
    """Return the time zone that the viewer's browser reported, if it is one."""
    name = request.COOKIES.get(TIME_ZONE_COOKIE, "")
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


# --- Characters that are invisible, or that change how the text around them looks. Names, devices
# and reasons come from outside. A bidirectional control, a zero-width space or an escape sequence
# in one of them could make a page say what is not so.

HIDDEN = re.compile(character_class((*CONTROLS, *INVISIBLE)))
# A form sends the content of its fields back, so it stays as it is.
IN_HTML = re.compile(rf"(<input\b[^>]*+>|<textarea\b[^<]*+<)|({HIDDEN.pattern})")
# Many emoji are typed with a selector, which shows them in colour.
EMOJI = re.compile(
    "[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u27bf\u2900-\u297f"
    "\u2b00-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]\ufe0f"
)
PICTURES, DELETE_PICTURE = 0x2400, "\u2421"


def show_hidden(response: HttpResponseBase) -> None:
    """Show invisible characters in an HTML page, wherever its text came from."""
    if not isinstance(response, HttpResponse) or not response.content:
        return
    if not response.headers.get("Content-Type", "").startswith("text/html"):
        return
    html = response.content.decode(response.charset, errors="replace")
    if HIDDEN.search(html):
        response.content = visible_html(html)
        if response.has_header("Content-Length"):
            response.headers["Content-Length"] = str(len(response.content))


def visible(text: str) -> str:
    """Return ``text`` with each hidden character as a symbol or as its code point in ‹›."""
    return HIDDEN.sub(_symbol, text)


def visible_html(html: str) -> str:
    """Do the same for HTML, except inside ``input`` and ``textarea`` elements."""
    return IN_HTML.sub(lambda found: found[1] or _symbol(found), html)


def _symbol(found: re.Match[str]) -> str:
    if EMOJI.match(found.string, max(found.start() - 1, 0)) is not None:
        return found[0]
    code = ord(found[0])
    if code < 0x20:
        return chr(PICTURES + code)
    return DELETE_PICTURE if code == 0x7F else f"\u2039U+{code:04X}\u203a"
