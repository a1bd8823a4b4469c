"""Let users change their password."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.forms import PasswordChangeForm, SetPasswordForm
from django.contrib.auth.views import PasswordChangeView
from django.core.validators import MaxLengthValidator
from django.db import transaction
from django.http import HttpResponse
from django.urls import reverse_lazy
from django.utils.translation import gettext as _

from tokens.accounts import passwords


class NewPasswordForm(SetPasswordForm):  # type: ignore[type-arg]
    """Ask for a new password, twice, with the checks of AUTH_PASSWORD_VALIDATORS."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs["class"] = "input"
            field.validators.append(MaxLengthValidator(passwords.LONGEST))


class OwnPasswordForm(NewPasswordForm, PasswordChangeForm):
    """Check the old password as a login does: attempts are throttled, and refusals recorded."""

    def clean_old_password(self) -> str:
        old: str = self.cleaned_data["old_password"]
        user = self.user
        if not passwords.check(user=user, username=user.get_username(), password=old):
            raise forms.ValidationError(self.error_messages["password_incorrect"])
        return old

    def clean_new_password1(self) -> str:
        """Refuse the old password: after a theft, it must change."""
        new: str = self.cleaned_data["new_password1"]
        if new == self.data.get("old_password"):
            raise forms.ValidationError(_("Choose a password that differs from the old one."))
        return new


class OwnPasswordView(PasswordChangeView):
    """Change the password. That ends all sessions of the user, except this browser's.

    An account without a password of its own logs in elsewhere, and can't change one here.
    """

    http_method_names = ["get", "head", "post", "options"]
    form_class = OwnPasswordForm
    template_name = "tokens/account/password.html"
    success_url = reverse_lazy("tokens_account:sessions")

    def form_valid(self, form: Any) -> HttpResponse:
        # The sessions end when the account is saved: both or neither.
        with transaction.atomic():
            response = super().form_valid(form)
        messages.success(
            self.request, _("The password is changed. Log in again on your other devices.")
        )
        return response
