"""Create the users of the tests.

Alice and Bob hold tokens, and Sam is a superuser. Each other member of staff has exactly the
permissions that the role is named after.
"""

from typing import Any

from django.contrib.auth.models import Permission, User

PASSWORD = "correct horse battery staple 9"

ROLES = {
    "viewer": ("view_outstandingtoken", "view_session"),
    "revoker": ("view_outstandingtoken", "view_session", "revoke_token"),
    "inspector": ("inspect_token",),
    "auditor": ("view_event", "export_event"),
}


def make_user(username: str, **fields: Any) -> User:
    fields.setdefault("email", f"{username}@example.com")
    return User.objects.create_user(username, password=PASSWORD, **fields)


def make_staff(username: str, *codenames: str) -> User:
    """Create a member of staff with exactly the named permissions."""
    user = make_user(username, is_staff=True)
    found = list(Permission.objects.filter(codename__in=codenames))
    assert {permission.codename for permission in found} == set(codenames)
    user.user_permissions.set(found)
    return user
