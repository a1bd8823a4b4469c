"""The audit trail: filtered by the address bar, paged by key, exported while it streams."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST

from tokens.audit.export import CONTENT_TYPES, FORMATS, file_name
from tokens.audit.export import export as write_export
from tokens.http import wants_fragment
from tokens.models import Event, Kind
from tokens.selectors.events import KEY, events, trail
from tokens.selectors.matching import USERS, as_address, as_uuid, matching_users
from tokens.selectors.paging import Listing
from tokens.staff.filters import InstantInput
from tokens.staff.guards import staff_may


class Filters(forms.Form):
    """What narrows the trail. A field that makes no sense is said to, and finds nothing: a list
    that ignored it would look like an answer."""

    kind = forms.ChoiceField(
        label=_("What"), required=False, choices=[("", _("Everything")), *Kind.choices]
    )
    actor = forms.CharField(label=_("By"), required=False, max_length=254)
    subject = forms.CharField(label=_("About"), required=False, max_length=254)
    session = forms.CharField(label=_("Session"), required=False, max_length=64)
    jti = forms.CharField(label=_("Token (jti)"), required=False, max_length=255)
    ip = forms.CharField(label=_("Address"), required=False, max_length=64)
    after = forms.DateTimeField(label=_("From"), required=False)
    before = forms.DateTimeField(label=_("Until"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("after", "before"):
            self.fields[name].widget = InstantInput()
        for field in self.fields.values():
            field.widget.attrs["class"] = "input"

    def clean_session(self) -> Any:
        return self._read("session", as_uuid, _("This is not a session's id."))

    def clean_ip(self) -> Any:
        return self._read("ip", as_address, _("This is not an address."))

    def clean_actor(self) -> Any:
        return self._account("actor")

    def clean_subject(self) -> Any:
        return self._account("subject")

    def _account(self, name: str) -> Any:
        return self._read(name, _account, _("No account has this name or e-mail address."))

    def _read(self, name: str, reader: Callable[[str], Any], complaint: Any) -> Any:
        text = self.cleaned_data[name].strip()
        if not text:
            return None
        value = reader(text)
        if value is None:
            raise forms.ValidationError(complaint)
        return value

    def listing(self) -> Listing[Event]:
        """To be paged through."""
        if not self.is_valid():
            return Listing(rows=Event.objects.none(), key=KEY)
        return trail(**self.cleaned_data)

    def found(self) -> "QuerySet[Event]":
        """Whole, for an export."""
        return events(**self.cleaned_data) if self.is_valid() else Event.objects.none()

    @property
    def one(self) -> dict[str, Any]:
        """What all of the list is about, where that is one account, session or token: each has
        a page of its own. A link names an account by its key."""
        if not self.is_valid():
            return {}
        names = ("subject", "session", "jti")
        return {n: self.cleaned_data[n] for n in names if self.cleaned_data[n]}

    @property
    def narrowed(self) -> dict[str, str]:
        """What was asked for, as it goes into an address."""
        return {name: self.data[name] for name in self.fields if self.data.get(name)}


def _account(text: str) -> Any | None:
    """The account that ``text`` names, or those whose name or e-mail begins with it; ``#12`` is
    a key, also of an account that is gone."""
    if text.startswith("#") and text[1:].isdecimal() and len(text) < 19:
        return int(text[1:])
    keys = matching_users(text, limit=USERS + 1)
    if len(keys) > USERS:
        raise forms.ValidationError(_("Too many accounts begin like this: write more of it."))
    return keys if len(keys) > 1 else next(iter(keys), None)


@require_GET
@staff_may("tokens.view_event")
def index(request: HttpRequest) -> HttpResponse:
    filters = Filters(request.GET)
    page = filters.listing().page(cursor=request.GET.get("page", ""))
    fragment = wants_fragment(request)
    context = {"filters": filters, "page": page, "fragment": fragment}
    return render(request, "staff/_events.html" if fragment else "staff/events.html", context)


@require_POST
@staff_may("tokens.export_event")
def export(request: HttpRequest) -> HttpResponseBase:
    """What the page with the same address shows, whole. The trail as it stood at the click: the
    event of the export itself is not in it."""
    filters = Filters(request.GET)
    form = request.POST.get("format", "")
    if form not in FORMATS or not filters.is_valid():
        return HttpResponseBadRequest(_("Choose a format, and filters that make sense."))
    lines = write_export(
        events=filters.found(), form=form, actor=request.user, filters=filters.narrowed
    )
    response = StreamingHttpResponse(lines, content_type=CONTENT_TYPES[form])
    response.headers["Content-Disposition"] = f'attachment; filename="{file_name(form)}"'
    response.headers["Cache-Control"] = "no-store"
    return response
