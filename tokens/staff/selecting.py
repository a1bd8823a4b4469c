"""What an address asks to end, as a selection.

``token``, ``session`` and ``user`` (each any number of times), or a list's filters with
``matching=tokens`` or ``matching=sessions``, or ``everybody`` with ``before``.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms
from django.contrib.auth import get_user_model
from django.http import Http404, QueryDict
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from tokens.revocation import Selection
from tokens.selectors.matching import match
from tokens.selectors.status import Status
from tokens.selectors.tokens import outstanding_tokens
from tokens.staff.filters import RANGES, Filters

MOST = 1000


def selection_of(query: QueryDict) -> Selection:
    """404 where the address names nothing that can be."""
    if query.get("everybody"):
        before = instant(query.get("before", ""))
        if before is None:
            raise Http404
        return Selection(everybody=True, issued_before=min(before, timezone.now()))
    if of := query.get("matching"):
        return _matching(query, of_tokens=of == "tokens")
    try:
        return Selection(
            jtis=tuple(query.getlist("token")[:MOST]),
            sessions=tuple(UUID(text) for text in query.getlist("session")[:MOST]),
            users=tuple(
                get_user_model()._meta.pk.to_python(text) for text in query.getlist("user")[:MOST]
            ),
        )
    except (ValueError, forms.ValidationError) as error:
        raise Http404 from error


def _matching(query: QueryDict, *, of_tokens: bool) -> Selection:
    """A list's filters as a selection of what is live in it. The list of tokens means a token's
    own instants where it says issued and expires, the list of sessions the session's."""
    filters = Filters(query)
    if not filters.is_valid():
        raise Http404
    asked = filters.asked()
    if asked.get("status", Status.ACTIVE) != Status.ACTIVE:
        # A list of what has ended must not end what it does not show.
        return Selection()
    found = match(asked.get("q", ""))
    jtis: tuple[str, ...] = ()
    if asked.get("q") and not (found.users or found.sid or found.ip):
        page = outstanding_tokens(q=asked["q"]).page(size=MOST)
        jtis = tuple(token.jti for token in page.rows) or ("",)
    ranges: dict[str, Any] = {
        f"token_{name}" if of_tokens and not name.startswith("used") else name: asked[name]
        for name in RANGES
        if name in asked
    }
    return Selection(
        jtis=jtis,
        sessions=(found.sid,) if found.sid else (),
        users=(asked["user"],) if "user" in asked else tuple(found.users),
        ip=asked.get("ip") or found.ip,
        client=asked.get("client", ""),
        user_agent=asked.get("device", ""),
        **ranges,
    )


def instant(text: str) -> datetime | None:
    """What ``text`` says, in the viewer's zone where it names none."""
    try:
        at = parse_datetime(text)
    except ValueError:
        return None
    return timezone.make_aware(at) if at is not None and timezone.is_naive(at) else at
