"""The only code that writes events. `record` is called inside the transaction of the act: if
the event cannot be written, the act does not happen."""

from tokens.audit.record import as_insert, record, unwritten

__all__ = ["as_insert", "record", "unwritten"]
