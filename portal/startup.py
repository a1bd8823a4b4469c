"""Refuse to start with wrong settings: one line for each on standard error, and status 1.

`manage.py` calls this before a command, and gunicorn runs it in a process of its own.
"""

import logging
import os
import socket
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from django.db.utils import DatabaseError

from portal.environment import Environment, WrongSettings

# The checks of settings. Those of models, URLs and templates are for developers, and take longer.
TAGS = ("tokens", "security", "compatibility")


def exit_with(lines: Iterable[str]) -> NoReturn:
    """Print the lines, and end the process."""
    sys.exit("\n".join(lines))


def load_settings() -> None:
    """Set Django up, or end the process with what is wrong in the settings module."""
    import django

    try:
        django.setup()
    except WrongSettings as error:
        exit_with(error.lines)


def check_settings() -> None:
    """Load the settings and use them, as the system checks of `tokens` do."""
    load_settings()
    from django.core.checks import ERROR, run_checks
    from django.db import DEFAULT_DB_ALIAS

    found = run_checks(tags=TAGS, databases=[DEFAULT_DB_ALIAS])
    if errors := [message for message in found if message.is_serious(ERROR)]:
        said = (" ".join(filter(None, (error.msg, error.hint))) for error in errors)
        exit_with(f"{text} ({error.id})" for text, error in zip(said, errors, strict=True))


def bind_of(env: Environment) -> str:
    """Return where the server listens: HOST:PORT, or the path of a socket."""
    port = env.integer("PORT", 8000, 1, 65535)
    bind = env.text("BIND") or f"127.0.0.1:{port}"
    try:
        address = parse_address(bind)
    except (RuntimeError, ValueError) as error:
        env.problems.append(f"BIND is no address to listen on: {str(error).rstrip('.')}.")
        return bind
    if isinstance(address, str) and not Path(address).parent.is_dir():
        env.problems.append("BIND is a socket in a folder that does not exist.")
    return bind


def parse_address(bind: str) -> tuple[str, int] | str:
    """Return the host and port, or the path of the socket, as gunicorn reads them."""
    from gunicorn.util import parse_address

    address: tuple[str, int] | str = parse_address(bind)
    return address


def listening_address() -> tuple[str, int] | str:
    """Return the host and port, or the path of the socket, that the server will listen on."""
    env = Environment()
    bind = bind_of(env)
    if env.problems:
        exit_with(env.problems)
    return parse_address(bind)


def check_port(address: tuple[str, int] | str) -> None:
    """End the process if the server cannot listen at a host and port."""
    if not isinstance(address, tuple):
        return
    host, port = address
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            exit_with([f"PORT or BIND: cannot listen on {host}:{port}: {error.strerror}."])


def cause_of(error: DatabaseError) -> str:
    """Return one line that says why a database refuses. A pool only says how long it waited."""
    import psycopg
    from django.db import connection
    from psycopg_pool import PoolTimeout

    cause: Exception = error
    if isinstance(error.__cause__, PoolTimeout):
        try:
            psycopg.connect(**connection.get_connection_params()).close()
        except psycopg.Error as found:
            cause = found
    return str(cause).splitlines()[0]


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    # A database that is away is no mistake of the settings.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    check_settings()
