"""From a fresh clone to a portal that can be served; `make run` calls it each time."""

import json
import os
import secrets
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

ENV = """\
# Written by `manage.py quickstart` with secrets of its own. docs/operating.md lists every setting.
SECRET_KEY={secret_key}
JWT_SIGNING_KEY={signing_key}
DEBUG=off
# The portal is served on the loopback interface, without TLS. On, or removed, in a deployment.
HTTPS=off
"""
UNKNOWN = "PASSWORD"


class Command(BaseCommand):
    help = (
        "Write .env with fresh secrets, migrate, collect static files and make the first "
        "superuser: each only where it is missing. Running it again changes nothing."
    )
    # The secrets that the checks ask for are what this command makes.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--quiet", action="store_true", help="Say only what was changed.")

    def handle(self, *args: Any, quiet: bool, **options: Any) -> None:
        if self._write_env():
            # Settings were read before there was anything to read.
            os.execv(sys.executable, [sys.executable, *sys.argv])  # noqa: S606
        self.check()
        self._migrate()
        call_command("collectstatic", interactive=False, verbosity=0)
        username, password = self._superuser()
        if not quiet:
            self._say_where(username, password)

    def _write_env(self) -> bool:
        """Make the file of settings if there is neither a file nor a secret in the environment.
        It is readable by its owner from its first instant."""
        path = Path(os.environ.get("ENV_FILE") or settings.BASE_DIR / ".env")
        if path.exists() or ("SECRET_KEY" in os.environ and "JWT_SIGNING_KEY" in os.environ):
            return False
        text = ENV.format(
            secret_key=secrets.token_urlsafe(48), signing_key=secrets.token_urlsafe(48)
        )
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(text)
        self._did(f"Wrote {path.name} with fresh secrets (mode 600).")
        return True

    def _migrate(self) -> None:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            call_command("migrate", interactive=False, verbosity=0)
            self._did(f"Migrated the database ({connection.vendor}).")

    def _superuser(self) -> tuple[str, str]:
        """Name of a superuser, and how its password reads in a shell: in clear only where it
        was generated just now, which is the one time that anybody can learn it."""
        users = get_user_model()._default_manager
        existing = users.filter(is_superuser=True, is_active=True).order_by("pk").first()
        given = os.environ.get("DJANGO_SUPERUSER_PASSWORD", "")
        if existing is not None:
            known = bool(given) and existing.check_password(given)
            return existing.get_username(), "$DJANGO_SUPERUSER_PASSWORD" if known else UNKNOWN
        username = os.environ.get("DJANGO_SUPERUSER_USERNAME") or "admin"
        password = given or secrets.token_urlsafe(12)
        users.create_superuser(  # type: ignore[attr-defined]
            username,
            os.environ.get("DJANGO_SUPERUSER_EMAIL") or f"{username}@localhost.localdomain",
            password,
        )
        if given:
            self._did(f"Made the superuser {username}, with DJANGO_SUPERUSER_PASSWORD.")
            return username, "$DJANGO_SUPERUSER_PASSWORD"
        self._did(f"Made the superuser {username} with the password {password}")
        self._did("  Keep it: it is printed this once and stored nowhere.")
        return username, password

    def _say_where(self, username: str, password: str) -> None:
        base = f"http://127.0.0.1:{os.environ.get('PORT', '8000')}"
        body = json.dumps({"username": username, "password": password})
        # Single quotes as a person would write it; double where the shell fills the password in.
        quoted = json.dumps(body) if password.startswith("$") else f"'{body}'"
        self.stdout.write(
            f"""
  Staff pages  {base}/staff/
  Your own     {base}/account/sessions/
  Admin        {base}/admin/
  API          {base}/api/docs

Log in through the API{" (with its password for PASSWORD)" if password == UNKNOWN else ""}:
  curl -s {base}/api/login -H 'Content-Type: application/json' -d {quoted}
"""
        )

    def _did(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
