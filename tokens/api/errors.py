from typing import Any

from rest_framework.response import Response
from rest_framework.views import exception_handler

from tokens.api.refusals import token_not_valid
from tokens.verdict import Refused


def handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's handler; a refused refresh token is a 401 in simplejwt's shape."""
    if isinstance(exc, Refused):
        refusal: Any = token_not_valid(exc.verdict)
        # DRF sets it before it asks here, on the exceptions that it knows.
        refusal.auth_header = context["view"].get_authenticate_header(context["request"])
        return exception_handler(refusal, context)
    return exception_handler(exc, context)
