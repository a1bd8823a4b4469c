"""Fill the tables with tokens: ``python -m django fill 1M --settings bench.settings``."""

import time
from typing import Any

import jwt
from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.core.management.base import BaseCommand, CommandParser
from django.db import connection
from django.utils import timezone

from bench.fill.load import highest, load
from bench.fill.rows import COHORTS, HEAVY_SESSIONS, ROUNDS, Plan, ours, shared

PASSWORD = "correct horse battery staple"
# From this number of tokens on, dropping and recreating the indexes is faster.
BARE_FROM = 200_000


def number(text: str) -> int:
    factor = {"k": 1_000, "M": 1_000_000}.get(text[-1:], 1)
    return int(text.rstrip("kM")) * factor


class Command(BaseCommand):
    help = "Fill the tables with tokens as years of use would leave them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tokens", type=number, help="how many, such as 10k, 1M or 10M")
        parser.add_argument("--days", type=float, default=20, help="over which they were issued")
        parser.add_argument("--cohorts", type=int, default=COHORTS)
        parser.add_argument("--rounds", type=int, default=ROUNDS, help="tokens of a session")
        parser.add_argument(
            "--heavy", type=int, default=HEAVY_SESSIONS, help="sessions of a user with many"
        )
        parser.add_argument(
            "--rows-from",
            default="",
            help="a PostgreSQL server that makes up the rows where the database is SQLite",
        )
        parser.add_argument(
            "--random-ids", action="store_true", help="as before ids grew with time"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        started = time.monotonic()
        plan = make_plan(
            random_ids=options["random_ids"],
            **{name: options[name] for name in ("tokens", "days", "cohorts", "rounds", "heavy")},
        )
        every = [*shared(plan), *(ours(plan) if apps.is_installed("tokens") else ())]
        load(
            every,
            say=self.stdout.write,
            rows_from=options["rows_from"],
            bare=plan.token_base == 0 and plan.total >= BARE_FROM,
        )
        took = time.monotonic() - started
        self.stdout.write(f"{took:8.1f} s  {plan.total:,} tokens of {plan.sessions:,} sessions")
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_size_pretty(pg_database_size(current_database()))")
                self.stdout.write(f"            {cursor.fetchone()[0]} on disk")


def make_plan(*, tokens: int, days: float, random_ids: bool = False, **shape: int) -> Plan:
    password = make_password(PASSWORD)
    portal = apps.is_installed("tokens")
    return Plan(
        tokens=tokens,
        end=timezone.now(),
        days=days,
        header=_header(portal),
        password=password,
        password_mark=_mark(password) if portal else "",
        # The stock peer stores whole tokens. This is as long as an HS256 signature.
        signature="" if portal else "s" * 43,
        time_ordered=portal and not random_ids,
        token_base=highest("token_blacklist_outstandingtoken"),
        user_base=highest(get_user_model()._meta.db_table),
        **shape,
    )


def _header(portal: bool) -> str:
    if portal:
        from rest_framework_simplejwt.tokens import RefreshToken

        from tokens.jwt.signing import sign

        return sign(RefreshToken()).split(".")[0]
    key = settings.SIMPLE_JWT["SIGNING_KEY"]
    return jwt.encode({}, key, algorithm="HS256").split(".")[0]


def _mark(password: str) -> str:
    from tokens.validation.token_context import password_mark

    return password_mark(get_user_model()(password=password))
