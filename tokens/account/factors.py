"""Let users add and remove second factors, and make recovery codes.

Each change asks for the password, so that an unlocked browser alone can't make one. With the
password alone, a browser session from before the first factor can't either: it gives one first.
"""

import base64
import json
from collections.abc import Callable
from functools import wraps

import segno
from django import forms
from django.contrib import messages
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods

from tokens import encryption
from tokens.account.sessions import owner_of
from tokens.accounts import factors, passkeys, totp
from tokens.conf import app_settings
from tokens.models.factor import NAME_LIMIT
from tokens.origin import is_staff
from tokens.web import second_step
from tokens.web.login import login_needed
from tokens.web.proof import CodeInput, PasswordField, password_is_right

shown = require_http_methods(["GET", "POST"])
View = Callable[..., HttpResponse]


def proved(view: View) -> View:
    """Send a browser session that owes a second factor to give one first, and back after it."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        if not second_step.owes_factor(request):
            return view(request, *args, **kwargs)
        return redirect_to_login(request.get_full_path(), reverse("tokens_account:second-step"))

    return guarded


class PasswordForm(forms.Form):
    """Ask for the password, which is checked and throttled like that of a login."""

    password = PasswordField()

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request.POST if request.method == "POST" else None)
        self.request = request

    def clean_password(self) -> str:
        given: str = self.cleaned_data["password"]
        if not password_is_right(self.request, given):
            raise forms.ValidationError(_("The password is wrong."))
        return given


class FactorForm(PasswordForm):
    """A new factor's name."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=NAME_LIMIT,
        help_text=gettext_lazy("So that you recognise it later, such as “phone”."),
        widget=forms.TextInput(attrs={"class": "input"}),
    )
    field_order = ["name", "code", "password"]


class AppForm(FactorForm):
    """The key that the page showed, encrypted, and a code that shows that the app has it."""

    key = forms.CharField(max_length=200, widget=forms.HiddenInput)
    code = forms.CharField(
        label=gettext_lazy("Code that the app shows"),
        max_length=20,
        widget=CodeInput(inputmode="numeric"),
    )


class PasskeyForm(FactorForm):
    """Take what the browser answers after it has made a passkey."""

    passkey = forms.CharField(max_length=passkeys.LONGEST_RESPONSE, widget=forms.HiddenInput)


@never_cache
@login_needed
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    user = owner_of(request)
    context = {
        "factors": factors.factors_of(user),
        "codes_left": factors.codes_left(user),
        "needed": app_settings.STAFF_MFA == factors.REQUIRED and is_staff(user),
    }
    return render(request, "tokens/account/factors.html", context)


@never_cache
@login_needed
@shown
@sensitive_post_parameters()
@proved
def add_app(request: HttpRequest) -> HttpResponse:
    user = _own_account(request)
    form = AppForm(request)
    key = _key_of(form, user=user)
    if form.is_valid():
        added = factors.add_app(
            user=user, name=form.cleaned_data["name"], key=key, code=form.cleaned_data["code"]
        )
        if added is not None:
            return _show(request, added)
        form.add_error("code", _("This is not the code that the app shows now."))
    address = totp.address(key, user=user, issuer=app_settings.SITE_TITLE)
    picture = segno.make(address, error="m").svg_data_uri(scale=4, border=3, light="#fff")
    context = {
        "form": form,
        "protected": _protected(key, user=user),
        "key": totp.typed_key(key),
        "address": address,
        "picture": picture,
    }
    return render(request, "tokens/account/add_app.html", context)


@never_cache
@login_needed
@shown
@sensitive_post_parameters()
@proved
def add_passkey(request: HttpRequest) -> HttpResponse:
    user, host = _own_account(request), second_step.host_of(request)
    if not host:
        return render(request, "tokens/account/no_passkey.html")
    form = PasskeyForm(request)
    state = request.session.pop(second_step.PASSKEY, None)
    if form.is_valid():
        try:
            added = factors.add_passkey(
                user=user,
                name=form.cleaned_data["name"],
                host=host,
                state=state or {},
                response=form.cleaned_data["passkey"],
            )
            return _show(request, added)
        except passkeys.PasskeyRefused:
            form.add_error(None, _("The passkey could not be added. Try again."))
    options, state = passkeys.begin_registration(
        host=host, site=app_settings.SITE_TITLE, user=user, known=factors.factors_of(user)
    )
    request.session[second_step.PASSKEY] = state
    context = {"form": form, "options": json.dumps(options)}
    return render(request, "tokens/account/add_passkey.html", context)


@never_cache
@login_needed
@shown
@sensitive_post_parameters()
@proved
def remove(request: HttpRequest, pk: str) -> HttpResponse:
    user = owner_of(request)
    known = {str(one.pk): one for one in factors.factors_of(user)}
    if pk not in known:
        raise Http404
    factor = known[pk]
    form = PasswordForm(request)
    if form.is_valid():
        factors.remove(user=user, factor=factor)
        messages.success(request, _("“%s” is removed.") % factor.name)
        return redirect("tokens_account:factors")
    context = {"form": form, "factor": factor, "last": len(known) == 1}
    return render(request, "tokens/account/remove_factor.html", context)


@never_cache
@login_needed
@shown
@sensitive_post_parameters()
@proved
def codes(request: HttpRequest) -> HttpResponse:
    user = owner_of(request)
    if not factors.has_factor(user):
        return redirect("tokens_account:factors")
    form = PasswordForm(request)
    if form.is_valid():
        return _show_codes(request, factors.new_recovery_codes(user))
    left = factors.codes_left(user)
    return render(request, "tokens/account/new_codes.html", {"form": form, "left": left})


def _own_account(request: HttpRequest) -> AbstractBaseUser:
    """Return the user, who needs a password here and room for another factor."""
    user = owner_of(request)
    if not user.has_usable_password() or len(factors.factors_of(user)) >= factors.MOST:
        raise PermissionDenied
    return user


def _show(request: HttpRequest, added: factors.Added) -> HttpResponse:
    """Show the recovery codes after the first factor, and the list after any other."""
    second_step.note_proof(request)
    if added.codes:
        return _show_codes(request, added.codes)
    messages.success(request, _("“%s” is added. Logins accept it.") % added.factor.name)
    return redirect("tokens_account:factors")


def _show_codes(request: HttpRequest, new: list[str]) -> HttpResponse:
    """Answer the form's own POST, because a redirect would have to store the codes somewhere."""
    return render(request, "tokens/account/recovery_codes.html", {"codes": new})


def _key_of(form: AppForm, *, user: AbstractBaseUser) -> bytes:
    """Return the key that the form brings back, or a new one for a form without one."""
    try:
        protected = base64.b64decode(form.data.get("key", ""), validate=True)
        return totp.reveal(protected, user=user, purpose=totp.ENROLMENT)
    except (encryption.NotAuthentic, ValueError):
        return totp.new_key()


def _protected(key: bytes, *, user: AbstractBaseUser) -> str:
    return base64.b64encode(totp.protect(key, user=user, purpose=totp.ENROLMENT)).decode()
