from typing import Any

from rest_framework.response import Response
from rest_framework.views import exception_handler

from tokens.api.refusals import token_not_valid
from tokens.verdict import Refused


def handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's handler; a refused refresh token is a 401 in simplejwt's shape."""
    if isinstance(exc, Refused):
        exc = token_not_valid(exc.verdict)
    return exception_handler(exc, context)
