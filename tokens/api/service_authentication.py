"""Authenticate services with HTTP Basic (RFC 6749, section 2.3.1; RFC 7617)."""

import base64
import binascii
from urllib.parse import unquote_plus

from django.contrib.auth.models import AnonymousUser
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from tokens.api.permissions import MayIntrospect
from tokens.models import Service
from tokens.services.credentials import (
    CredentialRejected,
    ServiceThrottled,
    authenticate,
    refuse_permission,
)
from tokens.simplejwt.errors import Unavailable

BASIC = 'Basic realm="api"'


class ServiceAuthentication(BaseAuthentication):
    """Take the name and the secret of a service from the ``Authorization`` header.

    ``request.auth`` is then the `Service`; ``request.user`` is anonymous.
    """

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Service] | None:
        """Return the service, or None if the call has no Basic credentials."""
        if not sends_basic(request):
            return None
        try:
            name, secret = _read(get_authorization_header(request).partition(b" ")[2])
            return AnonymousUser(), authenticate(name=name, secret=secret)
        except (CredentialRejected, ValueError) as error:
            raise AuthenticationFailed("Wrong name or secret of a service.") from error
        except ServiceThrottled as error:
            raise Unavailable(wait=error.retry_after, status=429) from error

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401."""
        return BASIC


class ServiceMayReadFeed(BasePermission):
    """Require a service that may read the feed."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        service = request.auth
        if not isinstance(service, Service):
            return False
        if not service.may_read_feed:
            refuse_permission(service=service, wanted="read the feed")
        return bool(service.may_read_feed)


class CallerMayIntrospect(MayIntrospect):
    """Require a service that may introspect, or an account with the permission."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        service = request.auth
        if not isinstance(service, Service):
            return super().has_permission(request, view)
        if not service.may_introspect:
            refuse_permission(service=service, wanted="introspect")
        return bool(service.may_introspect)


def sends_basic(request: Request) -> bool:
    """Tell whether the call has Basic credentials, in any case (RFC 9110, section 11.1)."""
    return get_authorization_header(request).partition(b" ")[0].lower() == b"basic"


def _read(credentials: bytes) -> tuple[str, str]:
    """Return the name and the secret. Raises ValueError if there are none."""
    try:
        text = base64.b64decode(credentials.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError("no Basic credentials") from error
    name, _colon, secret = text.partition(":")
    return unquote_plus(name), unquote_plus(secret)
