"""List the services, add one, rotate its secret, and remove it.

A form that shows a secret carries a random text, ``once``, from which the secret is derived. So the
form can be sent again, by a reload or because its answer was lost: it changes nothing more, and
shows the same secret, which is stored nowhere.
"""

import secrets
from base64 import urlsafe_b64encode
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods

from tokens.models import Service
from tokens.models.service import NAME_LIMIT
from tokens.permissions import MANAGE_SERVICES, VIEW_SERVICES
from tokens.services import (
    NAME,
    Credential,
    NameTaken,
    ServiceGone,
    add_service,
    remove_service,
    rotate_service,
)
from tokens.services.credentials import digest_of
from tokens.services.registry import SECRET_BYTES
from tokens.staff.guards import staff_may
from tokens.web.proof import proof_needed

BAD_NAME = gettext_lazy("Use letters, digits, “.”, “_” and “-”. Start with a letter or a digit.")


class ServiceForm(forms.Form):
    """The name of a new service, and what it may do."""

    name = forms.RegexField(
        NAME,
        label=gettext_lazy("Name"),
        max_length=NAME_LIMIT,
        error_messages={"invalid": BAD_NAME},
        widget=forms.TextInput(
            {"class": "input mono", "autocomplete": "off", "aria-describedby": "name-help"}
        ),
    )
    may_introspect = forms.BooleanField(label=gettext_lazy("Introspect tokens"), required=False)
    may_read_feed = forms.BooleanField(
        label=gettext_lazy("Read the revocation feed"), required=False
    )

    once = forms.CharField(required=False, max_length=100, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        """Require one of the two permissions."""
        given: dict[str, Any] = self.cleaned_data
        if not given.get("may_introspect") and not given.get("may_read_feed"):
            raise forms.ValidationError(_("Choose what the service may do."))
        return given


@require_GET
@staff_may(VIEW_SERVICES)
def index(request: HttpRequest) -> HttpResponse:
    services = Service.objects.order_by("name")
    context = {"services": services, "manages": request.user.has_perm(MANAGE_SERVICES)}
    return render(request, "tokens/staff/services.html", context)


@sensitive_variables("made")
@require_http_methods(["GET", "POST"])
@staff_may(VIEW_SERVICES, MANAGE_SERVICES)
def add(request: HttpRequest) -> HttpResponse:
    """Ask for the name of a service, add it, and show its secret once."""
    form = ServiceForm(
        request.POST if request.method == "POST" else None, initial={"once": _random()}
    )
    proof = proof_needed(request, sent=form.is_bound)
    if form.is_valid() and proof is None:
        given = form.cleaned_data
        made = _derived(given.pop("once"), given["name"])
        try:
            return _show_secret(request, add_service(**given, actor=request.user, secret=made))
        except NameTaken:
            before = Service.objects.filter(name=given["name"], digest=digest_of(made)).first()
            if before is not None:
                return _show_secret(request, Credential(before, made))
            form.add_error("name", _("Another service has this name."))
    status = 422 if form.is_bound else 200
    return render(
        request, "tokens/staff/add_service.html", {"form": form, "proof": proof}, status=status
    )


@sensitive_variables("made")
@require_http_methods(["GET", "POST"])
@staff_may(VIEW_SERVICES, MANAGE_SERVICES)
def rotate(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask for a confirmation, give the service another secret, and show it once."""
    service = get_object_or_404(Service, pk=pk)
    present = service.rotated_at.isoformat() if service.rotated_at else "never"
    was = request.POST.get("was", present)
    made = _derived(request.POST.get("once", ""), service.name, was)
    if request.method == "POST" and service.digest == digest_of(made):
        return _show_secret(request, Credential(service, made))
    sent = request.method == "POST"
    proof = proof_needed(request, sent=sent)
    if not sent or was != present or proof is not None:
        # Another form has rotated the secret: sending this one must not bring back an old one.
        context = {
            "service": service,
            "once": _random(),
            "was": present,
            "late": sent and was != present,
            "proof": proof,
        }
        status = 422 if sent else 200
        return render(request, "tokens/staff/rotate_service.html", context, status=status)
    try:
        return _show_secret(
            request, rotate_service(service=service, actor=request.user, secret=made)
        )
    except ServiceGone as error:
        raise Http404 from error


@require_http_methods(["GET", "POST"])
@staff_may(VIEW_SERVICES, MANAGE_SERVICES)
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask for a confirmation, and remove the service."""
    service = get_object_or_404(Service, pk=pk)
    sent = request.method == "POST"
    proof = proof_needed(request, sent=sent)
    if not sent or proof is not None:
        context = {"service": service, "proof": proof}
        status = 422 if sent else 200
        return render(request, "tokens/staff/remove_service.html", context, status=status)
    try:
        remove_service(service=service, actor=request.user)
    except ServiceGone as error:
        raise Http404 from error
    messages.success(request, _("Removed the service %s. Its calls are refused.") % service.name)
    return redirect("tokens_staff:services")


def _random() -> str:
    return secrets.token_urlsafe(SECRET_BYTES)


def _derived(once: str, *about: str) -> str:
    """Derive a secret with ``SECRET_KEY`` from the random text of a form."""
    value = "\0".join((once or _random(), *about))
    digest = salted_hmac("tokens.staff.services", value, algorithm="sha256").digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def _show_secret(request: HttpRequest, made: Credential) -> HttpResponse:
    """Answer the form's own POST, because a redirect would have to store the secret somewhere."""
    return render(request, "tokens/staff/service_secret.html", {"made": made})
