"""Django's authentication backend with the throttle in it, so that the API, the admin and the
staff pages cannot differ in how they check a password."""

from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from tokens import logins
from tokens.selectors.people import account_named


class ThrottledModelBackend(ModelBackend):
    """`ModelBackend`, less its password check; may raise `tokens.logins.LoginLocked`."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> Any | None:
        name = username or kwargs.get(get_user_model().USERNAME_FIELD)
        if name is None or password is None or "\0" in name:
            return None
        user = account_named(name=name)
        good = logins.check(user=user, username=name, password=password)
        return user if good else None

    async def aauthenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> Any | None:
        # `ModelBackend` has one of its own, which knows of no throttle.
        check = sync_to_async(self.authenticate)
        return await check(request, username=username, password=password, **kwargs)
