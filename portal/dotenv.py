"""The first `.env`, written before Django reads its settings: simplejwt asks for SECRET_KEY as
soon as it is imported, so no management command can start without one."""

import os
import secrets
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
TEMPLATE = """\
# Made by `manage.py quickstart`, with secrets of its own. docs/operating.md lists every setting.
SECRET_KEY={secret_key}
JWT_SIGNING_KEY={signing_key}
DEBUG=off
# Served on the loopback interface without TLS. In a deployment: on, or no such line.
HTTPS=off
"""


def write_if_missing() -> Path | None:
    """Write the file of settings unless it exists or the environment holds both secrets. Only
    its owner can read it, from its first instant on. The path, or None if there was no need."""
    path = Path(os.environ.get("ENV_FILE") or BASE_DIR / ".env")
    if path.exists() or (os.environ.get("SECRET_KEY") and os.environ.get("JWT_SIGNING_KEY")):
        return None
    text = TEMPLATE.format(
        secret_key=secrets.token_urlsafe(48), signing_key=secrets.token_urlsafe(48)
    )
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(text)
    return path
