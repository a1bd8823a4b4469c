"""The only code that writes events; sealing and verifying them. `record` is called inside the
transaction of the act: if the event cannot be written, the act does not happen.

`guards` has the database refuse changes, `chain`, `seal` and `verify` find those that were made
all the same, `retention` is the one way out, `rollup` sums for the charts, `export`, `forward`
and `webhook` hand the trail on.
"""

from tokens.audit.forward import announce
from tokens.audit.record import insert_beside, record, unwritten, write

__all__ = ["announce", "insert_beside", "record", "unwritten", "write"]
