"""How the portal is served, by `make run` and in a deployment alike:
``gunicorn --config python:portal.gunicorn portal.wsgi``. docs/deploying.md says when to change
what; each value has an environment variable."""

import logging
import os
import tempfile
from typing import Any

bind = os.environ.get("BIND", f"127.0.0.1:{os.environ.get('PORT', '8000')}")
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = int(os.environ.get("WEB_THREADS", "4"))
worker_class = "gthread"
# A request is one short transaction; one that takes longer holds locks others wait for. The
# streamed exports send as they go, which keeps the worker's heartbeat alive.
timeout = 60
graceful_timeout = 20
keepalive = 15
limit_request_line = 8190
# Forwarded headers are judged by TRUSTED_PROXIES, in one place, and not here as well.
forwarded_allow_ips = ""
proc_name = "token-portal"
control_socket_disable = True

# The portal writes its own, in tokens/middleware.py, at a tenth of the price.
accesslog = None

# Every worker counts; one scrape must show them all. prometheus_client reads this on import.
if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="token-portal-metrics-")


def on_starting(server: Any) -> None:
    from tokens.logs import RedactTokens

    logging.getLogger("gunicorn.error").addFilter(RedactTokens())


def child_exit(server: Any, worker: Any) -> None:
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
