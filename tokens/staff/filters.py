"""Build the filter form of each list from the list's declaration."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, ClassVar, assert_never

from django import forms
from django.db.models import Model
from django.http import QueryDict
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from tokens.jwt.redaction import holds_redacted
from tokens.listing.events import EventQuery
from tokens.listing.query import (
    Chosen,
    Filter,
    FilterType,
    ListQuery,
    Text,
    is_chosen,
)
from tokens.listing.readers import ACCOUNT, READERS
from tokens.listing.revocable import RevocableQuery
from tokens.listing.search import USERS, UserKey, is_storable, matching_users, user_key
from tokens.listing.sessions import SessionQuery
from tokens.listing.tokens import TokenQuery
from tokens.listing.users import UserQuery
from tokens.models.lengths import NAME_LENGTH

# These fields are visible while "More filters" is closed.
VISIBLE = ("q", "status")


class InstantInput(forms.DateTimeInput):
    """An input in the viewer's time zone, which the form shows in the element `zone-help`."""

    input_type = "datetime-local"

    def __init__(self) -> None:
        attrs = {"class": "input", "aria-describedby": "zone-help"}
        super().__init__(attrs=attrs, format="%Y-%m-%dT%H:%M")

    def format_value(self, value: object) -> str | None:
        """Return the local time also of a text that names its zone."""
        try:
            at = parse_datetime(value) if isinstance(value, str) else None
        except ValueError:
            at = None
        return super().format_value(at if at and timezone.is_aware(at) else value)


class InstantField(forms.DateTimeField):
    """An instant that every database can store, whatever its time zone."""

    def to_python(self, value: str | date | None) -> datetime | None:
        instant = super().to_python(value)
        if instant is not None and not is_storable(instant):
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return instant


class TextReader(forms.CharField):
    """A text field that converts its text with ``read``; None from ``read`` is an error."""

    def __init__(self, *, read: Callable[[str], object], error: Text, **options: Any) -> None:
        super().__init__(**options)
        self.read, self.error = read, error

    def to_python(self, value: object) -> Any:
        """Return the converted text, None for an empty one."""
        text = str(super().to_python(value)).strip()
        if not text:
            return None
        found = self.read(text)
        if found is None:
            raise forms.ValidationError(str(self.error))
        return found

    def run_validators(self, value: object) -> None:
        """Skip the validators of a text: ``read`` has validated it."""


@dataclass(frozen=True, slots=True)
class Chip:
    """One filter that is set, in words, and the query string without it."""

    label: str
    value: str
    without: str


class QueryForm(forms.Form):
    """The filters of a list, read from the address bar.

    An invalid value shows an error and an empty list: a list that ignored the filter would look
    like an answer.
    """

    list_query: ClassVar[type[ListQuery[Model]]]

    def __init__(self, data: QueryDict) -> None:
        super().__init__(data)
        self.query_data = data
        for name, declared in self.list_query.filters().items():
            if not declared.admin_only:
                self.fields[name] = self.build_field(declared)
                self.fields[name].widget.attrs.setdefault("class", "input")

    def build_field(self, declared: Filter) -> forms.Field:
        """Return the form field of one filter."""
        options: dict[str, Any] = {"label": declared.label, "required": False}
        match declared.type:
            case FilterType.CHOICE | FilterType.PERIOD:
                choices = [("", declared.any_label), *declared.choices]
                return forms.ChoiceField(choices=choices, **options)
            case FilterType.INSTANT:
                return InstantField(widget=InstantInput(), **options)
            case FilterType.SESSION | FilterType.NUMBER | FilterType.ADDRESS:
                reader = READERS[declared.type]
                return TextReader(read=reader.read, error=reader.error, max_length=64, **options)
            case FilterType.USER:
                error = _("No account has this name or e-mail address.")
                return TextReader(read=_account, error=error, max_length=NAME_LENGTH, **options)
            case FilterType.SEARCH | FilterType.TEXT:
                return forms.CharField(max_length=declared.max_length, **options)
            case _:
                assert_never(declared.type)

    def clean(self) -> None:
        """Refuse a filter with two different values: no row can have both."""
        for name in self.fields:
            if len({text for text in self.query_data.getlist(name) if text}) > 1:
                self.add_error(name, _("This filter is given twice."))

    @property
    def query(self) -> ListQuery[Model]:
        """Return the list with these filters; a form with errors selects nothing."""
        given = self.given()
        return self.list_query.none() if given is None else self.list_query(**given)

    def given(self) -> Chosen | None:
        """Return the values of the filters that are set; None if one is invalid."""
        if not self.is_valid():
            return None
        return {n: v for n, v in self.cleaned_data.items() if is_chosen(v)}

    @property
    def more(self) -> list[forms.BoundField]:
        """Return the fields behind "More filters"."""
        return [field for field in self.visible_fields() if field.name not in VISIBLE]

    @property
    def narrowed(self) -> dict[str, str]:
        """Return the filters that are set, for a query string."""
        return {name: self.data[name] for name in self.fields if self.data.get(name)}

    def as_stored(self) -> dict[str, str]:
        """Return the filters that are set, for a saved view; {} if one is invalid.

        Instants get their zone: a colleague may be in another one.
        """
        given = self.given() or {}
        texts = {name: self.narrowed[name] for name in given if name in self.narrowed}
        exact = {
            n: at.astimezone(UTC).isoformat() for n, at in given.items() if isinstance(at, datetime)
        }
        return texts | exact

    @property
    def holds_token(self) -> bool:
        """Return whether a token was typed into a filter; its signature is gone."""
        return any(holds_redacted(text) for text in self.narrowed.values())

    @property
    def chips(self) -> list[Chip]:
        """Return the filters that are set but hidden while their menu is closed."""
        filters, narrowed = self.list_query.filters(), self.narrowed
        found = []
        for name, text in narrowed.items():
            if name not in VISIBLE:
                others = {other: value for other, value in narrowed.items() if other != name}
                value = getattr(self, "cleaned_data", {}).get(name, text)
                label = str(filters[name].label)
                found.append(Chip(label, filters[name].shown(value), f"?{urlencode(others)}"))
        return found


class RevocableForm(QueryForm):
    """The filters of tokens and of sessions. A link names a user by key."""

    list_query: ClassVar[type[RevocableQuery[Model]]]

    def build_field(self, declared: Filter) -> forms.Field:
        """Return the form field of one filter; the user's is hidden."""
        if declared.type is FilterType.USER:
            return TextReader(
                read=ACCOUNT.read,
                error=ACCOUNT.error,
                label=declared.label,
                required=False,
                widget=forms.HiddenInput(),
            )
        return super().build_field(declared)

    @property
    def query(self) -> RevocableQuery[Model]:
        """Return the list with these filters; a form with errors selects nothing."""
        given = self.given()
        return self.list_query.none() if given is None else self.list_query(**given)


class TokenForm(RevocableForm):
    """The filters of the list of tokens."""

    list_query = TokenQuery


class SessionForm(RevocableForm):
    """The filters of the list of sessions."""

    list_query = SessionQuery


class UserForm(QueryForm):
    """The filters of the list of users."""

    list_query = UserQuery


class EventForm(QueryForm):
    """The filters of the audit trail.

    Accounts are named by their name, their e-mail address or the start of one; ``#12`` is a
    key.
    """

    list_query = EventQuery

    @property
    def query(self) -> EventQuery:
        """Return the list with these filters; a form with errors selects nothing."""
        given = self.given()
        return EventQuery.none() if given is None else EventQuery(**given)

    @property
    def one(self) -> Chosen:
        """Return the one account, session or token that all of the list is about.

        Each of these has its own page.
        """
        given = self.given() or {}
        return {n: given[n] for n in ("subject", "session", "jti") if n in given}


def _account(text: str) -> UserKey | tuple[UserKey, ...] | None:
    """Return the key of the account that ``text`` names.

    If ``text`` is only the start of names or e-mail addresses, return the keys of those
    accounts. ``#12`` is a key, also of an account that is deleted.
    """
    if text.startswith("#"):
        key = user_key(text[1:])
        if key is not None:
            return key
    keys = matching_users(text, limit=USERS + 1)
    if len(keys) > USERS:
        raise forms.ValidationError(_("Too many accounts start like this. Type more of the name."))
    return keys if len(keys) > 1 else next(iter(keys), None)
