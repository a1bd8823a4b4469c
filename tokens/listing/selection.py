"""Describe what a revocation is asked to end as one value.

The review counts a `Selection` and the act ends it.
"""

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from tokens.listing.query import Names, as_user_key, aware, named_users, user_names
from tokens.listing.revocable import RevocableQuery
from tokens.listing.search import UserKey
from tokens.listing.sessions import SessionQuery
from tokens.listing.status import has_field, live, live_foreign, unended
from tokens.listing.tokens import TokenQuery
from tokens.listing.users import superusers
from tokens.models import OutstandingToken, Session, SessionToken
from tokens.validation.legacy import transition_over

T = TypeVar("T")
LISTS: dict[str, type[RevocableQuery[Model]]] = {"tokens": TokenQuery, "sessions": SessionQuery}


class UnreadableSelection(ValueError):
    """Raised for a stored value that is no selection, or that this release can't read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Rows that were named, everybody's, or what a list shows (``matching``).

    Everything that is given must hold (AND); within one field any may (OR).

    An empty selection selects nothing: ``everybody`` has to be given explicitly. ``issued_before``
    excludes sessions that were opened later, but no token whose time of issue is unknown; it is an
    aware datetime. ``spare_superusers`` leaves out everything of superusers.
    """

    jtis: tuple[str, ...] = ()
    sessions: tuple[uuid.UUID, ...] = ()
    users: tuple[UserKey, ...] = ()
    issued_before: datetime | None = None
    everybody: bool = False
    matching: RevocableQuery[Model] | None = None
    spare_superusers: bool = False

    def __post_init__(self) -> None:
        """Fix relative ranges: the review, the act and the trail hold the same rows."""
        if self.matching is not None:
            object.__setattr__(self, "matching", self.matching.pinned())

    @property
    def empty(self) -> bool:
        """Return whether nothing was asked for.

        A list without a filter asks for nothing, whatever else is given.
        """
        if self.matching is not None:
            return not self.matching.chosen()
        named = self.jtis or self.sessions or self.users
        return not (named or self.issued_before or self.everybody)

    @property
    def narrowed(self) -> bool:
        """Return whether it says more than which tokens, sessions and users."""
        return self.issued_before is not None or self.matching is not None

    @property
    def named(self) -> int:
        """Return how many tokens, sessions and users are named."""
        return len(self.jtis) + len(self.sessions) + len(self.users)

    @property
    def everything(self) -> bool:
        """Return whether no condition can leave out a live session that exists by then.

        `tokens.revocation.reviews` also asks the database.
        """
        everything = self.matching is None or self.matching.everything_live
        return not self.empty and not self.named and everything

    @property
    def whole_users(self) -> bool:
        """Return whether it selects users or everybody, so that their browser sessions end too."""
        return not (self.empty or self.jtis or self.sessions or self.matching)

    @property
    def user_keys(self) -> tuple[UserKey, ...]:
        """Return the keys of the users that the selection names."""
        return self.users or (self.matching.user_keys if self.matching is not None else ())

    def in_words(self, *, names: Names | None = None) -> str:
        """Describe the selection in one line, for a person.

        ``names`` are user names by key that were kept, which are used instead of the accounts.
        """
        parts = self._named(names)
        if self.matching is not None:
            parts.append(self.matching.in_words(names=names))
        return ", ".join(parts)

    def labelled_parts(self) -> list[tuple[str, str]]:
        """Return the conditions for a person, each with a label."""
        counted = ((_("Sessions"), self.sessions), (_("Tokens"), self.jtis))
        parts = [(_("Accounts"), user_names(self.users))] if self.users else []
        parts += [(label, str(len(keys))) for label, keys in counted if keys]
        return parts + (self.matching.labelled_parts() if self.matching is not None else [])

    def _named(self, names: Names | None) -> list[str]:
        sessions, tokens = len(self.sessions), len(self.jtis)
        parts = []
        if self.users:
            parts.append(_("all of %(users)s") % {"users": user_names(self.users, names=names)})
        if sessions:
            parts.append(ngettext("%(n)s session", "%(n)s sessions", sessions) % {"n": sessions})
        if tokens:
            parts.append(ngettext("%(n)s token", "%(n)s tokens", tokens) % {"n": tokens})
        return parts

    def as_json(self) -> dict[str, object]:
        """Return what is set, for a JSON column."""
        stored = {
            name: _to_json(value)
            for name, value in asdict(self).items()
            if value and name != "matching"
        }
        if self.matching is not None:
            (of,) = (name for name, query in LISTS.items() if isinstance(self.matching, query))
            stored["matching"] = {"list": of, **self.matching.as_json()}
        return stored

    def for_trail(self) -> dict[str, object]:
        """Return `as_json` for an event, with the names that the users have now.

        `words_of` describes it.
        """
        user = self.matching.user if self.matching is not None else None
        named = named_users((*self.users, user) if user is not None else self.users)
        return self.as_json() | ({"names": named} if named else {})

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Selection":
        """Read what `as_json` returned, or what a job of an earlier release stored.

        Raises `UnreadableSelection` for anything else: a part of it could select more.
        """
        try:
            return cls._read(_converted(stored))
        except (ValueError, TypeError, LookupError, AttributeError, ValidationError) as error:
            raise UnreadableSelection(str(error)) from error

    @classmethod
    def _read(cls, values: dict[str, Any]) -> "Selection":
        query = values.pop("matching", None)
        if query is not None:
            query = dict(query)
            query = LISTS[query.pop("list")].from_json(query)
        before = values.pop("issued_before", None)
        texts = {name: _texts(values.pop(name, [])) for name in ("jtis", "sessions", "users")}
        if not all(isinstance(value, bool) for value in values.values()):
            raise TypeError("What is left are switches.")
        return cls(
            jtis=texts["jtis"],
            sessions=tuple(map(uuid.UUID, texts["sessions"])),
            users=tuple(map(as_user_key, texts["users"])),
            issued_before=aware(before) if before is not None else None,
            matching=query,
            **values,
        )


def words_of(kept: Mapping[str, Any]) -> str:
    """Describe what `Selection.for_trail` returned, or return "" for what can't be read.

    A later release may lack a filter. No query runs.
    """
    try:
        return _describe(dict(kept))
    except (ValueError, TypeError, LookupError, AttributeError):
        return ""


def _describe(values: dict[str, Any]) -> str:
    names = values.pop("names", {})
    selection = Selection.from_json(values)
    parts = [selection.in_words(names=names)]
    if selection.everybody:
        parts.insert(0, _("everyone"))
    if (before := selection.issued_before) is not None:
        at = date_format(timezone.localtime(before), "SHORT_DATETIME_FORMAT")
        parts.append(_("issued before %s") % at)
    if selection.spare_superusers:
        parts.append(_("without superusers"))
    return ", ".join(filter(None, parts))


def _texts(stored: object) -> tuple[str, ...]:
    if not isinstance(stored, list) or not all(isinstance(text, str) for text in stored):
        raise TypeError("This is no list of texts.")
    return tuple(stored)


def _to_json(value: object) -> object:
    if isinstance(value, tuple | list):
        return [str(item) for item in value]
    return value.isoformat() if isinstance(value, datetime) else value


# The conditions that earlier releases stored beside the named rows. They named the ranges of a
# list of tokens ``token_issued_after`` and so on.
EARLIER = {"ip": "ip", "client": "client", "user_agent": "device"} | {
    f"{name}_{side}": f"{name}_{side}"
    for name in ("issued", "used", "expires")
    for side in ("after", "before")
    if (name, side) != ("issued", "before")
}
EARLIER_TOKENS = {
    f"token_{name}_{side}": f"{name}_{side}"
    for name in ("issued", "expires")
    for side in ("after", "before")
}


def _converted(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``stored`` with an earlier release's conditions as a query."""
    values = dict(stored)
    of_tokens = not EARLIER_TOKENS.keys().isdisjoint(values)
    found = {EARLIER[name]: values.pop(name) for name in EARLIER if name in values}
    if of_tokens and not found.keys().isdisjoint({"issued_after", "expires_after"}):
        raise ValueError("This selection has ranges of tokens and of sessions.")
    found |= {EARLIER_TOKENS[n]: values.pop(n) for n in EARLIER_TOKENS if n in values}
    if found:
        values["matching"] = {"list": "tokens" if of_tokens else "sessions", **found}
    return values


def selected_sessions(*, selection: Selection) -> "QuerySet[Session]":
    """Return the live sessions of ``selection``."""
    if selection.empty:
        return Session.objects.none()
    if selection.matching is None:
        return live(Session.objects.filter(_named_sessions(selection)))
    sessions: QuerySet[Session] = selection.matching.live_sessions()
    return sessions.filter(_named_sessions(selection))


def unended_sessions(*, selection: Selection) -> "QuerySet[Session]":
    """Return the named sessions that aren't marked as ended, live or not.

    A cutoff may have made them unusable already. ``selection`` has no query.
    """
    if selection.empty or selection.matching is not None:
        return Session.objects.none()
    sessions: QuerySet[Session] = unended(Session.objects.filter(_named_sessions(selection)))
    return sessions


def selected_foreign_tokens(*, selection: Selection) -> "QuerySet[OutstandingToken]":
    """Return the live tokens of ``selection`` that belong to no session.

    simplejwt issued them, here before the app was added or in another service on the same tables.
    A selection of everybody, or by time alone, reaches them only while they are accepted here.
    """
    nothing: QuerySet[OutstandingToken] = OutstandingToken.objects.none()
    if selection.empty or selection.sessions:
        return nothing
    wanted = _of_users(selection)
    if selection.issued_before is not None:
        wanted &= issued_before(selection.issued_before)
    if selection.jtis:
        wanted &= Q(jti__in=selection.jtis)
    if selection.matching is not None:
        tokens: QuerySet[OutstandingToken] = selection.matching.live_foreign_tokens()
        return tokens.filter(wanted)
    if not (selection.jtis or selection.users) and transition_over():
        return nothing
    named: QuerySet[OutstandingToken] = live_foreign(OutstandingToken.objects.filter(wanted))
    return named


def selected_users(*, selection: Selection) -> "QuerySet[AbstractBaseUser]":
    """Return the accounts of a selection of whole users: those that it names, or all."""
    accounts = get_user_model()._base_manager.all()
    if selection.users:
        accounts = accounts.filter(pk__in=selection.users)
    if selection.spare_superusers:
        accounts = accounts.exclude(pk__in=superusers().values("pk"))
    return accounts


def selected_browser_users(*, selection: Selection) -> "QuerySet[AbstractBaseUser]":
    """Return the users of a selection who may have browser sessions that it ends.

    A selection of sessions or tokens, or a filter of a list, ends no browser session.
    """
    accounts = selected_users(selection=selection)
    if not selection.whole_users:
        return accounts.none()
    return accounts.filter(last_login__isnull=False) if has_field("last_login") else accounts


def existing(*, selection: Selection) -> Selection | None:
    """Return the selection without names that nothing has, or None if a named sort is then empty.

    It says what a review showed, and must not be revoked: a selection with fewer names can hold
    more.
    """
    jtis, sessions, users = selection.jtis, selection.sessions, selection.users
    if jtis:
        jtis = _known(OutstandingToken.objects.all(), "jti", jtis)
    if sessions:
        sessions = _known(Session.objects.all(), "pk", sessions)
    if users:
        users = _known(get_user_model()._base_manager.all(), "pk", users)
    for named, known in zip(
        (selection.jtis, selection.sessions, selection.users), (jtis, sessions, users), strict=True
    ):
        if named and not known:
            return None
    return replace(selection, jtis=jtis, sessions=sessions, users=users)


def _known(rows: "QuerySet[Any]", name: str, keys: tuple[T, ...]) -> tuple[T, ...]:
    """Return the keys that a row has."""
    found = set(rows.filter(**{f"{name}__in": keys}).values_list(name, flat=True))
    return tuple(key for key in keys if key in found)


def issued_before(instant: datetime) -> Q:
    """Return the condition for tokens. Another service may have left the time of issue empty."""
    return Q(created_at__lt=instant) | Q(created_at=None)


def _named_sessions(selection: Selection) -> Q:
    wanted = _of_users(selection)
    if selection.issued_before is not None:
        wanted &= Q(created_at__lt=selection.issued_before)
    if selection.jtis:
        members = SessionToken.objects.filter(token__jti__in=selection.jtis)
        wanted &= Q(pk__in=members.values("session_id"))
    if selection.sessions:
        wanted &= Q(pk__in=selection.sessions)
    return wanted


def _of_users(selection: Selection) -> Q:
    """Return the conditions that hold for sessions and for tokens alike."""
    wanted = Q()
    if selection.spare_superusers:
        wanted &= Q(~Exists(superusers().filter(pk=OuterRef("user"))))
    if selection.users:
        wanted &= Q(user__in=selection.users)
    return wanted
