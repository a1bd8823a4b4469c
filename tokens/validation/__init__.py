"""Decide whether a token is accepted.

`validate` runs the checks of `CHECKS` in order and stops at the first that fails. Every caller
(bearer calls, refresh, verify, introspect, the inspector, `manage.py inspect_token`) uses it, so
they always agree. `load_token_context` is the one database query behind it.
"""

from tokens.validation.token_context import TokenContext, load_token_context
from tokens.validation.validator import (
    CHECKS,
    Check,
    TokenRejected,
    Validation,
    read_claims,
    validate,
    validate_claims,
    validate_stored,
)

__all__ = [
    "CHECKS",
    "Check",
    "TokenContext",
    "TokenRejected",
    "Validation",
    "load_token_context",
    "read_claims",
    "validate",
    "validate_claims",
    "validate_stored",
]
