"""Keep tokens out of the log, and say which request a line belongs to.

A client may have put a token into an address.
"""

import json
import logging
from datetime import UTC, datetime

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from tokens.jwt.invisible import CONTROLS, INVISIBLE
from tokens.jwt.redaction import redact_text
from tokens.origin import current_origin, trace_of, valid_traceparent

# The value of LOG_FORMAT, and the attribute of a request with its id.
JSON, REQUEST_ID = "json", "_tokens_request_id"
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


class NameRequest(logging.Filter):
    """Add the ids of the request and of its trace to a record: ``-`` and "" without one."""

    def filter(self, record: logging.LogRecord) -> bool:
        origin = current_origin()
        request_id, traceparent = origin.request_id, origin.traceparent
        # Django logs a response after the middleware has finished with the request.
        request = getattr(record, "request", None)
        if not request_id and isinstance(request, HttpRequest):
            request_id = getattr(request, REQUEST_ID, "")
            traceparent = valid_traceparent(request.META)
        record.request_id, record.trace_id = request_id or "-", trace_of(traceparent)
        return True


class JsonLines(logging.Formatter):
    """Write each record as one JSON object in a line, in ASCII.

    A traceback is one of its members. ``members`` of the record are others.
    """

    def format(self, record: logging.LogRecord) -> str:
        trace = record.exc_text
        if trace is None and record.exc_info:
            trace = self.formatException(record.exc_info)
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {
            "time": at.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": getattr(record, "request_id", "-"),
            "trace_id": getattr(record, "trace_id", ""),
            "exception": trace or "",
            **getattr(record, "members", {}),
        }
        return json.dumps({name: value for name, value in line.items() if value != ""})


_json_lines = JsonLines()


def access_as_json(
    request: HttpRequest, *, path: str, status: int, took: float, address: str | None
) -> str:
    """Return the line of the access log for a request; ``took`` is in milliseconds."""
    members = {
        "address": address,
        "method": request.method,
        "path": path,
        "status": status,
        "milliseconds": round(took, 1),
    }
    record = {
        "name": "tokens.access",
        "levelname": "INFO",
        "msg": f"{request.method} {path} {status}",
        "request_id": getattr(request, REQUEST_ID),
        "trace_id": trace_of(valid_traceparent(request.META)),
        "members": members,
    }
    return _json_lines.format(logging.makeLogRecord(record))
