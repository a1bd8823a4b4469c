"""Name a filtered list, share it with colleagues, and delete it."""

from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render, resolve_url
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tokens import audit
from tokens.db import clock
from tokens.jwt.redaction import redact_text
from tokens.listing.saved_views import KEPT, saved_views
from tokens.models import Kind, SavedView
from tokens.permissions import VIEW_EVENTS, VIEW_SESSIONS, VIEW_TOKENS
from tokens.staff.filters import EventForm, QueryForm, SessionForm, TokenForm, UserForm
from tokens.staff.guards import denied, staff_only
from tokens.web.pages import visible

DELETE_OTHERS = "tokens.delete_savedview"
# The form of each list's filters, and the permission to see the list.
LISTS: dict[str, tuple[type[QueryForm], str]] = {
    "tokens": (TokenForm, VIEW_TOKENS),
    "sessions": (SessionForm, VIEW_SESSIONS),
    "users": (UserForm, VIEW_TOKENS),
    "events": (EventForm, VIEW_EVENTS),
}


class SavedViewForm(forms.Form):
    """The name of a view, and whether colleagues see it."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=60)
    shared = forms.BooleanField(label=gettext_lazy("Share with colleagues"), required=False)

    def __init__(self, data: QueryDict | None, *, owner: AbstractBaseUser, of: str) -> None:
        super().__init__(data)
        self.kept = SavedView.objects.filter(owner=owner.pk)
        self.of = of
        self.fields["name"].widget.attrs["class"] = "input"

    def clean_name(self) -> str:
        """Return the name without tokens. It replaces the owner's view with the same name."""
        name = redact_text(str(self.cleaned_data["name"]))[:60]
        known = self.kept.filter(list_name=self.of, name=name).exists()
        if not known and self.kept.count() >= KEPT:
            raise forms.ValidationError(_("You have %s saved views. Delete one first.") % KEPT)
        return name


def viewable(request: HttpRequest) -> tuple[str, ...]:
    """Return the lists that the user may see."""
    return tuple(of for of, (_form, needed) in LISTS.items() if request.user.has_perm(needed))


@require_GET
@staff_only
def index(request: HttpRequest) -> HttpResponse:
    """List the user's views and those that colleagues share."""
    views = saved_views(viewer=_viewer(request), lists=viewable(request))
    context = {"views": views, "deletes_others": request.user.has_perm(DELETE_OTHERS)}
    return render(request, "tokens/staff/saved_views.html", context)


@require_http_methods(["GET", "POST"])
@staff_only
def save(request: HttpRequest) -> HttpResponse:
    """Ask for a name, and save the filters in the address under it."""
    of = request.GET.get("list", "")
    if of not in LISTS:
        raise Http404
    form_class, needed = LISTS[of]
    if not request.user.has_perm(needed):
        denied(request, needed)
    filters = form_class(request.GET)
    stored = filters.as_stored()
    posted = request.POST if request.method == "POST" else None
    form = SavedViewForm(posted, owner=_viewer(request), of=of)
    if stored and form.is_valid():
        view = _save(request, of, stored, form.cleaned_data)
        return redirect(f"{resolve_url(f'tokens_staff:{of}')}?{view.query_string}")
    context = {"of": of, "filters": filters, "stored": stored, "form": form}
    status = 200 if posted is None and stored else 422
    return render(request, "tokens/staff/save_view.html", context, status=status)


@require_POST
@staff_only
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete a view: one's own, or with the permission that of a colleague."""
    view = get_object_or_404(SavedView, pk=pk)
    if view.owner_id != request.user.pk:
        if not view.shared or view.list_name not in viewable(request):
            raise Http404
        if not request.user.has_perm(DELETE_OTHERS):
            denied(request, DELETE_OTHERS)
    with transaction.atomic():
        view.delete()
        _record(request, Kind.VIEW_DELETED, view)
    messages.success(request, visible(_("Deleted the view “%s”.") % view.name))
    return redirect("tokens_staff:saved-views")


def _save(
    request: HttpRequest, of: str, stored: dict[str, str], given: dict[str, Any]
) -> SavedView:
    values = {"filters": stored, "shared": given["shared"], "created_at": clock.now()}
    with transaction.atomic():
        view, _created = SavedView.objects.update_or_create(
            owner_id=request.user.pk, list_name=of, name=given["name"], defaults=values
        )
        _record(request, Kind.VIEW_SAVED, view)
    messages.success(request, visible(_("Saved the view “%s”.") % view.name))
    return view


def _record(request: HttpRequest, kind: Kind, view: SavedView) -> None:
    data = {"name": view.name, "list": view.list_name, "shared": view.shared}
    audit.record(kind=kind, actor=request.user, data=data | {"filters": view.filters})


def _viewer(request: HttpRequest) -> AbstractBaseUser:
    """Return the user of a request; every view here requires a login."""
    return cast(AbstractBaseUser, request.user)
