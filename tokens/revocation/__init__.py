"""The only code that ends anything. API, pages, admin and commands all call it.

Lock order, everywhere: user, then session, then token rows. A login holds its user's row; a
rotation holds its session's row. A revocation takes the same rows in the same order, so what is
in flight either commits first, and is then seen and ended here, or starts afterwards, and finds
itself refused. Rows of one kind are taken in the order of their keys.

Everything is harmless to repeat; ``actor`` None is the system.
"""

from tokens.revocation.cutoffs import cut_off, settle
from tokens.revocation.ending import Revocation
from tokens.revocation.jobs import start_job, work_off
from tokens.revocation.many import revoke_in_batches, revoke_matching
from tokens.revocation.preview import Preview, count_all, preview
from tokens.revocation.single import revoke_session, revoke_token, revoke_user
from tokens.selectors.selection import Selection

__all__ = [
    "Preview",
    "Revocation",
    "Selection",
    "count_all",
    "cut_off",
    "preview",
    "revoke_in_batches",
    "revoke_matching",
    "revoke_session",
    "revoke_token",
    "revoke_user",
    "settle",
    "start_job",
    "work_off",
]
