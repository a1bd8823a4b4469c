#!/usr/bin/env python
import logging
import os
import sys

from django.core.management import ManagementUtility, execute_from_command_line
from django.db import DatabaseError, OperationalError
from django.db.migrations.exceptions import MigrationSchemaMissing

from portal import dotenv, startup

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    os.environ.setdefault("EVENT_LOG", "stderr")
    # No scrape reads what a command counts, and its files would stay.
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    if sys.argv[1:2] == ["quickstart"]:
        try:
            if written := dotenv.write_if_missing():
                sys.stdout.write(f"Wrote {', '.join(written)} into .env (mode 600).\n")
            elif dotenv.add_audit_key():
                sys.stdout.write("Added an AUDIT_KEY to the settings file.\n")
        except OSError as error:
            startup.exit_with([f"{dotenv.env_file()} cannot be written: {error.strerror}."])
        sys.stdout.flush()
    startup.load_settings()
    # Its warnings would come before the one line that names the cause.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    if sys.argv[1:] and sys.argv[1] not in ("help", "version") and sys.argv[1][0] != "-":
        command = ManagementUtility(sys.argv).fetch_command(sys.argv[1])
        if getattr(command, "requires_system_checks", ()) and "--skip-checks" not in sys.argv:
            startup.check_settings()
    try:
        execute_from_command_line(sys.argv)
    except DatabaseError as error:
        # Other subclasses, such as IntegrityError, are mistakes of the code.
        if type(error) not in (DatabaseError, OperationalError, MigrationSchemaMissing):
            raise
        startup.exit_with([f"DATABASE_URL: {startup.cause_of(error)}"])
