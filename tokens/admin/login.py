from typing import Any

from django.contrib.admin.forms import AdminAuthenticationForm

from tokens import audit
from tokens.models import Kind


class StaffOnlyForm(AdminAuthenticationForm):
    """The admin's own form, which tells an account that is not staff that its password is wrong.
    The trail knows better."""

    def confirm_login_allowed(self, user: Any) -> None:
        if user.is_active and not user.is_staff:
            audit.record(kind=Kind.LOGIN_REFUSED, subject=user, reason="not staff")
        super().confirm_login_allowed(user)
