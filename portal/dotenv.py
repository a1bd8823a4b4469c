"""Write the first `.env`, before Django reads its settings.

simplejwt needs SECRET_KEY when it is imported, so no management command can start without one.
"""

import os
import re
import secrets
from contextlib import suppress
from pathlib import Path

SECRETS = ("SECRET_KEY", "JWT_SIGNING_KEY", "AUDIT_KEY")
BASE_DIR = Path(__file__).resolve().parent.parent
AUDIT_KEY_LINE = re.compile(r"^[ \t]*+(?:export[ \t]++)?AUDIT_KEY[ \t]*+=[ \t]*+\S", re.MULTILINE)
LOG_FORMAT_LINE = re.compile(r"^(?:export )?LOG_FORMAT=['\"]?(\w*+)", re.MULTILINE)
HEADER = "# Written by `manage.py quickstart`. docs/operating.md lists every setting.\n"
HTTPS_OFF = """\
# The loopback address needs no TLS. Remove this line in a deployment.
HTTPS=off
"""


def env_file() -> Path:
    """Return the path of `.env`."""
    return Path(os.environ.get("ENV_FILE") or BASE_DIR / ".env")


def log_format() -> str:
    """Return LOG_FORMAT, from the environment or else from `.env`; "" if neither has it.

    What is wrong in the file is for `portal.settings` to report.
    """
    if "LOG_FORMAT" in os.environ:
        return os.environ["LOG_FORMAT"]
    with suppress(OSError, UnicodeDecodeError):
        if found := LOG_FORMAT_LINE.search(env_file().read_text("utf-8")):
            return found[1]
    return ""


def write_if_missing() -> list[str]:
    """Write `.env` with what the environment lacks, unless it exists.

    Return the names of the settings in it. The file is created with mode 600.
    """
    path = env_file()
    if path.exists():
        return []
    lines = {name: f"{name}={secrets.token_urlsafe(48)}\n" for name in SECRETS}
    lines["HTTPS"] = HTTPS_OFF
    missing = [name for name in lines if not os.environ.get(name)]
    if missing:
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(HEADER + "".join(lines[name] for name in missing))
    return missing


def add_audit_key() -> bool:
    """Add an AUDIT_KEY to `.env`, if neither it nor the environment has one.

    A `.env` of an earlier release has none. Return True if it was added.
    """
    path = env_file()
    if os.environ.get("AUDIT_KEY") or (path.exists() and not path.is_file()):
        return False
    text = path.read_text() if path.exists() else ""
    if AUDIT_KEY_LINE.search(text):
        return False
    gap = "\n" if text and not text.endswith("\n") else ""
    try:
        with os.fdopen(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600), "w") as file:
            file.write(f"{gap}AUDIT_KEY={secrets.token_urlsafe(48)}\n")
    except OSError:
        return False  # A read-only file or folder; `check` says that the key is missing.
    return True
