"""Require a token for an ASGI application, such as one of FastAPI or Starlette."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

from token_portal_verifier.bearer import bearer_token, refusal
from token_portal_verifier.tokens import Invalid
from token_portal_verifier.verifier import Verifier

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class TokenPortalMiddleware:
    """Put the claims into ``scope["token_claims"]``, and answer calls without a good token.

    Paths in ``exempt`` need no token. A WebSocket is closed before it is accepted.
    """

    def __init__(self, app: App, *, verifier: Verifier, exempt: Collection[str] = ()) -> None:
        self.app, self.verifier, self.exempt = app, verifier, frozenset(exempt)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] not in ("http", "websocket") or scope["path"] in self.exempt:
            await self.app(scope, receive, send)
            return
        sent = [v for name, v in scope["headers"] if name.lower() == b"authorization"]
        token = bearer_token(sent[0].decode("latin-1")) if len(sent) == 1 else None
        error: Invalid | None = None
        if token is not None:
            try:
                # In a thread: the first call waits for the portal.
                claims = await asyncio.to_thread(self.verifier.verify, token)
            except Invalid as refused:
                error = refused
            else:
                await self.app({**scope, "token_claims": claims}, receive, send)
                return
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        status, headers, body = refusal(error)
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": body})
