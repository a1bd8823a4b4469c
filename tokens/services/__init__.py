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
    Credential,
    NameTaken,
    add_service,
    remove_service,
    rotate_service,
)

__all__ = [
    "Credential",
    "CredentialRejected",
    "NameTaken",
    "ServiceThrottled",
    "add_service",
    "authenticate",
    "remove_service",
    "rotate_service",
]
