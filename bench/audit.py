"""How fast the audit trail is sealed, verified, summed and exported, and in how much memory.

    python -m bench.audit --database postgres://postgres@127.0.0.1:5432/bench_audit --events 1000000

The database is made if there is none, and dropped at the end unless --keep.
"""

import argparse
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

KEY = secrets.token_urlsafe(48)
ROOT = Path(__file__).resolve().parents[1]
FILL = """
INSERT INTO tokens_event (at, kind, actor_id, actor_name, subject_id, subject_name, session_id, jti,
    ip, user_agent, client, request_id, reason, count, data)
SELECT now() - interval '30 days' + n * interval '30 days' / %(events)s,
    (ARRAY['refresh','refresh','refresh','refresh','login','logout','reuse'])[1 + n %% 7],
    n %% 5000, 'user' || n %% 5000, n %% 5000, 'user' || n %% 5000,
    md5((n %% 70000)::text)::uuid, md5(n::text), ('10.' || n %% 250 || '.3.4')::inet,
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0',
    'app', md5((n + 1)::text), '', 1, jsonb_build_object('presented', md5((n + 2)::text))
FROM generate_series(1, %(events)s) AS n
"""
RUN = """
import resource, sys
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


def command(database: str, *words: str) -> tuple[float, int]:
    """Seconds and peak memory in MiB of one command in a process of its own."""
    environment = {**os.environ, "DATABASE_URL": database, "ENV_FILE": os.devnull,
                   "DJANGO_SETTINGS_MODULE": "portal.settings", "EVENT_LOG": "stderr",
                   "SECRET_KEY": KEY[::-1], "JWT_SIGNING_KEY": KEY}  # fmt: skip
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", RUN, "manage.py", *words],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    return time.perf_counter() - began, int(done.stderr.split()[-1]) // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", required=True)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    name = urlsplit(options.database).path.lstrip("/")
    server = options.database.removesuffix(name) + "postgres"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f'DROP DATABASE IF EXISTS "{name}"')
        admin.execute(f'CREATE DATABASE "{name}"')
    command(options.database, "migrate", "--verbosity=0")
    with psycopg.connect(options.database, autocommit=True) as direct:
        direct.execute(FILL % {"events": options.events})
        direct.execute("ANALYZE tokens_event")
    idle, floor = command(options.database, "verify_events", "--json")
    rows = {"start of a command": (idle, floor)}
    rows["seal_events (and sums)"] = command(options.database, "seal_events", "--json")
    rows["verify_events"] = command(options.database, "verify_events", "--json")
    for form in ("csv", "jsonl", "ecs"):
        with tempfile.TemporaryDirectory() as folder:
            rows[f"export_events {form}"] = command(
                options.database, "export_events", f"--format={form}", f"--output={folder}/trail"
            )
    for what, (seconds, memory) in rows.items():
        rate = options.events / max(seconds - idle, 0.001) if what != "start of a command" else 0
        line = {"what": what, "seconds": round(seconds, 2), "peak_mib": memory}
        print(json.dumps({**line, "events_per_second": round(rate)}))
    if not options.keep:
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


if __name__ == "__main__":
    main()
