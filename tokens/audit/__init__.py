"""Write, seal, verify, export, deliver and purge the audit trail.

`record` writes an event in the transaction of the act: if the event can't be written, the act
doesn't happen.

- `record`: build and write events, and log them after the commit.
- `targets`: the sessions and users that an act upon many ended, which are a part of its event.
- `repeats`: one event for many calls that anyone can repeat.
- `guards`: triggers that refuse changes. `seal`, `chain`, `trusted_seals` and `verify` find changes
  made anyway, as `tampered` names them.
- `watermark`: the id up to which readers may read.
- `retention`: the only way in which events leave the trail.
- `rollup`: the sums behind the charts.
- `serializers`, `export` and `delivery`: events outside the portal.
"""

from tokens.audit.record import (
    build_event,
    insert_beside,
    log_on_commit,
    mask_name,
    record,
    write,
    write_all,
)
from tokens.audit.repeats import write_bounded
from tokens.audit.targets import record_upon_many

__all__ = [
    "build_event",
    "insert_beside",
    "log_on_commit",
    "mask_name",
    "record",
    "record_upon_many",
    "write",
    "write_all",
    "write_bounded",
]
