"""Let other programs, which verify the portal's tokens themselves, authenticate.

- `registry`: add a service, give it another secret, remove it. Each act writes an event.
- `credentials`: check the name and the secret of a call.
"""

from tokens.services.credentials import (
    CredentialRejected,
    ServiceThrottled,
    authenticate,
)
from tokens.services.registry import (
    NAME,
    Credential,
    NameTaken,
    ServiceGone,
    add_service,
    remove_service,
    rotate_service,
)

__all__ = [
    "NAME",
    "Credential",
    "CredentialRejected",
    "NameTaken",
    "ServiceGone",
    "ServiceThrottled",
    "add_service",
    "authenticate",
    "remove_service",
    "rotate_service",
]
