"""Say what is wrong with a value of the environment; "" if nothing is.

`portal.environment.Environment` refuses the value with these words. None of them repeats a part of
an address that may be a password.
"""

import re
from collections.abc import Collection
from email.utils import parseaddr
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

DATABASE_SCHEMES = ("sqlite", "postgres", "postgresql", "psql", "pgsql")
CACHE_SCHEMES = ("redis", "rediss", "locmemcache")
EMAIL_SCHEMES = ("smtp", "smtp+tls", "smtp+ssl", "consolemail", "filemail")
# What django-environ takes out of an address, beside the options of the driver.
DATABASE_SETTINGS = {"CONN_MAX_AGE", "CONN_HEALTH_CHECKS", "DISABLE_SERVER_SIDE_CURSORS"}
CACHE_SETTINGS = {"TIMEOUT", "KEY_PREFIX", "VERSION"}
LOCAL_CACHE_OPTIONS = {"MAX_ENTRIES", "CULL_FREQUENCY"}
SQLITE_OPTIONS = {"TIMEOUT", "CACHED_STATEMENTS", "TRANSACTION_MODE", "INIT_COMMAND"}
DJANGO_POSTGRESQL_OPTIONS = {"PREPARE_THRESHOLD", "SERVER_SIDE_BINDING", "ISOLATION_LEVEL"}
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
HOST = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?"
NAMED_HOST = re.compile(rf"\.?{HOST}|\[[0-9A-Fa-f:.]+\]|\*")
ORIGIN = re.compile(rf"https?://(?:\*\.)?(?:{HOST}|\[[0-9A-Fa-f:.]+\])(?::[0-9]{{1,5}})?")
PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")


def database_problem(value: str) -> str:
    """Look at DATABASE_URL. Raises `ValueError` for a text that is no address."""
    if value == "sqlite://:memory:":
        return ""
    url = urlsplit(value)
    if "://" not in value or url.scheme not in DATABASE_SCHEMES:
        return "does not begin with postgres:// or sqlite:///"
    options = _options(url.query)
    if managed := sorted(options & {"ATOMIC_REQUESTS", "AUTOCOMMIT"}):
        return f"sets {managed[0]}, and the portal decides itself where a transaction begins"
    if url.scheme == "sqlite":
        return _sqlite_problem(url.netloc, Path(url.path[1:] or "."), options)
    if not url.path.strip("/"):
        return "names no database: postgres://user:password@host:5432/name"
    for host in url.netloc.rpartition("@")[2].split(","):
        urlsplit(f"//{host}").port  # noqa: B018  (raises ValueError)
    return _postgresql_problem(url.query, options)


def _options(query: str) -> set[str]:
    return {option.upper() for option in parse_qs(query, keep_blank_values=True)}


def _sqlite_problem(host: str, path: Path, options: set[str]) -> str:
    if host:
        return "names a host, and SQLite is a file of one machine: sqlite:///db.sqlite3"
    if not path.parent.is_dir():
        return "names a file in a folder that does not exist"
    if path.is_dir():
        return "names a folder, and SQLite is a file"
    return _unknown(options, SQLITE_OPTIONS | DATABASE_SETTINGS)


def _postgresql_problem(query: str, options: set[str]) -> str:
    from psycopg import pq

    known = {one.keyword.decode().upper() for one in pq.Conninfo.get_defaults()}
    if unknown := _unknown(options, known | DJANGO_POSTGRESQL_OPTIONS | DATABASE_SETTINGS):
        return unknown
    given = {name.lower(): values[-1] for name, values in parse_qs(query).items()}
    if given.get("sslmode", SSL_MODES[0]) not in SSL_MODES:
        return f"has an sslmode that is none of {', '.join(SSL_MODES)}"
    if not given.get("connect_timeout", "1").isdecimal():
        return "has a connect_timeout that is not a whole number"
    return ""


def cache_problem(value: str) -> str:
    """Look at CACHE_URL. Raises `ValueError` for a text that is no address."""
    url = urlsplit(value)
    if "://" not in value or url.scheme not in CACHE_SCHEMES:
        return "does not begin with redis://, rediss:// or locmemcache://"
    if url.scheme == "locmemcache":
        return _unknown(_options(url.query), LOCAL_CACHE_OPTIONS | CACHE_SETTINGS)
    if not url.hostname:
        return "names no host"
    url.port  # noqa: B018  (raises ValueError)
    if url.path.strip("/") and not url.path.strip("/").isdecimal():
        return "names a database of Redis that is not a number"
    return _unknown(_options(url.query), CACHE_SETTINGS)


def email_problem(value: str) -> str:
    """Look at EMAIL_URL. Raises `ValueError` for a text that is no address."""
    url = urlsplit(value)
    if "://" not in value or url.scheme not in EMAIL_SCHEMES:
        return f"does not begin with one of {', '.join(f'{name}://' for name in EMAIL_SCHEMES)}"
    if url.query:
        return "has options, and the scheme says everything: smtp+tls://user:password@host:587"
    if url.scheme.startswith("smtp") and not url.hostname:
        return "names no host"
    if bool(url.username) != bool(url.password):
        return "needs a user and a password, or neither"
    if url.port == 0:
        return "names the port 0"
    if url.scheme == "filemail" and not url.path:
        return "names no folder"
    return ""


def sender_problem(value: str) -> str:
    """Look at DEFAULT_FROM_EMAIL: an address, or a name with one."""
    _name, address = parseaddr(value)
    local, _at, domain = address.rpartition("@")
    known = local and NAMED_HOST.fullmatch(domain) and value.isprintable()
    return "" if known else "is no address such as Portal <portal@example.com>"


def _unknown(options: set[str], known: Collection[str]) -> str:
    unknown = sorted(option.lower() for option in options if option not in known)
    return f"has an option that does not exist: {unknown[0][:40]}" if unknown else ""


def host_problem(value: str) -> str:
    """Look at a host of ALLOWED_HOSTS."""
    if NAMED_HOST.fullmatch(value):
        return ""
    return (
        f"has {value[:60]!r}, which is no host: without scheme, port and path, .example.com for all"
    )


def origin_problem(value: str, *, wildcards: bool) -> str:
    """Look at an origin: a scheme, a host and maybe a port."""
    try:
        known = ORIGIN.fullmatch(value) is not None and urlsplit(value).port != 0
    except ValueError:
        known = False
    if known and (wildcards or "*" not in value):
        return ""
    return f"has {value[:60]!r}, which is no origin such as https://example.com"


def path_problem(value: str) -> str:
    """Look at SCRIPT_NAME."""
    return "" if PATH.fullmatch(value) else "is no path such as /tokens"


def folder_problem(value: str) -> str:
    """Look at a folder that may be made later."""
    for one in (Path(value), *Path(value).parents):
        if one.exists():
            return (
                "" if one.is_dir() else "is no folder, or is in none: there is a file of that name"
            )
    return ""
