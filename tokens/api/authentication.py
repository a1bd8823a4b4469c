"""Bearer authentication (RFC 6750), judged by `tokens.verdict`."""

from typing import Any

from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication

from tokens.api.refusals import BearerRefused
from tokens.signing import ACCESS
from tokens.verdict import Verdict, explain


class SessionJWTAuthentication(JWTAuthentication):  # type: ignore[misc]  # it ships no types
    """simplejwt's authentication, with the session and revocation checked on every call.

    ``request.auth`` is the `Verdict`. The token is read from the Authorization header and from
    nowhere else; the scheme matches in any case (RFC 9110, section 11.1).
    """

    def authenticate(self, request: Request) -> tuple[Any, Verdict] | None:
        scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
        if scheme.lower() != "bearer":
            return None
        verdict = explain(token=token.strip(), expected=ACCESS)
        if not verdict.active:
            raise BearerRefused(verdict.message)
        return verdict.user, verdict

    def authenticate_header(self, request: Request) -> str:
        challenge = f'Bearer realm="{self.www_authenticate_realm}"'
        sent = request.META.get("HTTP_AUTHORIZATION", "").strip().partition(" ")[0]
        return f'{challenge}, error="invalid_token"' if sent.lower() == "bearer" else challenge
