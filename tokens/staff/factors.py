"""Reset the second factors of an account whose owner has lost them."""

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from tokens.accounts import factors
from tokens.listing.users import account_with_key
from tokens.models.lengths import REASON_LENGTH
from tokens.permissions import RESET_FACTORS, REVOKE_SUPERUSER, VIEW_TOKENS
from tokens.revocation import may_revoke
from tokens.staff.guards import denied, staff_may
from tokens.web.proof import proof_needed


class ResetForm(forms.Form):
    """The reason, for the audit trail."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=REASON_LENGTH,
        help_text=gettext_lazy("How you know that the owner of the account asks for this."),
        widget=forms.TextInput(attrs={"class": "input", "autocomplete": "off"}),
    )


@require_http_methods(["GET", "POST"])
@staff_may(VIEW_TOKENS, RESET_FACTORS)
def reset(request: HttpRequest, pk: str) -> HttpResponse:
    """Show what is removed, and remove it after a reason is given."""
    person = account_with_key(pk)
    if person is None:
        raise Http404
    if not may_revoke(actor=request.user, user=person):
        denied(request, REVOKE_SUPERUSER)
    form = ResetForm(request.POST if request.method == "POST" else None)
    proof = proof_needed(request, sent=form.is_bound)
    if form.is_valid() and proof is None:
        reason = form.cleaned_data["reason"]
        if factors.reset(user=person, actor=request.user, reason=reason):
            said = _("The second factors of %s are removed. The password alone logs in.")
        else:
            said = _("%s has no second factor.")
        messages.success(request, said % person.get_username())
        return redirect("tokens_staff:user", pk=person.pk)
    context = {
        "form": form,
        "proof": proof,
        "person": person,
        "factors": factors.factors_of(person),
        "codes_left": factors.codes_left(person),
    }
    status = 422 if form.is_bound else 200
    return render(request, "tokens/staff/reset_factors.html", context, status=status)
