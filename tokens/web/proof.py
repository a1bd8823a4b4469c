"""Ask for a fresh proof of who acts, in the form of an act with a long reach.

A login is such a proof, for STEP_UP_MINUTES. After that, the form of the act also asks for the
second factor of the account, or for the password of an account without one. A person who has
neither here, because another system logs them in, is asked to log in again.
"""

from typing import Any, cast

from django import forms
from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tokens.accounts import factors, passkeys, passwords
from tokens.validation.browser import has_fresh_proof
from tokens.web import second_step


class PasswordField(forms.CharField):
    """The password of the person who is logged in."""

    def __init__(self) -> None:
        widget = forms.PasswordInput({"class": "input", "autocomplete": "current-password"})
        super().__init__(
            label=gettext_lazy("Your password"),
            strip=False,
            max_length=passwords.LONGEST,
            widget=widget,
        )


class CodeInput(forms.TextInput):
    """Never show again what was typed: it may be another secret."""

    def __init__(self, **attrs: str) -> None:
        super().__init__({"class": "input", "autocomplete": "one-time-code", **attrs})

    def format_value(self, value: Any) -> None:
        """Return None, so that the field is empty."""


def password_is_right(request: HttpRequest, password: str) -> bool:
    """Check the password of the person who is logged in, throttled like a login.

    If that upgrades its hash, this browser session stays.
    """
    user = cast(AbstractBaseUser, request.user)
    if not passwords.check(user=user, username=user.get_username(), password=password):
        return False
    request.session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    return True


class ProofForm(forms.Form):
    """The fields that one account can fill in. They are part of the act's own form.

    Checking uses up a code, and counts as an attempt. What is right is noted.
    """

    password = PasswordField()
    code = forms.CharField(
        label=gettext_lazy("Code of your authenticator app, or a recovery code"),
        max_length=100,
        required=False,
        widget=CodeInput(autocapitalize="none", spellcheck="false"),
    )
    passkey = forms.CharField(
        required=False, max_length=passkeys.LONGEST_RESPONSE, widget=forms.HiddenInput
    )

    def __init__(self, request: HttpRequest, *, sent: bool) -> None:
        super().__init__(request.POST if sent else None)
        self.request = request
        self.user = cast(AbstractBaseUser, request.user)
        kept: tuple[str, ...] = ()
        if factors.is_asked_of(self.user):
            kept = ("code", "passkey")
        elif self.user.has_usable_password():
            kept = ("password",)
        self.fields = {name: field for name, field in self.fields.items() if name in kept}

    def clean(self) -> None:
        """Check what was typed. Raises `LoginLocked` after too many wrong answers."""
        if self.errors:
            return
        if self._is_right():
            second_step.note_proof(self.request, factor="code" in self.fields)
        elif "password" in self.fields:
            self.add_error("password", _("The password is wrong."))
        elif "code" in self.fields:
            self.add_error("code", _("That is not right, or it was used before. Try again."))
        else:
            self.add_error(None, _("Log out, log in again, and come back here."))

    def _is_right(self) -> bool:
        given, user = self.cleaned_data, self.user
        if "password" in given:
            return password_is_right(self.request, given["password"])
        if given.get("passkey"):
            response = given["passkey"]
            return second_step.passkey_is_right(self.request, user=user, response=response)
        return bool(given.get("code")) and factors.check_code(user=user, code=given["code"])

    @cached_property
    def options(self) -> str:
        """Return what the browser asks a passkey to sign, as JSON; empty without a passkey."""
        if "passkey" not in self.fields:
            return ""
        return second_step.passkey_options(self.request, user=self.user)


def proof_needed(request: HttpRequest, *, sent: bool) -> ProofForm | None:
    """Return the form that asks for a proof, or None if there is a fresh one.

    ``sent`` says that the request is the form of the act, which may bring the proof.
    """
    if has_fresh_proof(request.session):
        return None
    # What `sensitive_post_parameters` does: no report of an error shows the password.
    request.sensitive_post_parameters = "__ALL__"  # type: ignore[attr-defined]
    form = ProofForm(request, sent=sent)
    return None if sent and form.is_valid() else form
