"""From a fresh clone to a portal that can be served; `make run` calls it each time."""

import json
import os
import secrets
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

UNKNOWN = "PASSWORD"
FROM_SHELL = "$DJANGO_SUPERUSER_PASSWORD"


class Command(BaseCommand):
    help = (
        "Migrate, collect static files and make the first superuser, each only where it is "
        "missing; manage.py writes .env before that. Running it again changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--quiet", action="store_true", help="Say only what was changed.")

    def handle(self, *args: Any, quiet: bool, **options: Any) -> None:
        self._migrate()
        call_command("collectstatic", interactive=False, verbosity=0)
        username, password = self._superuser()
        if not quiet:
            self._say_where(username, password)

    def _migrate(self) -> None:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            call_command("migrate", interactive=False, verbosity=0)
            self._did(f"Migrated the database ({connection.vendor}).")

    def _superuser(self) -> tuple[str, str]:
        """Name of a superuser, and how to write the password in a shell: in clear only where it
        was generated just now, which is the one time that anybody can learn it."""
        users = get_user_model()._default_manager
        existing = users.filter(is_superuser=True, is_active=True).order_by("pk").first()
        given = os.environ.get("DJANGO_SUPERUSER_PASSWORD", "")
        if existing is not None:
            known = bool(given) and existing.check_password(given)
            return existing.get_username(), FROM_SHELL if known else UNKNOWN
        username = os.environ.get("DJANGO_SUPERUSER_USERNAME") or "admin"
        password = given or secrets.token_urlsafe(12)
        users.create_superuser(
            username,
            os.environ.get("DJANGO_SUPERUSER_EMAIL") or f"{username}@localhost.localdomain",
            password,
        )
        if given:
            self._did(f"Made the superuser {username}, with DJANGO_SUPERUSER_PASSWORD.")
            return username, FROM_SHELL
        self._did(f"Made the superuser {username} with the password {password}")
        self._did("  Keep it: it is printed this once and stored nowhere.")
        return username, password

    def _say_where(self, username: str, password: str) -> None:
        base = f"http://127.0.0.1:{os.environ.get('PORT', '8000')}"
        body = json.dumps({"username": username, "password": password})
        # Single quotes as a person would write them; double where the shell has to fill it in.
        quoted = json.dumps(body) if password == FROM_SHELL else f"'{body}'"
        hint = f" (with its password for {UNKNOWN})" if password == UNKNOWN else ""
        self._did(
            f"""
  Staff pages  {base}/staff/
  Your own     {base}/account/sessions/
  Admin        {base}/admin/
  API          {base}/api/docs

Log in through the API{hint}:
  curl -s {base}/api/login -H 'Content-Type: application/json' -d {quoted}
"""
        )

    def _did(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
