"""Check what the log says about a page that a user may not open."""

import io
import logging

from django.test import Client

from tokens.web.logging import ShortDenials


def test_denied_page_is_one_line_in_the_log(client: Client, alice) -> None:
    handlers = [
        handler
        for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler)
        and any(isinstance(one, ShortDenials) for one in handler.filters)
    ]
    assert len(handlers) == 1
    client.force_login(alice)
    written = io.StringIO()
    before = handlers[0].setStream(written)
    try:
        assert client.get("/staff/").status_code == 403
    finally:
        handlers[0].setStream(before)
    (line,) = written.getvalue().splitlines()
    assert "Forbidden" in line
    assert "/staff/" in line
