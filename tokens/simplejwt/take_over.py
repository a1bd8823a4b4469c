"""Let simplejwt's own classes open, refresh and end sessions (TAKE_OVER_FOR_USER).

A login view that calls ``RefreshToken.for_user(user)``, and libraries that subclass simplejwt's
serializers, then need no change. simplejwt's class for sliding tokens is left alone.
"""

from django.db import transaction
from django.http import HttpRequest, HttpResponseBase
from rest_framework_simplejwt import serializers, tokens, views

from tokens.accounts.last_login import update_last_login
from tokens.simplejwt.serializers import refresh, verify
from tokens.simplejwt.tokens import SessionRefreshToken, access_text

METHODS = (
    *("_opening", "for_user", "__str__", "access_token"),
    *("check_blacklist", "blacklist", "outstand"),
)


def take_over() -> None:
    """Give simplejwt's classes the methods of this app's classes. Repeating it does no harm."""
    for name in METHODS:
        setattr(tokens.RefreshToken, name, vars(SessionRefreshToken)[name])
    tokens.AccessToken.__str__ = access_text
    serializers.TokenRefreshSerializer.validate = refresh
    serializers.TokenVerifySerializer.validate = verify
    serializers.update_last_login = update_last_login
    # In the transaction of ATOMIC_REQUESTS, a 401 would roll back the revocation of a reuse.
    # `View.as_view` copies the attributes of ``dispatch`` to the view.
    views.TokenRefreshView.dispatch = transaction.non_atomic_requests(_dispatch)


def _dispatch(
    self: views.TokenRefreshView, request: HttpRequest, *args: object, **kwargs: object
) -> HttpResponseBase:
    response: HttpResponseBase = views.TokenViewBase.dispatch(self, request, *args, **kwargs)
    return response
