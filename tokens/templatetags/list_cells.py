"""Render the cells of the lists' tables.

They are built in Python, because included templates took most of a page's rendering time. A cell
of the declaration `tokens.listing.columns.Column` is a name in `CELLS`.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from urllib.parse import quote

from django.contrib.auth.base_user import AbstractBaseUser
from django.urls import reverse
from django.utils.formats import localize
from django.utils.html import conditional_escape, format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from tokens.listing.columns import Column
from tokens.listing.search import email_of
from tokens.listing.selection import words_of
from tokens.listing.status import Status
from tokens.models import Event, OutstandingToken, Session
from tokens.models.readable import UNREADABLE
from tokens.origin import is_staff
from tokens.templatetags.tokens import (
    device,
    device_of,
    exact_time,
    how_ended,
    icon,
    reason,
    short_id,
    status_mark,
    when,
)


@dataclass(frozen=True, slots=True)
class Viewer:
    """Hold which rows the viewer may open."""

    sees_sessions: bool
    sees_tokens: bool


# A row is a token, a session, a user or an event, as the list of the column has it.
Render: TypeAlias = Callable[[Any, Column, Viewer], str]


@dataclass(frozen=True, slots=True)
class Cell:
    """Hold how a cell is rendered.

    ``css`` are the classes of the cell. A cell that isn't ``labelled`` shows no label on a narrow
    screen. ``fact`` renders the same value on the page of the row, with the classes ``fact_css``.
    """

    render: Render
    css: str = ""
    labelled: bool = True
    fact: Render | None = None
    fact_css: str = ""


def td(column: Column, content: str) -> SafeString:
    """Return a table cell. An empty one has no label."""
    cell = CELLS[column.cell]
    label = format_html(' data-label="{}"', column.label) if content and cell.labelled else ""
    return format_html("<td{}{}>{}</td>", label, css_class(cell.css), content)


def css_class(names: str) -> SafeString | str:
    """Return the class attribute of an element; empty without classes."""
    return format_html(' class="{}"', names) if names else ""


def _of_value(show: Callable[[Any], str]) -> Render:
    """Return a renderer that shows the column's value, and nothing for an empty one."""

    def render(row: object, column: Column, viewer: Viewer) -> str:
        value = column.value(row)
        return conditional_escape(show(value)) if value not in (None, "") else ""

    return render


def _exact(at: datetime) -> str:
    words = when(at, exact_beside=True)
    return format_html('{} <span class="exact">{}</span>', words, exact_time(at))


def _yes_or_no(value: bool) -> str:
    return _("Yes") if value else _("No")


# --- Tokens and sessions.


def _session_of(row: Session | OutstandingToken) -> Session | None:
    if isinstance(row, Session):
        return row
    membership = getattr(row, "membership", None)
    return membership.session if membership else None


def _person(row: Session | OutstandingToken, column: Column, viewer: Viewer) -> str:
    """Link to the user of a row. The user's name is shown when the account is deleted."""
    if row.user:
        return _link_to_user(row.user)
    session = _session_of(row)
    return (session.username if session else "") or "–"


def _link_to_user(user: AbstractBaseUser) -> SafeString:
    url = reverse("tokens_staff:user", args=[user.pk])
    return format_html('<a href="{}">{}</a>', url, user.get_username())


def _session_id(session: Session, column: Column, viewer: Viewer) -> str:
    pk = session.pk
    if not viewer.sees_sessions:
        return format_html('<span class="id" title="{}">{}</span>', pk, short_id(pk))
    url = reverse("tokens_staff:session", args=[pk])
    return format_html('<a class="id" href="{}" title="{}">{}</a>', url, pk, short_id(pk))


def _token_id(jti: str) -> SafeString:
    short = short_id(jti)
    return format_html(
        '<a class="id" href="{}" title="{}">{}</a> <button class="copy needs-js" type="button"'
        ' data-copy="{}" aria-label="{}">{}</button>',
        reverse("tokens_staff:token", args=[jti]),
        jti,
        short,
        jti,
        _("Copy the id of token %(id)s") % {"id": short},
        icon("copy"),
    )


def _token_expiry(token: OutstandingToken, column: Column, viewer: Viewer) -> str:
    """Show when a token expires, unless something else has ended it before."""
    ends = token.status in (Status.ACTIVE, Status.EXPIRED)
    return when(token.expires_at) if ends else ""


def _session_expiry(session: Any, column: Column, viewer: Viewer) -> str:
    """Show when a session ends however often it is refreshed. Another end comes before."""
    return _exact(session.expires_at) if session.status == Status.ACTIVE else ""


def _device(row: Session | OutstandingToken, column: Column, viewer: Viewer) -> str:
    """Show the user agent, or the client's label without one, and the address of a session."""
    session = _session_of(row)
    if session is None or not (session.user_agent or session.ip or session.client):
        return ""
    agent, client = session.user_agent, session.client
    title = '<span title="{} {}">{}</span>'
    shown = format_html(title, agent, client, device_of(session)) if agent else client
    where = '<span class="mono small muted">{}</span>'
    return format_html("{} {}", shown, format_html(where, session.ip) if session.ip else "")


def _device_with_agent(session: Session, column: Column, viewer: Viewer) -> str:
    agent = session.user_agent
    html = '{} {} <span class="exact">{}</span>'
    return format_html(html, device(agent), session.ip or "", agent)


def _ended(row: Session | OutstandingToken, column: Column, viewer: Viewer) -> str:
    """Show how the session was revoked. Only its last token was revoked with it."""
    session = _session_of(row)
    token_was_used_up = isinstance(row, OutstandingToken) and row.status != Status.REVOKED
    return how_ended(session) if session and not token_was_used_up else ""


# --- Users.


def _account(user: AbstractBaseUser, column: Column, viewer: Viewer) -> str:
    return _link_to_user(user)


def _email(user: AbstractBaseUser, column: Column, viewer: Viewer) -> str:
    return conditional_escape(email_of(user))


def _account_status(user: AbstractBaseUser, column: Column, viewer: Viewer) -> str:
    if not user.is_active:
        return format_html('<span class="tag tag-warn">{}</span>', _("inactive"))
    return format_html('<span class="tag">{}</span>', _("staff")) if is_staff(user) else ""


# --- Events.


def _trail(name: str, value: object) -> str:
    """Return the address of the events that have ``value`` in the filter ``name``."""
    return f"{reverse('tokens_staff:events')}?{name}={quote(str(value), safe='/')}"


def _event_kind(event: Event, column: Column, viewer: Viewer) -> str:
    alert = " danger-text" if event.traits.alert else ""
    return format_html('<span class="event-kind{}">{}</span>', alert, event.get_kind_display())


def _event_subject(event: Event, column: Column, viewer: Viewer) -> str:
    """Show the account, the session and the token that the event is about."""
    key, name, sid, jti = event.subject_id, event.subject_name, event.session_id, event.jti
    parts = [_link_to_account("subject", key, name) if key else name]
    if sid:
        opened = viewer.sees_sessions
        url = reverse("tokens_staff:session", args=[sid]) if opened else _trail("session", sid)
        parts.append(_small_link(url, sid, _("session")))
    if jti:
        opened = viewer.sees_tokens
        url = reverse("tokens_staff:token", args=[jti]) if opened else _trail("jti", jti)
        parts.append(_small_link(url, jti, _("token")))
    return format_html_join(" ", "{}", ((part,) for part in parts if part))


def _small_link(url: str, key: object, word: str) -> SafeString:
    link = '<div class="small"><a class="id" href="{}" title="{}">{} {}</a></div>'
    return format_html(link, url, key, word, short_id(key))


def _link_to_account(role: str, key: object, name: str) -> SafeString:
    """Link to the events of an account. The list reads an id after a number sign."""
    return format_html('<a href="{}">{}</a>', _trail(role, f"#{key}"), name or key)


def _event_actor(event: Event, column: Column, viewer: Viewer) -> str:
    key = event.actor_id
    return _link_to_account("actor", key, event.actor_name) if key else ""


def _event_origin(event: Event, column: Column, viewer: Viewer) -> str:
    ip, agent = event.ip, event.user_agent
    link = '<a class="mono" href="{}">{}</a>'
    where = format_html(link, _trail("ip", ip), ip) if ip else ""
    small = '<div class="small muted" title="{}">{}</div>'
    return format_html("{}{}", where, format_html(small, agent, device(agent)) if agent else "")


def _event_details(event: Event, column: Column, viewer: Viewer) -> str:
    count = format_html('<span class="tag">× {}</span>', event.count) if event.count > 1 else ""
    more: str = ""
    if event.data:
        item = '<div><dt>{}</dt><dd class="wrap">{}</dd></div>'
        more = format_html(
            '<details><summary>{}</summary><dl class="details">{}</dl></details>',
            _("More"),
            format_html_join("", item, _details(event)),
        )
    parts = [part for part in (reason(event.reason), count, more) if part]
    return format_html_join(" ", "{}", ((part,) for part in parts))


def _details(event: Event) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each detail. The filter of an act is in words."""
    for name, value in event.data.items():
        if name == "targets":
            continue
        if name == "filter" and isinstance(value, dict) and (words := words_of(value)):
            yield _("filter"), words
        elif name == UNREADABLE:
            yield _("Details"), _("unreadable")
        elif isinstance(value, list) and not any(isinstance(one, list | dict) for one in value):
            yield name, ", ".join(map(str, value))
        else:
            yield name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


CELLS = {
    "text": Cell(_of_value(str)),
    "email": Cell(_email, "wrap"),
    "choice": Cell(_of_value(str)),
    "uuid": Cell(_of_value(short_id)),
    "integer": Cell(_of_value(localize), "num"),
    "count": Cell(_of_value(localize), "num"),
    "boolean": Cell(_of_value(_yes_or_no)),
    "instant": Cell(_of_value(when), fact=_of_value(_exact)),
    "agent": Cell(_of_value(device)),
    "status": Cell(_of_value(status_mark), "status-cell", labelled=False),
    "person": Cell(_person),
    "session_id": Cell(_session_id),
    "token_id": Cell(_of_value(_token_id), "whole"),
    "token_expiry": Cell(_token_expiry),
    "session_expiry": Cell(_session_expiry),
    "device": Cell(_device, "wide device", fact=_device_with_agent),
    "ended": Cell(_ended, "ended", labelled=False, fact_css="danger-text"),
    "account": Cell(_account),
    "account_status": Cell(_account_status, "status-cell", labelled=False),
    "event_kind": Cell(_event_kind),
    "event_subject": Cell(_event_subject, "wrap name"),
    "event_actor": Cell(_event_actor, "wrap name"),
    "event_origin": Cell(_event_origin, "wrap name"),
    "event_details": Cell(_event_details, "wrap small"),
}
