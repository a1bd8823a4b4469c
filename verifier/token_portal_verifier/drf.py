"""Authenticate calls of a Django REST framework project by their token."""

from dataclasses import dataclass

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException, AuthenticationFailed
from rest_framework.request import Request

from token_portal_verifier.bearer import BAD_TOKEN, NO_TOKEN, RETRY_AFTER_SECONDS, bearer_token
from token_portal_verifier.django import verifier
from token_portal_verifier.tokens import Claims, Invalid, Stale


@dataclass(frozen=True)
class PortalUser:
    """The account that a token names; this service needs no row for it."""

    id: str
    is_authenticated: bool = True
    is_anonymous: bool = False

    @property
    def pk(self) -> str:
        """Return the id, as throttles of REST framework ask for it."""
        return self.id


class PortalUnavailable(APIException):
    """Answer 503: the portal has been away for too long."""

    status_code = 503
    default_detail = "Tokens can't be verified just now."
    wait = RETRY_AFTER_SECONDS


class TokenPortalAuthentication(BaseAuthentication):
    """Set ``request.user`` to a `PortalUser` and ``request.auth`` to the claims."""

    def authenticate(self, request: Request) -> tuple[PortalUser, Claims] | None:
        """Return the user and the claims, or None for a call without a bearer token."""
        token = _token(request)
        if token is None:
            return None
        try:
            claims = verifier().verify(token)
        except Stale as error:
            raise PortalUnavailable from error
        except Invalid as error:
            raise AuthenticationFailed("The token is not valid.") from error
        return PortalUser(claims.user_id), claims

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401."""
        return NO_TOKEN if _token(request) is None else BAD_TOKEN


def _token(request: Request) -> str | None:
    return bearer_token(request.headers.get("Authorization", ""))
