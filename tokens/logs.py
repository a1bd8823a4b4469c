"""What must not stand in a log: a token that somebody put into an address, say."""

import logging

from tokens.claims import redact_text


class RedactTokens(logging.Filter):
    """Lets every record through, tokens without their signature."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact_text(record.getMessage()), ()
        if record.exc_text is None and record.exc_info:
            record.exc_text = redact_text(logging.Formatter().formatException(record.exc_info))
        return True
