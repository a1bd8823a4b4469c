"""The WSGI application of the portal."""

import os
from collections.abc import Mapping
from typing import Any

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")


class PortalRequest(WSGIRequest):
    """Read a body as UTF-8 if its Content-Type names a codec that is not for text, like rot13.

    Django raises a LookupError for it before any middleware runs.
    """

    def _set_content_type_params(self, meta: Mapping[str, Any]) -> None:
        try:
            super()._set_content_type_params(meta)  # type: ignore[misc]  # not in the stubs
        except LookupError:
            self._encoding = None


class PortalHandler(WSGIHandler):
    """Handle requests like Django's handler, with requests of the portal's class."""

    request_class = PortalRequest


django.setup(set_prefix=False)
if wait_seconds := settings.DATABASES["default"].get("WAIT_SECONDS"):
    from portal.postgres.connection import Connection

    # Commands have no limit: an index may take an hour to build.
    Connection.limit = wait_seconds
application = PortalHandler()
