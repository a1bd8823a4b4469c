"""Require a token for a WSGI application, such as one of Flask."""

from collections.abc import Callable, Collection, Iterable
from http import HTTPStatus
from typing import Any

from token_portal_verifier.bearer import bearer_token, refusal
from token_portal_verifier.tokens import Invalid
from token_portal_verifier.verifier import Verifier

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]


class TokenPortalMiddleware:
    """Put the claims into ``environ["token_portal.claims"]``; answer calls without a good token.

    Paths in ``exempt`` need no token.
    """

    def __init__(self, app: App, *, verifier: Verifier, exempt: Collection[str] = ()) -> None:
        self.app, self.verifier, self.exempt = app, verifier, frozenset(exempt)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        if environ.get("PATH_INFO", "") in self.exempt:
            return self.app(environ, start_response)
        token, error = bearer_token(environ.get("HTTP_AUTHORIZATION", "")), None
        if token is not None:
            try:
                environ["token_portal.claims"] = self.verifier.verify(token)
            except Invalid as refused:
                error = refused
            else:
                return self.app(environ, start_response)
        status, headers, body = refusal(error)
        start_response(f"{status} {HTTPStatus(status).phrase}", list(headers.items()))
        return [body]
