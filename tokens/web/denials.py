"""Record in the audit trail that a user lacks a permission."""

from django.http import HttpRequest
from rest_framework.request import Request

from tokens import audit
from tokens.models import Kind


def record_denial(
    request: HttpRequest | Request,
    *permissions: str,
    kind: Kind = Kind.PERMISSION_DENIED,
    about: str = "",
) -> None:
    """Record that the request's user lacks one of ``permissions``.

    Repeated attempts are counted: those at the same permissions, or ``about`` the same thing.
    """
    data = {"path": request.path[:200], "wanted": list(permissions)}
    event = audit.build_event(kind=kind, actor=request.user, data=data)
    audit.write_bounded(event, about=(request.user.pk, about, *permissions))
