"""End tokens, sessions, users and everybody; no other code does.

The API, the pages, the admin and the commands all call this package.

Rows are locked in the same order everywhere: users, sessions, tokens, and rows of one table in the
order of their keys. A login locks its user's row, a rotation its session's row, and a revocation
locks the same rows. So what is in flight either commits first, and is then ended here, or starts
afterwards, and is refused.

Every act can be repeated without harm. ``actor`` is None for an act of the system.
"""

from tokens.listing.selection import Selection
from tokens.revocation.browsers import revoke_browser_session
from tokens.revocation.cutoffs import cut_off, settle
from tokens.revocation.instants import cutoff_instant
from tokens.revocation.jobs import may_read_job, read_job, start_job, work_off
from tokens.revocation.many import revoke_in_batches, revoke_matching
from tokens.revocation.proposals import propose
from tokens.revocation.reviews import (
    Preview,
    count_all,
    may_revoke,
    may_see_rows,
    missing_permission,
    needs_approval,
    needs_proof,
    preview,
    review,
    within_authority,
)
from tokens.revocation.sessions import Revocation, revoke_session, revoke_token
from tokens.revocation.users import revoke_user

__all__ = [
    "Preview",
    "Revocation",
    "Selection",
    "count_all",
    "cut_off",
    "cutoff_instant",
    "may_read_job",
    "may_revoke",
    "may_see_rows",
    "missing_permission",
    "needs_approval",
    "needs_proof",
    "preview",
    "propose",
    "read_job",
    "review",
    "revoke_browser_session",
    "revoke_in_batches",
    "revoke_matching",
    "revoke_session",
    "revoke_token",
    "revoke_user",
    "settle",
    "start_job",
    "within_authority",
    "work_off",
]
