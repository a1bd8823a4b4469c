"""Template tags that show ids, devices, instants, statuses and validations on the pages."""

import json
import re
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlencode

from django import template
from django.conf import settings
from django.contrib.humanize.templatetags.humanize import intcomma
from django.http import HttpRequest, QueryDict
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.utils.html import avoid_wrapping, format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import get_language, gettext_lazy, npgettext_lazy, pgettext
from django.utils.translation import gettext as _

from tokens.conf import app_settings
from tokens.db import clock
from tokens.jwt.redaction import holds_redacted
from tokens.listing.events import ACTS
from tokens.listing.search import email_of
from tokens.listing.status import Status
from tokens.models import BrowserSession, Session
from tokens.models.readable import is_readable
from tokens.models.reasons import Reason
from tokens.origin import current_origin, is_staff, may
from tokens.permissions import INSPECT, VIEW_EVENTS, VIEW_SESSIONS, VIEW_TOKENS
from tokens.validation.validator import Check
from tokens.web.login import address_of

register = template.Library()
REASONS = frozenset(Reason)
TRANSLATED = frozenset({"en", "de"})
register.filter("intcomma", intcomma)
# Order matters: Edge and Opera also name Chrome, and Chrome also names Safari.
BROWSERS = (
    ("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrome", "Chrome"),
    ("Safari", "Safari"), ("curl", "curl"), ("python", "Python"), ("okhttp", "Android app"),
)  # fmt: skip
# Ends the first word of any other user agent.
AGENT_NAME_END = re.compile(r"[\s/(]")
SYSTEMS = (
    ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"),
    ("Mac OS X", "macOS"), ("Linux", "Linux"),
)  # fmt: skip

# Humanize's naturaltime is not used here: its catalogue needs the app in the host's INSTALLED_APPS,
# and it costs more than the rest of a list row. Languages inflect these units after "ago" and "in".
SPANS: dict[str, Any] = {
    "year": npgettext_lazy("ago or in", "%(num)d year", "%(num)d years", "num"),
    "month": npgettext_lazy("ago or in", "%(num)d month", "%(num)d months", "num"),
    "week": npgettext_lazy("ago or in", "%(num)d week", "%(num)d weeks", "num"),
    "day": npgettext_lazy("ago or in", "%(num)d day", "%(num)d days", "num"),
    "hour": npgettext_lazy("ago or in", "%(num)d hour", "%(num)d hours", "num"),
    "minute": npgettext_lazy("ago or in", "%(num)d minute", "%(num)d minutes", "num"),
}
# Months differ in length, so only spans shorter than a month are computed from these.
SECONDS = {"week": 604_800, "day": 86_400, "hour": 3_600, "minute": 60}
MONTH = 4 * SECONDS["week"]


@register.filter
@lru_cache(maxsize=1024)
def device(agent: str) -> str:
    """Name the browser and system of a user agent, or its first word if neither is known."""
    if not agent:
        return ""
    browser = next((name for mark, name in BROWSERS if mark.lower() in agent.lower()), "")
    system = next((name for mark, name in SYSTEMS if mark in agent), "")
    known = " · ".join(part for part in (browser, system) if part)
    return known or AGENT_NAME_END.split(agent, maxsplit=1)[0][:24]


@register.filter
def device_of(session: Session | BrowserSession) -> str:
    """Name the device of a session, as its owner does if they do."""
    kind = device(session.user_agent)
    return f"{session.name} ({kind})" if session.name and kind else session.name or kind


@register.filter
def plain_device(agent: str) -> str:
    """Name a device in a mail, where a word of the client's own could become a link."""
    name = device(agent)
    return name if agent and not set(name) & set(".:/@") else _("unknown")


register.filter("holds_token", holds_redacted)
register.filter("email", email_of)


@register.filter
def as_json(value: object) -> str:
    """Format a response body as JSON."""
    return json.dumps(value, ensure_ascii=False, indent=2)


@register.filter
def short_id(value: object) -> str:
    """Shorten an id to its first eight and last four characters.

    Ids grow with time: within a minute, only the end tells them apart.
    """
    text = str(value)
    return text if len(text) <= 13 else f"{text[:8]}…{text[-4:]}"


@register.simple_tag
def when(at: datetime | None, *, exact_beside: bool = False) -> SafeString | str:
    """Show an instant in words, with the exact instant and zone on hover.

    Screen readers get the exact instant too, unless it is visible beside this one.
    """
    if at is None:
        return "–"
    if not is_readable(at):
        return _("unreadable")
    now = clock.now()
    seconds = (now - at).total_seconds()
    if abs(seconds) < 60:
        words = _("just now") if at <= now else _("in a moment")
    elif abs(seconds) < MONTH:
        unit = next(unit for unit, length in SECONDS.items() if abs(seconds) >= length)
        words = _span(get_language(), unit, int(abs(seconds) // SECONDS[unit]), seconds > 0)
    else:
        span = timesince(min(at, now), max(at, now), time_strings=SPANS, depth=1)
        words = _from_now(span, past=seconds > 0)
    if exact_beside:
        return format_html('<time datetime="{}">{}</time>', at.isoformat(), words)
    exact = exact_time(at)
    return format_html(
        '<time datetime="{}" title="{}">{}<span class="visually-hidden"> ({})</span></time>',
        at.isoformat(),
        exact,
        words,
        exact,
    )


def exact_time(at: datetime) -> str:
    """Write an instant to the second, in the viewer's time zone."""
    if not is_readable(at):
        return _("unreadable")
    return timezone.localtime(at).strftime("%Y-%m-%d %H:%M:%S %Z")


@register.simple_tag
def clock_time(at: datetime) -> SafeString:
    """Show the time of day of an instant, with the date if it is not today."""
    local, today = timezone.localtime(at), timezone.localtime(clock.now()).date()
    words = local.strftime("%H:%M:%S" if local.date() == today else "%Y-%m-%d %H:%M:%S")
    mark = '<time datetime="{}" title="{}">{}</time>'
    return format_html(mark, at.isoformat(), exact_time(at), words)


@lru_cache(maxsize=1024)
def _span(language: str, unit: str, number: int, past: bool) -> str:
    """Cache the words for a span: a list repeats the same few."""
    return _from_now(avoid_wrapping(SPANS[unit] % {"num": number}), past=past)


def _from_now(span: str, *, past: bool) -> str:
    return (_("%(time)s ago") if past else _("in %(time)s")) % {"time": span}


@register.simple_tag
def site_title() -> str:
    return app_settings.SITE_TITLE


@register.simple_tag
@lru_cache(maxsize=64)
def icon(name: str) -> SafeString:
    return format_html(
        '<svg class="icon" aria-hidden="true" focusable="false"><use href="{}#{}"/></svg>',
        static("tokens/icons.svg"),
        name,
    )


@register.simple_tag
def status_mark(status: str) -> SafeString:
    return _status_mark(get_language(), status)


@lru_cache(maxsize=64)
def _status_mark(language: str, status: str) -> SafeString:
    mark = '<span class="status status-{}">{} {}</span>'
    return format_html(mark, status, icon(status), Status(status).label)


@register.filter
def reason(text: str) -> str:
    """Translate a reason of the portal; what a person typed stays as it is."""
    fixed, colon, typed = text.partition(": ")
    return f"{Reason(fixed).label}{colon}{typed}" if fixed in REASONS else text


@register.simple_tag
def how_ended(session: Session) -> SafeString | str:
    """Show who revoked a session, why and when; empty for other sessions."""
    if not session.revoked_at:
        return ""
    by, why = session.revoked_by_name, reason(session.revoke_reason)
    if by:
        why = _("by %(by)s: “%(why)s”") % {"by": by, "why": why}
    at = when(session.revoked_at)
    return format_html("{}, {}", why, at) if why else at


@register.simple_tag(takes_context=True)
def here(context: template.Context, **changes: object) -> str:
    """Return the query string of this page with some parameters changed; None removes one."""
    request = context.get("request")
    query: QueryDict = request.GET.copy() if request else QueryDict(mutable=True)
    for name, value in changes.items():
        query.pop(name, None)
        if value not in (None, ""):
            query[name] = str(value)
    return f"?{query.urlencode()}"


@register.simple_tag(takes_context=True)
def review_link(context: template.Context, query: str = "", **selected: object) -> SafeString:
    """Return the attributes of a link that opens the review of a revocation, and leads back here.

    ``selected``, or a query string instead, says what is revoked. Without scripts, the link opens
    the review's own page.
    """
    named = urlencode(selected, safe="/", quote_via=quote) if selected else query
    back = quote(context["request"].path, safe="/")
    address = f"{reverse('tokens_staff:revoke')}?{named}&next={back}"
    return format_html('href="{0}" hx-get="{0}" hx-target="#review"', address)


CHECK_LABELS = {
    "signature": gettext_lazy("Signature valid"),
    "times": gettext_lazy("Not expired"),
    "type": gettext_lazy("Correct token type"),
    "known": gettext_lazy("Token known"),
    "revoked": gettext_lazy("Not revoked or used"),
    "session": gettext_lazy("Session active"),
    "user": gettext_lazy("Account active and unchanged"),
    "cut-off": gettext_lazy("Opened after every cutoff"),
}
CHECK_RESULTS = {
    True: ("pass", "pass", gettext_lazy("passed")),
    False: ("fail", "fail", gettext_lazy("failed")),
    None: ("skip-check", "skipped", gettext_lazy("Not checked")),
}


@register.simple_tag
def check_line(check: Check) -> SafeString:
    """Show one check of a validation as a list item, with its result and the reason."""
    mark, symbol, result = CHECK_RESULTS[check.passed]
    words = in_page_words(check.why)
    reason = format_html('<span class="detail">{}</span>', words) if words else ""
    return format_html(
        '<li class="{}">{} <span>{}<span class="visually-hidden">: {}</span></span>{}</li>',
        mark,
        icon(symbol),
        CHECK_LABELS[check.name],
        result,
        reason,
    )


@register.filter
def check_label(name: str) -> str:
    """Name a check of the validation, as it would be if it passed."""
    return str(CHECK_LABELS.get(name, name))


# The reason of a validation that ends with what a person may have typed.
REVOKED_BECAUSE = "Its session was revoked: %(reason)s"


@register.filter
def refusal_reason(why: str) -> str:
    """Translate why a call was refused. It is stored in English, as the API answers."""
    start, _of, _rest = REVOKED_BECAUSE.partition("%")
    if why.startswith(start):
        return _(REVOKED_BECAUSE) % {"reason": reason(why.removeprefix(start))}
    return _(in_page_words(why)) if why else ""


@register.filter
def in_page_words(why: str) -> str:
    """Translate a message of the API, which answers in English in every language."""
    return pgettext("page", why) if why else ""


TOKEN_TYPES = {"access": gettext_lazy("access token"), "refresh": gettext_lazy("refresh token")}


@register.simple_tag
def token_type(name: str) -> str:
    """Name the type of a token."""
    return str(TOKEN_TYPES.get(name, ""))


@register.simple_tag
def request_id() -> str:
    """Return the id of this request, which is in the log and in the response's headers."""
    return current_origin().request_id


# A page's name, label, permission, and the filter it opens with: most tokens and sessions have
# ended, and most events are refreshes.
NAV = (
    ("overview", gettext_lazy("Overview"), "", ""),
    ("tokens", gettext_lazy("Tokens"), VIEW_TOKENS, "?status=active"),
    ("sessions", gettext_lazy("Sessions"), VIEW_SESSIONS, "?status=active"),
    ("users", gettext_lazy("Users"), VIEW_TOKENS, ""),
    ("inspect", gettext_lazy("Inspect"), INSPECT, ""),
    ("events", gettext_lazy("Audit"), VIEW_EVENTS, f"?kind={ACTS}"),
)


@register.simple_tag
def nav_links(request: HttpRequest) -> list[dict[str, object]]:
    """List the staff pages that the user has the permission to see."""
    overview = address_of("tokens_staff:overview")
    found: list[dict[str, object]] = []
    user = getattr(request, "user", None)
    if not overview or not is_staff(user):
        return found
    for name, words, permission, opens_with in NAV:
        if permission and not may(user, permission):
            continue
        href = reverse(f"tokens_staff:{name}")
        current = request.path == href or (href != overview and request.path.startswith(href))
        found.append({"href": href + opens_with, "name": words, "current": current})
    return found


ACCOUNT_NAV = (
    ("sessions", gettext_lazy("Your sessions")),
    ("events", gettext_lazy("What happened")),
    ("password", gettext_lazy("Password")),
    ("factors", gettext_lazy("Second factor")),
)


@register.simple_tag
def account_links(request: HttpRequest) -> list[dict[str, object]]:
    """List the account pages."""
    found: list[dict[str, object]] = []
    for name, words in ACCOUNT_NAV:
        href = reverse(f"tokens_account:{name}")
        found.append({"href": href, "name": words, "current": request.path.startswith(href)})
    return found


@register.simple_tag
def list_label(name: str) -> str:
    """Return the label of a list, as the navigation has it."""
    return next(str(words) for other, words, *_rest in NAV if other == name)


@register.simple_tag
def home_link(request: HttpRequest) -> str:
    """Return the first page that the viewer may open: the overview or their own sessions."""
    staff, own = address_of("tokens_staff:overview"), address_of("tokens_account:sessions")
    if is_staff(getattr(request, "user", None)):
        return staff or own
    return own or staff or "/"


@register.simple_tag
def logout_link(request: HttpRequest) -> str:
    """Return the address that logs the viewer out, and shows the login page that suits them."""
    staff, own = address_of("tokens_staff:logout"), address_of("tokens_account:logout")
    return (staff or own) if is_staff(getattr(request, "user", None)) else (own or staff)


@register.simple_tag
def page_languages() -> list[tuple[str, str]]:
    """List the project's languages that the pages are translated into, with their names."""
    return [(code, name) for code, name in settings.LANGUAGES if code in TRANSLATED]
