"""Turn a fresh clone into a portal that can be served. `make run` calls it each time."""

import json
import os
import secrets
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from portal.startup import check_port, listening_address

# How the printed curl command writes a password that must not be printed.
PLACEHOLDER = "PASSWORD"
SHELL_VARIABLE = "$DJANGO_SUPERUSER_PASSWORD"
# Which password to type, unless this run printed it.
WHICH = {
    PLACEHOLDER: "its password (PASSWORD below)",
    SHELL_VARIABLE: "DJANGO_SUPERUSER_PASSWORD",
}


class Command(BaseCommand):
    help = (
        "Migrate the database, collect static files and create the first superuser, each only if "
        "it is missing. manage.py writes .env before that. A second run changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--quiet", action="store_true", help="Print only what changed.")
        parser.add_argument(
            "--demo", action="store_true", help="Also create what seed_demo creates."
        )

    def handle(self, *, quiet: bool, demo: bool, **_: object) -> None:
        address = listening_address()
        if not (quiet or demo):
            check_port(address)  # `make run` serves next.
        self._migrate()
        self._collect_static()
        if demo:
            call_command("seed_demo", stdout=self.stdout)
        username, password = self._superuser()
        if demo:
            port = os.environ.get("PORT")
            command = f"make run PORT={port}" if port else "make run"
            self._print(f"\nStart the portal with `{command}`, then open:")
        if not quiet:
            self._print_addresses(address, username, password)

    def _migrate(self) -> None:
        name = str(connection.settings_dict["NAME"])
        if connection.vendor == "sqlite" and "memory" not in Path(name).name:
            # SQLite gives its -wal and -shm files the mode of the database.
            os.close(os.open(name, os.O_CREAT | os.O_RDWR, 0o600))
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            call_command("migrate", interactive=False, verbosity=0)
            self._print(f"Migrated the database ({connection.vendor}).")

    @staticmethod
    def _collect_static() -> None:
        try:
            call_command("collectstatic", interactive=False, verbosity=0)
        except OSError as error:
            where = settings.STATIC_ROOT
            raise CommandError(f"STATIC_ROOT: cannot write to {where}: {error.strerror}.") from None

    def _superuser(self) -> tuple[str, str]:
        """Return the name of a superuser and the text for the password in a curl command.

        The text is the password itself only if this run generated it. It is never printed again.
        """
        users = get_user_model()._default_manager
        existing = users.filter(is_superuser=True, is_active=True).order_by("pk").first()
        given = os.environ.get("DJANGO_SUPERUSER_PASSWORD", "")
        if existing is not None:
            known = bool(given) and existing.check_password(given)
            return existing.get_username(), SHELL_VARIABLE if known else PLACEHOLDER
        username = os.environ.get("DJANGO_SUPERUSER_USERNAME") or "admin"
        password = given or secrets.token_urlsafe(12)
        users.create_superuser(
            username,
            os.environ.get("DJANGO_SUPERUSER_EMAIL") or f"{username}@localhost.localdomain",
            password,
        )
        if given:
            self._print(f"Created the superuser {username} with DJANGO_SUPERUSER_PASSWORD.")
            return username, SHELL_VARIABLE
        self._print(f"Created the superuser {username} with the password {password}")
        self._print("  Write it down: it is not stored, and not printed again.")
        return username, password

    def _print_addresses(
        self, address: tuple[str, int] | str, username: str, password: str
    ) -> None:
        if isinstance(address, str):
            self._print(f"\n  The proxy connects to the socket {address}.\n")
            return
        host, port = address
        if host in ("0.0.0.0", "::"):  # noqa: S104  (a comparison)
            host = "127.0.0.1"
        base = f"http://{f'[{host}]' if ':' in host else host}:{port}{settings.SCRIPT_NAME}"
        body = json.dumps({"username": username, "password": password})
        # The shell replaces the variable only within double quotes.
        quoted = json.dumps(body) if password == SHELL_VARIABLE else f"'{body}'"
        self._print(
            f"""
  Staff pages    {base}/staff/
  Your sessions  {base}/account/sessions/
  Admin          {base}/admin/
  API            {base}/api/docs

Log in as {username} with {WHICH.get(password, password)}, or through the API:
  curl -s {base}/api/login -H 'Content-Type: application/json' -d {quoted}
"""
        )
        if settings.HTTPS:
            self._print(
                "HTTPS is on, so these addresses redirect to https://. Without a proxy that has a "
                "certificate, set HTTPS=off."
            )

    def _print(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
