from typing import Any

from django.contrib.admin.forms import AdminAuthenticationForm

from tokens import audit
from tokens.models import Kind
from tokens.models.reasons import Reason


class StaffOnlyForm(AdminAuthenticationForm):
    """Record that an account is not staff; the form itself only says that the login failed."""

    def confirm_login_allowed(self, user: Any) -> None:
        if user.is_active and not user.is_staff:
            event = audit.build_event(
                kind=Kind.LOGIN_REFUSED, subject=user, reason=Reason.NOT_STAFF
            )
            audit.write_bounded(event, about=(user.pk,))
        super().confirm_login_allowed(user)
