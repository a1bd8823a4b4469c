"""Find whatever a text names: users, sessions, tokens, a request, or who was seen at an address."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from django.contrib.auth.base_user import AbstractBaseUser

from tokens.listing.events import EventQuery
from tokens.listing.refusals import REQUEST_ID, find_refusal
from tokens.listing.search import (
    Match,
    email_of,
    match,
    matching_sessions,
    matching_tokens,
    user_key,
)
from tokens.listing.sessions import SessionQuery, active_first, session_rows
from tokens.listing.tokens import token_rows
from tokens.listing.users import user_rows
from tokens.models import Event, OutstandingToken, Refusal, Session
from tokens.origin import Actor, may
from tokens.permissions import INSPECT, VIEW_EVENTS, VIEW_SESSIONS, VIEW_TOKENS

# The rows of each kind that are shown.
SHOWN = 10
Row: TypeAlias = AbstractBaseUser | Session | OutstandingToken | Event | Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResults:
    """Hold what a text names, up to `SHOWN` rows of each kind.

    ``exact`` is the only row that the whole text names, if there is one. A shortened id such as
    "01a221ff…380a" names a row; the id of a request names its refusal, or its first event.
    ``network`` is the address or network that the text is; ``sessions`` were then seen there.
    ``more`` has the kinds of which there are more rows.
    """

    users: tuple[AbstractBaseUser, ...] = ()
    sessions: tuple[Session, ...] = ()
    tokens: tuple[OutstandingToken, ...] = ()
    events: tuple[Event, ...] = ()
    network: str = ""
    exact: Row | None = None
    more: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return any((self.users, self.sessions, self.tokens, self.events))


def find(*, text: str, viewer: Actor) -> SearchResults:
    """Return what ``text`` names, as far as ``viewer`` may see it. An index finds each row."""
    text = text.strip().replace("\0", "")
    if not text:
        return SearchResults()
    meant = match(text)
    sees_events, sees_sessions = may(viewer, VIEW_EVENTS), may(viewer, VIEW_SESSIONS)
    if meant.ip:
        query = SessionQuery(ip=meant.ip)
        page = active_first(query=query, size=SHOWN) if sees_sessions else None
        return SearchResults(
            network=meant.ip,
            sessions=tuple(page.rows) if page else (),
            events=tuple(EventQuery(ip=meant.ip).rows()[:SHOWN]) if sees_events else (),
            more=frozenset({"sessions"} if page and page.older else ()),
        )
    users = _users(text, meant.users) if may(viewer, VIEW_TOKENS) else []
    sessions = _sessions(meant) if sees_sessions else []
    tokens = _tokens(meant) if meant.jti_start and may(viewer, VIEW_TOKENS) else []
    events = _events(text) if sees_events else []
    refusal = find_refusal(text) if may(viewer, INSPECT) else None
    exact: list[Row] = [
        *(user for user in users if _names(text, user)),
        *(sessions if meant.sid or meant.id_end else []),
        *(token for token in tokens if meant.id_end or token.jti == meant.jti_start),
        *([refusal] if refusal else events[:1]),
    ]
    lists: dict[str, Sequence[object]] = {
        "users": users,
        "sessions": sessions,
        "tokens": tokens,
        "events": events,
    }
    return SearchResults(
        users=tuple(users[:SHOWN]),
        sessions=tuple(sessions[:SHOWN]),
        tokens=tuple(tokens[:SHOWN]),
        events=tuple(events[:SHOWN]),
        exact=exact[0] if len(exact) == 1 else None,
        more=frozenset(name for name, rows in lists.items() if len(rows) > SHOWN),
    )


def _users(text: str, keys: tuple[object, ...]) -> list[AbstractBaseUser]:
    # "7" is a key, and may also start names.
    wanted = {*keys, user_key(text.removeprefix("#"))} - {None}
    return user_rows(keys=wanted) if wanted else []


def _names(text: str, user: AbstractBaseUser) -> bool:
    """Return whether the whole text is the name, the e-mail address or the key of ``user``."""
    names = (user.get_username(), email_of(user), f"#{user.pk}")
    return text.casefold() in {name.casefold() for name in names if name}


def _sessions(meant: Match) -> list[Session]:
    sids = matching_sessions(meant, limit=SHOWN + 1)
    rows = session_rows(pks=[meant.sid] if meant.sid else sids)
    return sorted(rows.values(), key=lambda row: row.last_used_at, reverse=True)


def _tokens(meant: Match) -> list[OutstandingToken]:
    rows = matching_tokens(meant)
    return token_rows(pks=list(rows.values_list("pk", flat=True)[: SHOWN + 1]))


def _events(text: str) -> list[Event]:
    if not REQUEST_ID.fullmatch(text):
        return []
    return list(EventQuery(request_id=text).rows()[: SHOWN + 1])
