"""Authenticate by password, with throttling, and by a second factor where an account has one.

The API, the admin and the pages all use this backend, so they check a password in the same way.
"""

from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from tokens.accounts import factors, passwords
from tokens.listing.users import account_named
from tokens.validation.browser import LoadsBrowserState


class ThrottledModelBackend(LoadsBrowserState, ModelBackend):
    """Authenticate like `ModelBackend`, with throttling and second factors.

    Raises `tokens.accounts.throttle.LoginLocked` when there were too many attempts. For an account
    with a second factor, it raises `FactorNeeded` if no code is offered, and PermissionDenied for a
    wrong code.
    """

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> Any:
        name = username or kwargs.get(get_user_model().USERNAME_FIELD)
        if name is None or password is None or "\0" in name:
            return None
        user = account_named(name=name)
        if user is None:
            # Pages' forms normalise a name, so that it is found however a keyboard composes it.
            normal = get_user_model().normalize_username(name)
            if normal != name and (user := account_named(name=normal)) is not None:
                name = normal
        if not passwords.check(user=user, username=name, password=password) or user is None:
            return None
        # Where a second step goes on, it logs in as this backend.
        user.backend = f"{type(self).__module__}.{type(self).__qualname__}"
        if not factors.check_offered(user):
            # Django asks no further backend: one that knows the password alone would log in.
            raise PermissionDenied
        return user

    async def aauthenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> Any:
        # `ModelBackend.aauthenticate` checks the password itself, without the throttle.
        authenticate = sync_to_async(self.authenticate)
        return await authenticate(request, username=username, password=password, **kwargs)

    async def aget_user(self, user_id: Any) -> Any:
        return await sync_to_async(self.get_user)(user_id)
