"""Say what is worth counting, as signals. The core sends them, and knows nothing of metrics.

`tokens.web.series` counts. The values of each signal are a small closed set.
"""

from django.dispatch import Signal

# An event of the trail was committed. ``kind`` is its kind.
event_committed = Signal()
# A login ended without an event. ``outcome`` is one of the three below.
login_stopped = Signal()
LOCKED, BUSY, FACTOR_NEEDED = "locked", "busy", "factor_needed"
# A token was refused. ``check`` is the name of the check that failed.
token_refused = Signal()
