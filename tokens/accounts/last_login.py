"""Note the last login of an account, as Django does, by the database's clock.

`tokens.revocation` compares it with cutoffs. `tokens.signals` and `tokens.simplejwt` put this
function in the place of Django's.
"""

from django.contrib.auth.base_user import AbstractBaseUser

from tokens.db import clock


def update_last_login(sender: object, user: AbstractBaseUser, **_: object) -> None:
    """Set ``last_login`` to now."""
    user.last_login = clock.now()
    user.save(update_fields=["last_login"])
