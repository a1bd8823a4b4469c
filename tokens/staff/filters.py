"""What narrows the lists, read from the address bar."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from tokens.models import OutstandingToken, Session
from tokens.selectors.paging import Listing
from tokens.selectors.people import Account, people
from tokens.selectors.sessions import sessions
from tokens.selectors.status import Status
from tokens.selectors.tokens import outstanding_tokens

RANGES = tuple(
    f"{of}_{side}" for of in ("issued", "used", "expires") for side in ("after", "before")
)
# These are seen without opening anything.
IN_SIGHT = ("q", "status")


class InstantInput(forms.DateTimeInput):
    """In the viewer's time zone, which the form names in `zone-help`."""

    input_type = "datetime-local"

    def __init__(self) -> None:
        attrs = {"class": "input", "aria-describedby": "zone-help"}
        super().__init__(attrs=attrs, format="%Y-%m-%dT%H:%M")


@dataclass(frozen=True, slots=True)
class Chip:
    """One filter that is on, in words, and the query without it."""

    label: str
    value: str
    without: str


class ListFilters(forms.Form):
    """What every list has. A field that makes no sense is said to, and then finds nothing: a
    list that ignored it would look like an answer."""

    q = forms.CharField(label=_("Search"), required=False, max_length=300)
    status = forms.ChoiceField(label=_("Status"), required=False)
    statuses: list[Any] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["status"] = forms.ChoiceField(
            label=_("Status"),
            required=False,
            choices=[("", _("Any status")), *((s.value, s.label) for s in self.statuses)],
        )
        for field in self.fields.values():
            field.widget.attrs.setdefault("class", "input")

    @property
    def more(self) -> list[forms.BoundField]:
        """The fields behind "More filters"."""
        return [field for field in self.visible_fields() if field.name not in IN_SIGHT]

    @property
    def narrowed(self) -> dict[str, str]:
        """What was asked for, as it goes into an address."""
        return {name: self.data[name] for name in self.fields if self.data.get(name)}

    @property
    def chips(self) -> list[Chip]:
        """The filters that the form itself does not show while its menu is closed."""
        found = []
        for name, text in self.narrowed.items():
            if name not in IN_SIGHT:
                others = {other: said for other, said in self.narrowed.items() if other != name}
                value = getattr(self, "cleaned_data", {}).get(name, text)
                label = str(self.fields[name].label)
                found.append(Chip(label, _shown(name, value), f"?{urlencode(others)}"))
        return found

    def asked(self) -> dict[str, Any]:
        return {name: value for name, value in self.cleaned_data.items() if value not in ("", None)}


class Filters(ListFilters):
    """Of tokens and sessions."""

    user = forms.IntegerField(label=_("Account"), required=False, widget=forms.HiddenInput)
    issued_after = forms.DateTimeField(label=_("Issued from"), required=False)
    issued_before = forms.DateTimeField(label=_("Issued until"), required=False)
    used_after = forms.DateTimeField(label=_("Last used from"), required=False)
    used_before = forms.DateTimeField(label=_("Last used until"), required=False)
    expires_after = forms.DateTimeField(label=_("Expires from"), required=False)
    expires_before = forms.DateTimeField(label=_("Expires until"), required=False)
    device = forms.CharField(label=_("Device"), required=False, max_length=100)
    ip = forms.GenericIPAddressField(label=_("Address"), required=False, unpack_ipv4=True)
    client = forms.CharField(label=_("Client"), required=False, max_length=100)
    statuses = list(Status)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in RANGES:
            self.fields[name].widget = InstantInput()


def _shown(name: str, value: Any) -> str:
    if isinstance(value, datetime):
        return date_format(timezone.localtime(value), "SHORT_DATETIME_FORMAT")
    if name == "user":
        person = get_user_model()._default_manager.filter(pk=value).first()
        return person.get_username() if person is not None else str(value)
    return str(value)


class TokenFilters(Filters):
    def listing(self) -> Listing[OutstandingToken]:
        if not self.is_valid():
            return Listing(rows=OutstandingToken.objects.none(), key=("id",))
        return outstanding_tokens(**self.asked())


class SessionFilters(Filters):
    statuses = [Status.ACTIVE, Status.REVOKED, Status.EXPIRED]

    def listing(self) -> Listing[Session]:
        if not self.is_valid():
            return Listing(rows=Session.objects.none(), key=("pk",))
        return sessions(**self.asked())


class PeopleFilters(ListFilters):
    statuses = list(Account)

    def listing(self) -> Listing[Any]:
        if not self.is_valid():
            return Listing(rows=get_user_model()._default_manager.none(), key=("pk",))
        return people(**self.asked())
