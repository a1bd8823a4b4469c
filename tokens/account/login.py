from typing import Any

from django.urls import reverse

from tokens.web.login import PageLoginView


class AccountLoginView(PageLoginView):
    """Log any user in, through the throttle of `tokens.accounts.backend`."""

    template_name = "tokens/account/login.html"
    redirect_authenticated_user = True

    def get_redirect_url(self, *args: Any, **kwargs: Any) -> str:
        """Return ``next``, unless it leads back here, which would redirect a user in a circle."""
        wanted = super().get_redirect_url(*args, **kwargs)
        return "" if wanted.partition("?")[0] == self.request.path else wanted

    def get_default_redirect_url(self) -> str:
        return reverse("tokens_account:sessions")
