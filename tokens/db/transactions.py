"""Tell whose transaction the code runs in."""

from django.db import connection


def in_request_transaction() -> bool:
    """Tell whether a view runs in ATOMIC_REQUESTS's transaction, which a refusal rolls back."""
    return bool(connection.settings_dict.get("ATOMIC_REQUESTS")) and connection.in_atomic_block
