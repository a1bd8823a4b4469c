"""What stands on a page fifty times and more, each written in one piece: the cells that the lists
share, the columns of a chart. Templates that include templates took most of a page's time."""

from functools import lru_cache
from typing import Any

from django import template
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from tokens.selectors.status import Status
from tokens.templatetags.portal import device, icon, short_id, when

register = template.Library()
PICK = {
    "token": gettext_lazy("Select token %(id)s"),
    "session": gettext_lazy("Select session %(id)s"),
}
NOT_PICKED = mark_safe('<td class="pick"></td>')
NO_DEVICE = mark_safe('<td class="wide device"></td>')


@register.simple_tag
def status_mark(status: str) -> SafeString:
    return _status_mark(get_language(), status)


@lru_cache(maxsize=64)
def _status_mark(language: str, status: str) -> SafeString:
    mark = '<span class="status status-{}">{} {}</span>'
    return format_html(mark, status, icon(status), Status(status).label)


@register.simple_tag
def pick(name: str, key: Any, status: str) -> SafeString:
    """The box of a row. Only what can still be ended can be picked."""
    if status != Status.ACTIVE:
        return NOT_PICKED
    return format_html(
        '<td class="pick"><label><input type="checkbox" name="{}" value="{}" data-pick'
        ' aria-label="{}"></label></td>',
        name,
        key,
        PICK[name] % {"id": key},
    )


@register.simple_tag
def person(account: Any | None, name: str) -> SafeString | str:
    """Whose it is; ``name`` is what is kept of an account that is gone."""
    if not account:
        return name or "–"
    url = reverse("staff:user", args=[account.pk])
    return format_html('<a href="{}">{}</a>', url, account.get_username())


@register.simple_tag
def token_id(jti: str) -> SafeString:
    short = short_id(jti)
    return format_html(
        '<a class="id" href="{}" title="{}">{}</a> <button class="copy needs-js" type="button"'
        ' data-copy="{}" aria-label="{}">{}</button>',
        reverse("staff:token", args=[jti]),
        jti,
        short,
        jti,
        _("Copy the id of token %(id)s") % {"id": short},
        icon("copy"),
    )


@register.simple_tag
def session_id(pk: Any, *, linked: bool) -> SafeString:
    if not linked:
        return format_html('<span class="id" title="{}">{}</span>', pk, short_id(pk))
    url = reverse("staff:session", args=[pk])
    return format_html('<a class="id" href="{}" title="{}">{}</a>', url, pk, short_id(pk))


@register.simple_tag
def device_cell(session: Any | None, label: str) -> SafeString:
    """What a session's client said of itself, and where it was."""
    agent, ip, client = (
        (session.user_agent, session.ip, session.client) if session else ("", "", "")
    )
    if not (agent or ip or client):
        return NO_DEVICE
    shown = client
    if agent:
        shown = format_html('<span title="{} {}">{}</span>', agent, client, device(agent))
    where = format_html('<span class="mono small muted">{}</span>', ip) if ip else ""
    return format_html('<td data-label="{}" class="wide device">{} {}</td>', label, shown, where)


@register.simple_tag
def how_ended(session: Any) -> SafeString | str:
    """Who ended a session, why and when; nothing where nobody did."""
    if not session.revoked_at:
        return ""
    by, why = session.revoked_by_name, session.revoke_reason
    if by:
        why = _("by %(by)s: “%(why)s”") % {"by": by, "why": why}
    at = when(session.revoked_at)
    return format_html("{}, {}", why, at) if why else at


@register.simple_tag
def bars(column: Any) -> SafeString:
    """A `tokens.staff.charts.Column` inside an SVG."""
    return format_html(
        '<g><title>{}</title><rect class="slot" x="{}" y="0" width="{}" height="100" />{}</g>',
        column.words,
        column.x,
        column.width,
        format_html_join(
            "",
            '<rect class="bar-{}" x="{}" y="{}" width="{}" height="{}" />',
            ((bar.measure, bar.x, bar.y, bar.width, bar.height) for bar in column.bars),
        ),
    )
