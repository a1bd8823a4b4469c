"""Keep a login between its password and its second factor, and note that a browser gave one.

Both are in the browser session: the login that waits for a factor, for ten minutes, and the time of
the latest proof.
"""

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from django.contrib.auth import SESSION_KEY, get_user_model, login
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest

from tokens.accounts import passkeys
from tokens.accounts.factors import check_passkey, factors_of, has_factor, is_asked_of
from tokens.db import clock
from tokens.models import FactorKind
from tokens.origin import is_staff, parse_address
from tokens.validation.browser import mark_proved
from tokens.validation.token_context import password_mark
from tokens.web.login import address_of, note_who_is_here

if TYPE_CHECKING:
    from django.contrib.auth.models import User

PENDING, PROVED, PASSKEY = "tokens_pending", "tokens_factor_at", "tokens_passkey"
LONGEST = timedelta(minutes=10)
# The parts that STAFF_MFA guards, by the ``app_name`` of their URLs, and the pages left open there.
GUARDED = frozenset({"admin", "tokens_staff"})
OPEN = frozenset({"login", "logout", "jsi18n"})


def begin(request: HttpRequest, *, user: AbstractBaseUser) -> str:
    """Keep the login of ``user``, whose password was right, and return the page that goes on.

    Empty if the project has no such page, or no browser sessions.
    """
    page = address_of("tokens_account:second-step")
    if not page or not hasattr(request, "session"):
        return ""
    # A key that was known before the password opens nothing after it.
    request.session.cycle_key()
    request.session[PENDING] = {
        "user": user._meta.pk.value_to_string(user),
        "backend": user.backend,
        "mark": password_mark(user),
        "until": (clock.now() + LONGEST).isoformat(),
    }
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    return redirect_to_login(wanted, page).url if wanted else page


def pending_user(request: HttpRequest) -> AbstractBaseUser | None:
    """Return the active user whose login waits here; None after its end or a new password."""
    kept: dict[str, Any] | None = request.session.get(PENDING)
    if kept is None or datetime.fromisoformat(kept["until"]) < clock.now():
        return None
    try:
        key = get_user_model()._meta.pk.to_python(kept["user"])
    except ValidationError:
        return None
    user = get_user_model()._base_manager.filter(pk=key).first()
    if user is None or not user.is_active or password_mark(user) != kept["mark"]:
        return None
    return user


def complete(request: HttpRequest, *, user: AbstractBaseUser) -> None:
    """Log in the user whose login waits here, or note a fresh proof of who is logged in."""
    kept = request.session.pop(PENDING, None)
    if kept is not None:
        note_who_is_here(request)
        login(request, cast("User", user), backend=kept["backend"])
    note_proof(request)


def note_proof(request: HttpRequest, *, factor: bool = True) -> None:
    """Note that this browser gave a second factor, or another proof of who uses it.

    Other holders of the old key stay behind.
    """
    request.session.cycle_key()
    mark_proved(request.session, at=clock.now())
    if factor:
        request.session[PROVED] = clock.now().isoformat()


def passkey_options(request: HttpRequest, *, user: AbstractBaseUser) -> str:
    """Return what the browser asks a passkey to sign, as JSON; empty without a passkey.

    The browser session keeps what the answer is checked with.
    """
    keys, host = factors_of(user, FactorKind.PASSKEY), host_of(request)
    if not keys or not host:
        return ""
    options, request.session[PASSKEY] = passkeys.begin_login(host=host, known=keys)
    return json.dumps(options)


def passkey_is_right(request: HttpRequest, *, user: AbstractBaseUser, response: str) -> bool:
    """Tell whether a passkey has signed what `passkey_options` asked. An answer counts once."""
    state = request.session.pop(PASSKEY, None) or {}
    return check_passkey(user=user, host=host_of(request), state=state, response=response)


def host_of(request: HttpRequest) -> str:
    """Return the host name to which passkeys belong; empty if it is an IP address."""
    name = urlsplit(f"//{request.get_host()}").hostname or ""
    return "" if parse_address(name) else name


def owes_factor(request: HttpRequest) -> bool:
    """Return whether the user has a second factor that this browser session didn't give yet."""
    return not is_proved(request) and is_asked_of(cast("User", request.user))


def is_proved(request: HttpRequest) -> bool:
    """Return whether the browser session gave a second factor since it began."""
    return SESSION_KEY in request.session and PROVED in request.session


def home_of(user: AbstractBaseUser) -> str:
    """Return the page that opens after a login without another one in mind; empty if none does."""
    staff = address_of("tokens_staff:overview") if is_staff(user) else ""
    return staff or address_of("tokens_account:sessions")


def page_needed(request: HttpRequest) -> str:
    """Return the page that staff must use first, if STAFF_MFA requires a second factor of them.

    Empty for any other request. Without the account pages, no factor could be given: that is a
    PermissionDenied.
    """
    match = request.resolver_match
    if match is None or GUARDED.isdisjoint(match.app_names) or match.url_name in OPEN:
        return ""
    user = request.user
    if not user.is_authenticated or not is_staff(user):
        return ""
    # A proof does not outlive the factors: they may have been removed or reset since.
    name = "second-step" if has_factor(user) else "factors"
    if name == "second-step" and is_proved(request):
        return ""
    page = address_of(f"tokens_account:{name}")
    if not page:
        raise PermissionDenied
    return redirect_to_login(request.get_full_path(), page).url
