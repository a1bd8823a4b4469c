"""Measure the audit trail at size: ``python -m bench.audit``.

It times the pages and filters of the trail, and sealing, verifying and exporting, each command in a
process of its own, with the memory that it takes.

    python -m bench.audit --events 10000000 --keep

It needs PostgreSQL. The database (bench_audit) is created and filled unless it exists. Its seals
and rollups are deleted first, so that an existing database can be measured again.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from typing import Any

import psycopg

from bench import report
from bench.hashing import cores
from bench.peers import ROOT, SECRETS, server_url

DATABASE = "bench_audit"
RUN = """
import resource, sys
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.audit", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=15, help="of each page")
    parser.add_argument("--exports", default="csv,jsonl,ecs", help="formats; empty for none")
    parser.add_argument("--keep", action="store_true", help="leave the database for another run")
    parser.add_argument("--no-report", action="store_true")
    options = parser.parse_args()
    prepare(options.events)
    try:
        events, sizes = measure()
        commands = time_commands(events, list(filter(None, options.exports.split(","))))
        pages = time_pages(options.rounds)
    finally:
        if not options.keep:
            administer(f'DROP DATABASE "{DATABASE}" WITH (FORCE)')
    text = part(events, options.rounds, commands, pages, sizes=sizes)
    print(text)
    if not options.no_report:
        report.write({"bench audit": text})


def url() -> str:
    return server_url().rpartition("/")[0] + f"/{DATABASE}"


def environment() -> dict[str, str]:
    return {
        **os.environ, **SECRETS, "DATABASE_URL": url(), "ENV_FILE": os.devnull, "HTTPS": "0",
        "DJANGO_SETTINGS_MODULE": "portal.settings", "EVENT_LOG": "stderr",
        "LOG_LEVEL": "CRITICAL", "STATIC_ROOT": f"{tempfile.gettempdir()}/bench_static",
    }  # fmt: skip


def administer(statement: str) -> None:
    with psycopg.connect(server_url(), autocommit=True) as connection:
        connection.execute(statement.encode())


def prepare(events: int) -> None:
    with psycopg.connect(server_url(), autocommit=True) as connection:
        found = "SELECT FROM pg_database WHERE datname = %s"
        stands = connection.execute(found, [DATABASE]).fetchone() is not None
    if not stands:
        administer(f'CREATE DATABASE "{DATABASE}"')
        python("-m", "bench.audit_fill", str(events))
    manage("migrate", "--verbosity=0")
    with psycopg.connect(url(), autocommit=True) as direct:
        for table in ("tokens_seal", "tokens_rollup", "tokens_trailreader"):
            direct.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER".encode())
            direct.execute(f"TRUNCATE {table}".encode())
            direct.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER".encode())
        direct.execute("VACUUM (ANALYZE) tokens_event")


def measure() -> tuple[int, list[tuple[str, int]]]:
    """Return the number of events, and the bytes of the table and of each index.

    Events of earlier runs count too, because an export is an event.
    """
    with psycopg.connect(url(), autocommit=True) as direct:
        sizes = direct.execute(
            "SELECT relname, pg_relation_size(oid) FROM pg_class WHERE relname = 'tokens_event'"
            " OR oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = 'tokens_event'::regclass)"
            " ORDER BY relkind DESC, 2 DESC"
        ).fetchall()
        row = direct.execute("SELECT count(*) FROM tokens_event").fetchone()
        return int(row[0]) if row else 0, sizes


def python(*words: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *words],
        cwd=ROOT, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    return done


def manage(*words: str) -> tuple[float, int]:
    """Return the seconds and the peak memory in MiB of a command in a process of its own."""
    began = time.perf_counter()
    done = python("-c", RUN, "manage.py", *words)
    return time.perf_counter() - began, int(done.stderr.split()[-1]) // 1024


def time_commands(events: int, exports: list[str]) -> list[tuple[Any, ...]]:
    idle, floor = manage("verify_events", "--json")
    lines: list[tuple[Any, ...]] = [("start of a command", f"{idle:.1f}", "", floor)]
    commands = {"seal_events, with the sums": ("seal_events", "--json")}
    commands["verify_events"] = ("verify_events", "--json")
    with tempfile.TemporaryDirectory() as folder:
        for form in exports:
            commands[f"export_events --format {form}"] = (
                "export_events", f"--format={form}", f"--output={folder}/trail.{form}",
            )  # fmt: skip
        for name, words in commands.items():
            seconds, memory = manage(*words)
            rate = events / max(seconds - idle, 0.001)
            lines.append((name, f"{seconds:.1f}", f"{rate:,.0f}", memory))
            print(json.dumps(lines[-1]), flush=True)
            if words[-1].startswith("--output="):
                os.unlink(words[-1].removeprefix("--output="))
    return lines


def time_pages(rounds: int) -> dict[str, tuple[float, float]]:
    done = python("-m", "bench.audit_pages", str(rounds))
    found: dict[str, tuple[float, float]] = json.loads(done.stdout.splitlines()[-1])
    return found


def part(
    events: int,
    rounds: int,
    commands: list[tuple[Any, ...]],
    pages: dict[str, tuple[float, float]],
    *,
    sizes: list[tuple[str, int]],
) -> str:
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    slowest = max(p50 for p50, _most in pages.values())
    table, indexes = sizes[0][1], sum(size for _name, size in sizes[1:])
    return (
        "### The audit trail\n\n"
        f"`python -m bench.audit --rounds {rounds}` on {datetime.now(UTC):%Y-%m-%d}, {events:,}"
        f" events, PostgreSQL, {cores()} cores; load average at the end: {load}.\n\n"
        + report.rows(("command", "seconds", "events/s", "peak memory, MiB"), commands)
        + f"\nPages, {len(pages)} of them, in one process without a network; the slowest p50 is"
        f" {slowest:.1f} ms.\n\n"
        + report.rows(
            ("page", "p50 ms", "slowest ms"),
            [(name, f"{p50:.1f}", f"{most:.1f}") for name, (p50, most) in pages.items()],
        )
        + f"\nAn event takes {table / events:.0f} bytes, and {indexes / events:.0f} in its"
        f" {len(sizes) - 1} indexes:\n\n"
        + report.rows(
            ("relation", "MiB", "bytes/event"),
            [(name, f"{size / 2**20:,.0f}", f"{size / events:.1f}") for name, size in sizes],
        )
    )


if __name__ == "__main__":
    main()
