"""Verify the access tokens of a Token Portal, and refuse revoked ones within seconds."""

from token_portal_verifier.tokens import Claims, Invalid, Stale
from token_portal_verifier.verifier import Verifier

__all__ = ["Claims", "Invalid", "Stale", "Verifier"]
