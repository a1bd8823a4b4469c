"""The server names each wrong setting in one line, and does not start."""

import resource
import secrets
import socket
import subprocess
import sys

import pytest
from django.core.management.utils import get_random_secret_key

from tests.support.server.portal import ROOT, free_port
from tokens.jwt.algorithms import ALGORITHMS
from tokens.jwt.strength import is_weak

SERVER = ["-m", "gunicorn", "--config", "python:portal.gunicorn", "portal.wsgi"]
SECONDS = 3
UNSEEN = "zq7secretpart"
SHARED = secrets.token_urlsafe(48)
P384 = ALGORITHMS["ES384"].generate().replace("\n", "\\n")
RSA_1024 = (
    subprocess.run(["openssl", "genrsa", "1024"], capture_output=True, text=True, check=True)
    .stdout.strip()
    .replace("\n", "\\n")
)
WRONG = [
    ({"SECRET_KEY": ""}, "SECRET_KEY is not set"),
    ({"SECRET_KEY": "short"}, "SECRET_KEY is shorter"),
    ({"SECRET_KEY": "django-insecure-" + "aB3$" * 12}, "SECRET_KEY"),
    ({"JWT_SIGNING_KEY": ""}, "JWT_SIGNING_KEY is not set"),
    ({"JWT_SIGNING_KEY": "x" * 20}, "JWT_SIGNING_KEY is shorter"),
    ({"JWT_SIGNING_KEY": "k" * 64}, "JWT_SIGNING_KEY can be guessed"),
    ({"JWT_SIGNING_KEY": "a-string-secret-at-least-256-bits-long"}, "JWT_SIGNING_KEY can be"),
    ({"JWT_SIGNING_KEY": P384}, "JWT_SIGNING_KEY is a PEM key, but HS256"),
    ({"JWT_SIGNING_KEY": P384, "JWT_ALGORITHM": "ES256"}, "JWT_SIGNING_KEY is not a PEM"),
    ({"JWT_SIGNING_KEY": RSA_1024, "JWT_ALGORITHM": "RS256"}, "JWT_SIGNING_KEY is shorter"),
    ({"JWT_SIGNING_KEY": "rubbish", "JWT_ALGORITHM": "EdDSA"}, "JWT_SIGNING_KEY is not a PEM"),
    ({"JWT_RETIRED_KEYS": "weak"}, "JWT_RETIRED_KEYS, entry 1, is shorter"),
    ({"JWT_ALGORITHM": "none"}, "JWT_ALGORITHM 'none' is not supported"),
    ({"AUDIT_KEY": "x"}, "AUDIT_KEY can be guessed"),
    ({"AUDIT_KEY": "-----BEGIN"}, "AUDIT_KEY can be guessed"),
    ({"AUDIT_RETIRED_KEYS": "-----BEGIN"}, "AUDIT_RETIRED_KEYS can be guessed"),
    ({"AUDIT_KEY": SHARED, "JWT_SIGNING_KEY": SHARED}, "AUDIT_KEY is also the key"),
    ({"AUDIT_KEY": SHARED, "SECRET_KEY": SHARED}, "AUDIT_KEY is also the key"),
    ({"LOGIN_HASHES": "0"}, "LOGIN_HASHES is not between"),
    ({"AUDIT_KEY": f"${UNSEEN}"}, "AUDIT_KEY begins with $"),
    ({"AUDIT_RETIRED_KEYS": "x"}, "AUDIT_RETIRED_KEYS can be guessed"),
    ({"TRUSTED_PROXIES": "proxy.example"}, "TRUSTED_PROXIES has 'proxy.example'"),
    ({"WEBHOOK_URL": "ftp://x"}, "WEBHOOK_URL is not"),
    ({"WEBHOOK_URL": "http://x:port"}, "WEBHOOK_URL is not"),
    ({"WEBHOOK_SECRET": "whsec_x"}, "WEBHOOK_SECRET begins with whsec_"),
    ({"WEBHOOK_FORMAT": "xml"}, "WEBHOOK_FORMAT is neither"),
    ({"ACCESS_TOKEN_MINUTES": "five"}, "ACCESS_TOKEN_MINUTES is not a whole number"),
    ({"ACCESS_TOKEN_MINUTES": "99999999999"}, "ACCESS_TOKEN_MINUTES is not between"),
    ({"REFRESH_TOKEN_DAYS": "-1"}, "REFRESH_TOKEN_DAYS is not between"),
    ({"REFRESH_TOKEN_DAYS": "31"}, "ACCESS_TOKEN_MINUTES must be shorter than"),
    ({"SESSION_DAYS": "1.5"}, "SESSION_DAYS is not a whole number"),
    ({"REFRESH_GRACE_SECONDS": "61"}, "REFRESH_GRACE_SECONDS must be between"),
    ({"LOGIN_ATTEMPTS": "0"}, "LOGIN_ATTEMPTS and LOGIN_WINDOW_SECONDS"),
    ({"LOGIN_WINDOW_SECONDS": "nan"}, "LOGIN_WINDOW_SECONDS is not a whole number"),
    ({"DATABASE_POOL_SIZE": "-4", "DATABASE_URL": "postgres://h/n"}, "DATABASE_POOL_SIZE is not"),
    ({"DEBUG": "maybe"}, "DEBUG is neither on nor off"),
    ({"HTTPS": "of"}, "HTTPS is neither on nor off"),
    ({"DATABASE_URL": f"postgress://u:{UNSEEN}@h/n"}, "DATABASE_URL does not begin"),
    ({"DATABASE_URL": f"mysql://u:{UNSEEN}@h/n"}, "DATABASE_URL does not begin"),
    ({"DATABASE_URL": "nonsense"}, "DATABASE_URL does not begin"),
    ({"DATABASE_URL": f"postgres://u:{UNSEEN}@h:x/n"}, "DATABASE_URL is not an address"),
    ({"DATABASE_URL": f"postgres://u:{UNSEEN}@h"}, "DATABASE_URL names no database"),
    ({"DATABASE_URL": f"postgres://u:{UNSEEN}@h:1,i:x/n"}, "DATABASE_URL is not an address"),
    ({"DATABASE_URL": "sqlite://one,two/db"}, "DATABASE_URL names a host, and SQLite is a file"),
    ({"DATABASE_URL": "sqlite:////no/such/folder/db"}, "DATABASE_URL names a file in a folder"),
    ({"DATABASE_URL": "sqlite:///db?ATOMIC_REQUESTS=True"}, "DATABASE_URL sets ATOMIC_REQUESTS"),
    ({"CACHE_URL": "nonsense"}, "CACHE_URL does not begin"),
    ({"CACHE_URL": f"redis://:{UNSEEN}@h:x/0"}, "CACHE_URL is not an address"),
    ({"CACHE_URL": "redis://"}, "CACHE_URL names no host"),
    ({"CORS_ALLOWED_ORIGINS": "example.com"}, "CORS_ALLOWED_ORIGINS"),
    ({"CSRF_TRUSTED_ORIGINS": "example.com"}, "CSRF_TRUSTED_ORIGINS"),
    ({"EVENT_LOG": "/var/log/events"}, "EVENT_LOG is none of stdout, stderr"),
    ({"LOG_LEVEL": "loud"}, "LOG_LEVEL is none of"),
    ({"LOG_FORMAT": "xml"}, "LOG_FORMAT is none of text, json"),
    ({"PORT": "http"}, "PORT is not a whole number"),
    ({"PORT": "70000"}, "PORT is not between"),
    ({"WEB_THREADS": "0"}, "WEB_THREADS is not between"),
    ({"DATABASE_URL": "sqlite:///db?nonsense=1"}, "DATABASE_URL has an option that does not exist"),
    ({"DATABASE_URL": "sqlite:////tmp"}, "DATABASE_URL names a folder"),
    ({"DATABASE_URL": f"postgres://u:{UNSEEN}@h/n?x=1"}, "DATABASE_URL has an option that does"),
    ({"DATABASE_URL": "postgres://h/n?sslmode=maybe"}, "DATABASE_URL has an sslmode"),
    ({"DATABASE_URL": "postgres://h/n?connect_timeout=x"}, "DATABASE_URL has a connect_timeout"),
    ({"CACHE_URL": f"redis://:{UNSEEN}@h/0?nonsense=1"}, "CACHE_URL has an option that does"),
    ({"CACHE_URL": "locmemcache://?nonsense=1"}, "CACHE_URL has an option that does not"),
    ({"CACHE_URL": "redis://h/first"}, "CACHE_URL names a database of Redis"),
    ({"CACHE_URL": "filecache:///tmp"}, "CACHE_URL does not begin with redis"),
    ({"EMAIL_URL": "nonsense"}, "EMAIL_URL does not begin with one of smtp://"),
    ({"EMAIL_URL": f"http://u:{UNSEEN}@h"}, "EMAIL_URL does not begin with one of smtp://"),
    ({"EMAIL_URL": f"smtp://u:{UNSEEN}@h:x"}, "EMAIL_URL is not an address"),
    ({"EMAIL_URL": "smtp://"}, "EMAIL_URL names no host"),
    ({"EMAIL_URL": "smtp://user@h"}, "EMAIL_URL needs a user and a password"),
    ({"EMAIL_URL": "smtp://h?timeout=5"}, "EMAIL_URL has options"),
    ({"EMAIL_URL": "filemail://"}, "EMAIL_URL names no folder"),
    ({"DEFAULT_FROM_EMAIL": "portal"}, "DEFAULT_FROM_EMAIL is no address"),
    ({"PORTAL_URL": "portal.example.com"}, "PORTAL_URL is not an address"),
    ({"PORTAL_URL": "https://portal.example.com/tokens"}, "PORTAL_URL is not an address"),
    ({"NOTICES_PER_DAY": "few"}, "NOTICES_PER_DAY is not a whole number"),
    ({"NOTICE_LANGUAGE": "os.path"}, "NOTICE_LANGUAGE is 'os.path', which is no function"),
    ({"CLAIMS": "os.getcwd"}, "CLAIMS is 'os.getcwd', which does not take a user and a session"),
    ({"CLAIMS": "os.path"}, "CLAIMS is 'os.path', which is no function"),
    ({"STATIC_ROOT": __file__}, "STATIC_ROOT is no folder"),
    ({"STATIC_ROOT": f"{__file__}/static"}, "STATIC_ROOT is no folder, or is in none"),
    ({"ALLOWED_HOSTS": "http://example.com"}, "ALLOWED_HOSTS has 'http://example.com'"),
    ({"ALLOWED_HOSTS": "example.com,example.com:8000"}, "ALLOWED_HOSTS has 'example.com:8000'"),
    ({"ALLOWED_HOSTS": "*.example.com"}, "ALLOWED_HOSTS has '*.example.com'"),
    ({"TRUSTED_PROXIES": "0.0.0.0/0"}, "TRUSTED_PROXIES has '0.0.0.0/0': anyone"),
    ({"TRUSTED_PROXIES": "::/0"}, "TRUSTED_PROXIES has '::/0': anyone"),
    ({"CSRF_TRUSTED_ORIGINS": "https://x.example/path"}, "CSRF_TRUSTED_ORIGINS has 'https://x"),
    ({"CSRF_TRUSTED_ORIGINS": "https://"}, "CSRF_TRUSTED_ORIGINS has 'https://'"),
    ({"CSRF_TRUSTED_ORIGINS": "https://x:port"}, "CSRF_TRUSTED_ORIGINS has 'https://x:port'"),
    ({"CORS_ALLOWED_ORIGINS": "https://*.x.example"}, "CORS_ALLOWED_ORIGINS has 'https://*.x"),
    ({"WEBHOOK_URL": "https://x y/"}, "WEBHOOK_URL is not an"),
    ({"SCRIPT_NAME": "tokens"}, "SCRIPT_NAME is no path"),
    ({"BIND": "127.0.0.1:http"}, "BIND is no address to listen on"),
    ({"BIND": "unix:/no/such/socket"}, "BIND is a socket in a folder that does not exist"),
    ({"PROMETHEUS_MULTIPROC_DIR": "/no/such/folder"}, "PROMETHEUS_MULTIPROC_DIR is no folder"),
]
RIGHT = [
    {"DATABASE_URL": "postgres://u:p@h1:1,h2:2/n?target_session_attrs=read-write&sslmode=require"},
    {"DATABASE_URL": "postgres://h/n?options=-c%20search_path%3Dx&application_name=portal"},
    {"CACHE_URL": "rediss://:password@cache.example:6380/1?timeout=60&key_prefix=x"},
    {"CACHE_URL": "locmemcache://?max_entries=10"},
    {"CLAIMS": "os.path.join"},
    {"EMAIL_URL": "smtp+tls://user:p%40ss@mail.example:587", "PORTAL_URL": "https://x.example/"},
    {"EMAIL_URL": "filemail:///tmp/mails", "DEFAULT_FROM_EMAIL": "The portal <p@x.example>"},
    {"STATIC_ROOT": "/tmp/to/be/made"},
    {"ALLOWED_HOSTS": "*"},
    {"ALLOWED_HOSTS": ".example.com,portal,127.0.0.1,[::1],a_b.example"},
    {"TRUSTED_PROXIES": "10.0.0.0/8,fc00::/7,unix"},
    {"CSRF_TRUSTED_ORIGINS": "https://*.example.com,http://[::1]:8000,https://x:8443"},
    {"CORS_ALLOWED_ORIGINS": "https://app.example.com,http://localhost:3000"},
    {"SCRIPT_NAME": "/tokens/"},
    {"WEBHOOK_URL": "https://x.example/a?b=%20c"},
]


@pytest.mark.once
def test_mails_go_to_the_folder_that_is_named(environ):
    show = "from django.conf import settings; print(settings.EMAIL_FILE_PATH)"
    words = ("manage.py", "shell", "--verbosity", "0", "-c", show)
    _status, said, _cpu = start(environ, *words, EMAIL_URL="filemail:///tmp/mails")
    assert said.splitlines()[-1] == "/tmp/mails"


def start(environ, *words, **changes):
    """Run a command of the portal. Returns its status, its output and its seconds of CPU.

    CPU and not wall time, which depends on what else the machine is doing.
    """
    env = {**environ, "PORT": str(free_port()), **changes}
    began = cpu_of_children()
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout + done.stderr, cpu_of_children() - began


def cpu_of_children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def lines_of(said):
    """Return the lines without gunicorn's own log."""
    return [line for line in said.splitlines() if not line.startswith("[")]


@pytest.fixture
def environ(tmp_path):
    """Return an environment with right settings."""
    return {
        "PATH": "/usr/bin:/bin",
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "ENV_FILE": str(tmp_path / ".env"),
        "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "JWT_SIGNING_KEY": secrets.token_urlsafe(48),
        "AUDIT_KEY": secrets.token_urlsafe(48),
        "HTTPS": "off",
    }


@pytest.mark.parametrize(("changes", "expected"), WRONG, ids=[line for _, line in WRONG])
def test_server_names_the_wrong_setting_in_one_line(environ, changes, expected):
    status, said, seconds = start(environ, *SERVER, **changes)
    (line,) = lines_of(said)
    assert expected in line
    assert status != 0
    assert UNSEEN not in said
    assert seconds < SECONDS


@pytest.mark.parametrize("changes", RIGHT, ids=str)
def test_right_value_is_not_refused(environ, changes):
    status, said, _ = start(environ, "-m", "portal.startup", **changes)
    assert (status, said) == (0, "")


def test_server_names_every_wrong_value_at_once(environ):
    _, said, _ = start(environ, *SERVER, LOG_LEVEL="loud", HTTPS="of", CACHE_URL="x")
    assert len(lines_of(said)) == 3


def test_server_says_that_the_port_is_in_use(environ):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        status, said, seconds = start(environ, *SERVER, PORT=port)
        before = start(environ, "manage.py", "quickstart", PORT=port)
    for code, text in ((status, said), before[:2]):
        (line,) = lines_of(text)
        assert f"cannot listen on 127.0.0.1:{port}" in line
        assert code != 0
    assert seconds < SECONDS


@pytest.mark.parametrize("line", [UNSEEN, f"AUDIT KEY={UNSEEN}", f"AUDIT_KEY='{UNSEEN}"])
def test_malformed_line_of_the_env_file_is_named_without_its_text(environ, tmp_path, line):
    (tmp_path / ".env").write_text(f"# right\nDEBUG=off\n{line}\n")
    status, said, _ = start(environ, *SERVER)
    (shown,) = lines_of(said)
    assert ".env, line 3," in shown
    assert UNSEEN not in said
    assert status != 0


@pytest.mark.parametrize(
    ("changes", "expected"), [WRONG[5], WRONG[14], WRONG[34], WRONG[38]], ids=range(4)
)
def test_commands_name_the_wrong_setting_in_one_line(environ, changes, expected):
    status, said, _ = start(environ, "manage.py", "migrate", **changes)
    (line,) = lines_of(said)
    assert expected in line
    assert status != 0


@pytest.mark.parametrize("pool", ["0", "4"])
def test_command_names_a_database_that_does_not_answer(environ, pool):
    url = f"postgres://u:{UNSEEN}@127.0.0.1:{free_port()}/n"
    status, said, _ = start(
        environ, "manage.py", "migrate", DATABASE_URL=url, DATABASE_POOL_SIZE=pool
    )
    (line,) = lines_of(said)
    assert line.startswith("DATABASE_URL: ")
    assert "onnection refused" in line
    assert UNSEEN not in line
    assert status != 0


@pytest.mark.parametrize(
    "make",
    [
        lambda: secrets.token_urlsafe(32),
        lambda: secrets.token_urlsafe(48),
        lambda: secrets.token_hex(32),
        get_random_secret_key,
        lambda: "secret" + secrets.token_urlsafe(32),
    ],
)
def test_no_strong_random_key_is_weak(make):
    # 100,000 keys of five kinds.
    assert not any(is_weak(make()) for _ in range(20_000))


@pytest.mark.parametrize(
    "secret",
    [
        "x",
        "password" * 8,
        "0123456789abcdef" * 4,
        "your-256-bit-secret" * 3,
        "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "please-change-this-secret-key-in-production-please",
        "my-super-secret-jwt-signing-key-for-production-use",
        "hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg",
    ],
)
def test_key_that_can_be_guessed_is_weak(secret):
    assert is_weak(secret)


def test_command_names_a_wrong_number_of_workers_in_one_line(environ):
    # gunicorn converts WEB_CONCURRENCY when it is imported; `make run` asks the portal first.
    status, said, _seconds = start(environ, "manage.py", "check", WEB_CONCURRENCY="many")
    assert lines_of(said) == ["WEB_CONCURRENCY is not a whole number: 'many'."]
    assert status != 0
