"""Keep tokens out of the log. A client may have put one into an address."""

import logging

from django.core.exceptions import PermissionDenied

from tokens.jwt.invisible import CONTROLS, INVISIBLE
from tokens.jwt.redaction import redact_text

# A log is read on terminals, so nothing in it may be invisible.
ESCAPES = {code: f"\\x{code:02x}" for code in CONTROLS}
ESCAPES |= {code: f"\\u{code:04x}" for code in INVISIBLE}


class ShortDenials(logging.Filter):
    """Cut the traceback off a record of a 403. The audit trail says what was denied."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], PermissionDenied):
            record.exc_info = None
        return True


class RedactTokens(logging.Filter):
    """Cut the signature off each token in a record, and escape invisible characters."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact_text(record.getMessage()).translate(ESCAPES), ()
        if record.exc_text is None and record.exc_info:
            text = logging.Formatter().formatException(record.exc_info)
            record.exc_text = redact_text(text).translate(ESCAPES)
        return True
