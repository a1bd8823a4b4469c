"""Events to the log, as JSON lines, once they have committed."""

import json
import logging
from functools import partial

from django.db import transaction

from tokens.audit.forms import plain, row_of
from tokens.models import Event

logger = logging.getLogger("tokens.events")


def announce(event: Event) -> None:
    """Log ``event`` if its transaction commits. A log that fails undoes nothing."""
    if logger.isEnabledFor(logging.INFO):
        transaction.on_commit(partial(_log, event), robust=True)


def _log(event: Event) -> None:
    text = json.dumps(plain(row_of(event)), ensure_ascii=True)
    # What `info` would do, save for walking the stack to find out that it was called from here.
    logger.handle(logger.makeRecord(logger.name, logging.INFO, __file__, 0, text, (), None))
