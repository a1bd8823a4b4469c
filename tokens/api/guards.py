"""Who may call what. A refusal of somebody known is written into the trail."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from tokens import audit
from tokens.models import Kind


class HasPermission(BasePermission):
    """The view names its ``permission``. Nobody known: DRF answers 401 for a False."""

    kind = Kind.PERMISSION_DENIED

    def has_permission(self, request: Request, view: Any) -> bool:
        user = request.user
        if not user.is_authenticated:
            return False
        if self.allows(user, view.permission):
            return True
        audit.record(
            kind=self.kind,
            actor=user,
            data={"path": request.path[:200], "wanted": [view.permission]},
        )
        return False

    def allows(self, user: Any, permission: str) -> bool:
        return bool(user.has_perm(permission))


class MayIntrospect(HasPermission):
    """A resource server's account: it need not be staff (RFC 7662, section 2.1)."""

    kind = Kind.INTROSPECTION_REFUSED


class StaffMay(HasPermission):
    """Staff, with the permission that the page asks for too."""

    def allows(self, user: Any, permission: str) -> bool:
        return bool(user.is_staff) and super().allows(user, permission)
