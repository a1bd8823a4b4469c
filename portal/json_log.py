"""Let gunicorn write its own lines as JSON, like the application."""

from typing import Any

from gunicorn.glogging import Logger

from tokens.web.logging import JsonLines


class JsonLogger(Logger):  # type: ignore[misc]  # gunicorn has no types
    """Write what the server logs as one JSON object in each line."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(JsonLines())
