"""Give accounts second factors, and compute the codes that their apps show."""

import re

from django.contrib.auth.models import User

from tokens.accounts import factors, totp
from tokens.db import clock
from tokens.models import Factor


def shown_key(page: str) -> tuple[bytes, str]:
    """Return the key that the page for an app shows, and the field that brings it back."""
    typed = re.search(r'<code class="wrap">([A-Z2-7 ]+)</code>', page)
    kept = re.search(r'name="key" value="([^"]+)"', page)
    assert typed
    assert kept
    return totp.key_from(typed[1]), kept[1]


def code_of(key: bytes, *, steps: int = 0) -> str:
    """Return the code that an app shows now, or that many steps later."""
    at = int(clock.now().timestamp()) + steps * totp.STEP_SECONDS
    return totp._totp(key).generate(at).decode()


def with_app(user: User, name: str = "phone") -> bytes:
    """Add an authenticator app, whose codes from this step on are unused. Returns its key."""
    key = totp.new_key()
    added = factors.add_app(user=user, name=name, key=key, code=code_of(key, steps=-1))
    assert added is not None
    Factor.objects.filter(pk=added.factor.pk).update(counter=added.factor.counter - 1)
    return key
