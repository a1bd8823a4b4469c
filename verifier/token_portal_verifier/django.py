"""Require a token in a Django project. ``TOKEN_PORTAL`` holds the arguments of `Verifier`."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from token_portal_verifier.bearer import bearer_token, refusal
from token_portal_verifier.tokens import Claims, Invalid
from token_portal_verifier.verifier import Verifier


@lru_cache(maxsize=1)
def verifier() -> Verifier:
    """Return the verifier of this process."""
    arguments: dict[str, Any] = getattr(settings, "TOKEN_PORTAL", {})
    return Verifier(**arguments)


class TokenPortalMiddleware:
    """Set ``request.token_claims``: the claims of a good token, or None for a call without one.

    A call with a bad token is answered here.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Serve one request."""
        token, claims = bearer_token(request.headers.get("Authorization", "")), None
        if token is not None:
            try:
                claims = verifier().verify(token)
            except Invalid as refused:
                return _response(refused)
        request.token_claims = claims  # type: ignore[attr-defined]
        return self.get_response(request)


def token_required(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Answer 401 to a call without a token. It needs the middleware."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        claims: Claims | None = getattr(request, "token_claims", None)
        return _response(None) if claims is None else view(request, *args, **kwargs)

    return guarded


def _response(error: Invalid | None) -> HttpResponse:
    status, headers, body = refusal(error)
    return HttpResponse(body, status=status, headers=headers)
