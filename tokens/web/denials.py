"""Record in the audit trail that a user lacks a permission."""

from functools import partial

from django.http import HttpRequest
from rest_framework.request import Request

from tokens import audit
from tokens.db.transactions import in_request_transaction
from tokens.models import Kind
from tokens.origin import after_view


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
    write = partial(audit.write_bounded, event, about=(request.user.pk, about, *permissions))
    if in_request_transaction():
        # The refusal rolls the view's transaction back, and must not take the event with it.
        after_view(write)
    else:
        write()
