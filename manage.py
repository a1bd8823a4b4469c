#!/usr/bin/env python
import os
import sys

from django.core.management import execute_from_command_line

from portal import dotenv

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    os.environ.setdefault("EVENT_LOG", "stderr")
    if sys.argv[1:2] == ["quickstart"] and (written := dotenv.write_if_missing()):
        sys.stdout.write(f"Wrote {written.name} with fresh secrets (mode 600).\n")
        sys.stdout.flush()
    execute_from_command_line(sys.argv)
