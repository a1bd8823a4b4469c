"""Permissions of the API. Denying an authenticated user writes an event."""

from typing import TYPE_CHECKING, cast

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from tokens.models import Kind
from tokens.origin import is_staff, may
from tokens.permissions import REVOKE_SUPERUSER
from tokens.revocation import may_revoke
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


def refuse_superuser(request: Request, user: AbstractBaseUser | None) -> None:
    """Raise PermissionDenied, and record it, if the caller may not revoke this superuser."""
    if may_revoke(actor=request.user, user=user):
        return
    record_denial(request, REVOKE_SUPERUSER)
    raise PermissionDenied


class MayIntrospect(HasPermission):
    """Check a resource server's account, which need not be staff (RFC 7662, section 2.1)."""

    kind = Kind.INTROSPECTION_REFUSED


class StaffMay(HasPermission):
    """Check that the caller is staff and has the permission that the page needs too."""

    def allows(self, user: AbstractBaseUser, permission: str) -> bool:
        return is_staff(user) and super().allows(user, permission)
