"""Permissions of the API. Denying an authenticated user writes an event."""

from datetime import timedelta
from typing import TYPE_CHECKING, cast

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from rest_framework.exceptions import APIException
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from tokens.conf import app_settings
from tokens.db import clock
from tokens.models import Kind
from tokens.origin import is_staff, may
from tokens.permissions import REVOKE_SUPERUSER
from tokens.revocation import may_revoke
from tokens.simplejwt.authentication import ValidatedToken
from tokens.web.denials import record_denial

if TYPE_CHECKING:
    from tokens.api.base import ApiView


class HasPermission(BasePermission):
    """Check the ``permission`` that the view names. An anonymous caller gets a 401."""

    kind = Kind.PERMISSION_DENIED

    def has_permission(self, request: Request, view: APIView) -> bool:
        user = request.user
        if not user.is_authenticated:
            return False
        permission = cast("ApiView", view).permission
        if self.allows(user, permission):
            return True
        record_denial(request, permission, kind=self.kind)
        return False

    def allows(self, user: AbstractBaseUser, permission: str) -> bool:
        return may(user, permission)


def guard_superuser(request: Request, user: AbstractBaseUser | None) -> None:
    """Check whether the caller may end sessions of ``user`` now.

    Another superuser needs a permission, which is a recorded PermissionDenied, and a fresh login.
    With STEP_UP_OVER=0, any other user needs the login.
    """
    if not may_revoke(actor=request.user, user=user):
        record_denial(request, REVOKE_SUPERUSER)
        raise PermissionDenied
    far = getattr(user, "is_superuser", False) or not app_settings.STEP_UP_OVER
    if far and user != request.user:
        require_fresh_login(request)


class ProofNeeded(APIException):
    """Ask for a newer login (RFC 9470). The client logs in again and repeats the call."""

    status_code = 401
    default_code = "insufficient_user_authentication"
    default_detail = "This call needs a newer login. Log in again and repeat it."

    def __init__(self) -> None:
        super().__init__({"detail": self.default_detail, "code": self.default_code})
        # REST framework makes a header of it.
        self.auth_header = (
            f'Bearer error="{self.default_code}", error_description="{self.default_detail}", '
            f"max_age={app_settings.STEP_UP_MINUTES * 60}"
        )


class ApprovalNeeded(APIException):
    """Refuse an act that a second person has to approve (TWO_PERSON_OVER)."""

    status_code = 403
    default_detail = "A second person has to approve this. Propose it on the staff pages."
    default_code = "approval_needed"


def require_fresh_login(request: Request) -> None:
    """Raise `ProofNeeded` unless the session of the bearer token was opened lately."""
    session = cast(ValidatedToken, request.auth).validation.session
    minutes = app_settings.STEP_UP_MINUTES
    since = clock.now() - timedelta(minutes=minutes)
    if minutes and (session is None or session.created_at < since):
        raise ProofNeeded


class MayIntrospect(HasPermission):
    """Check a resource server's account, which need not be staff (RFC 7662, section 2.1)."""

    kind = Kind.INTROSPECTION_REFUSED


class StaffMay(HasPermission):
    """Check that the caller is staff and has the permission that the page needs too."""

    def allows(self, user: AbstractBaseUser, permission: str) -> bool:
        return is_staff(user) and super().allows(user, permission)
