"""Configure gunicorn, for `make run` and for deployments.

Run it with ``gunicorn --config python:portal.gunicorn portal.wsgi``. docs/deploying.md describes
the environment variables.
"""

import logging
import os
import sys
import tempfile
from typing import Any

from portal import handover, metrics_folder
from portal.dotenv import log_format
from portal.drain import drain_before_stop
from portal.environment import Environment
from portal.startup import bind_of, check_port, exit_with

env = Environment()
bind = bind_of(env)
workers = env.integer("WEB_CONCURRENCY", 2, 1, 1000)
threads = env.integer("WEB_THREADS", 4, 1, 1000)
drain_seconds = env.integer("DRAIN_SECONDS", 0, 0, 600)
metrics = env.text("PROMETHEUS_MULTIPROC_DIR") or tempfile.gettempdir()
if not os.path.isdir(metrics):
    env.problems.append("PROMETHEUS_MULTIPROC_DIR is no folder.")
if env.problems:
    exit_with(env.problems)
worker_class = "portal.worker.Worker"
# A request is one short transaction, and a longer one would hold locks that other requests need.
# Exports are streamed, which keeps the worker's heartbeat alive.
timeout = 60
graceful_timeout = 20
keepalive = 15
limit_request_line = 8190
# TRUSTED_PROXIES decides about forwarded headers, so gunicorn must not.
forwarded_allow_ips = ""
proc_name = "token-portal"
control_socket_disable = True

# The middleware in tokens/web/ writes the access log, at a tenth of the cost.
accesslog = None
# Only this is read from .env: a variable that the arbiter has would keep later changes of the file
# from the workers that follow on HUP.
if log_format() == "json":
    logger_class = "portal.json_log.JsonLogger"

# One scrape must show the counts of all workers.
metrics_folder.prepare(metrics)


def on_starting(server: Any) -> None:
    """Refuse to start with wrong settings, and keep tokens out of gunicorn's log."""
    if status := handover.settings_check():
        sys.exit(status)
    # A listening socket that is handed over is in use, as it must be.
    if not os.environ.keys() & {"GUNICORN_FD", "LISTEN_FDS"}:
        for address in server.cfg.address:
            check_port(address)

    from tokens.web.logging import RedactTokens

    logging.getLogger("gunicorn.error").addFilter(RedactTokens())
    handover.reload_without_gap(server)
    drain_before_stop(server, drain_seconds)


def pre_fork(server: Any, worker: Any) -> None:
    metrics_folder.give_place(worker, others=list(server.WORKERS.values()))
    handover.watch(worker)


def post_worker_init(worker: Any) -> None:
    handover.note_serving(worker)


def child_exit(server: Any, worker: Any) -> None:
    metrics_folder.leave_place(worker)
