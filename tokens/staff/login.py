from django.urls import reverse

from tokens.origin import is_staff
from tokens.web.login import PageLoginView, address_of


class StaffLoginView(PageLoginView):
    """Log staff in with Django's own view, through the throttle of `tokens.accounts.backend`."""

    template_name = "tokens/staff/login.html"

    def get_default_redirect_url(self) -> str:
        if self.request.user.is_authenticated and not is_staff(self.request.user):
            return address_of("tokens_account:sessions") or super().get_default_redirect_url()
        return reverse("tokens_staff:overview")
