"""Let other programs, which verify the portal's tokens themselves, authenticate.

- `registry`: add a service, give it another secret, remove it. Each act writes an event.
- `credentials`: check the name and the secret of a call, and count the calls.
- `feed`: read the revocation feed. `confirmations`: store how far a service has read it.
- `reach`: say which services know of a revocation.
"""

from tokens.services.credentials import (
    CredentialRejected,
    ServiceThrottled,
    authenticate,
)
from tokens.services.reach import (
    Reach,
    reach_of_job,
    reach_of_latest_bulk,
    reach_of_session,
    reach_of_user,
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
    "Reach",
    "ServiceGone",
    "ServiceThrottled",
    "add_service",
    "authenticate",
    "reach_of_job",
    "reach_of_latest_bulk",
    "reach_of_session",
    "reach_of_user",
    "remove_service",
    "rotate_service",
]
