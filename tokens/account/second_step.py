"""Ask for the second factor after the password, at the pages and Django's admin."""

from typing import Any

from django import forms
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.views import RedirectURLMixin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.generic import FormView

from tokens.accounts import factors, passkeys
from tokens.models import FactorKind
from tokens.web import second_step
from tokens.web.login import login_url


class SecondStepForm(forms.Form):
    """A code, or what a passkey has signed."""

    code = forms.CharField(required=False, max_length=100)
    passkey = forms.CharField(
        required=False, max_length=passkeys.LONGEST_RESPONSE, widget=forms.HiddenInput
    )


class SecondStepView(RedirectURLMixin, FormView):  # type: ignore[type-arg]
    """Log in with a second factor, or give a fresh proof of one in a session that goes on."""

    template_name = "tokens/account/second_step.html"
    form_class = SecondStepForm
    user: AbstractBaseUser

    def dispatch(self, request: HttpRequest, *args: object, **kwargs: object) -> Any:
        user = second_step.pending_user(request)
        if user is None and request.user.is_authenticated:
            user = request.user
        if user is None or not factors.has_factor(user):
            return redirect(login_url("tokens_account:login"))
        self.user = user
        return super().dispatch(request, *args, **kwargs)

    def get_default_redirect_url(self) -> str:
        return second_step.home_of(self.user) or reverse("tokens_account:sessions")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        known = factors.factors_of(self.user)
        found = {
            "account": self.user,
            "next": self.get_redirect_url(),
            "has_app": any(one.kind == FactorKind.TOTP for one in known),
            "options": second_step.passkey_options(self.request, user=self.user),
        }
        return super().get_context_data(**found, **kwargs)

    def form_valid(self, form: SecondStepForm) -> HttpResponse:
        if not self._is_right(form.cleaned_data["code"], form.cleaned_data["passkey"]):
            form.add_error(None, _("That is not right, or it was used before. Try again."))
            return self.form_invalid(form)
        second_step.complete(self.request, user=self.user)
        return redirect(self.get_success_url())

    def _is_right(self, code: str, response: str) -> bool:
        if not response:
            return factors.check_code(user=self.user, code=code)
        return second_step.passkey_is_right(self.request, user=self.user, response=response)
