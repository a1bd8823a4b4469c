"""Print refresh tokens that are valid now, one on a line: unsigned token, tab, user name.

The tables hold unsigned tokens. The harness has the key, and signs them.
"""

from datetime import timedelta
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandParser
from django.db.models.functions import MD5
from django.utils import timezone

from bench.fill.load import load
from bench.fill.management.commands.fill import make_plan
from bench.fill.rows import ours, shared


class Command(BaseCommand):
    help = "Print refresh tokens that are good now."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("count", type=int)
        parser.add_argument("--fresh", action="store_true", help="of sessions made for this")
        parser.add_argument("--operator", action="store_true", help="the first may do anything")
        parser.add_argument("--rows-from", default="", help="as for `fill`")

    def handle(self, *args: Any, **options: Any) -> None:
        # Don't import tokens.models, which the stock peer does not have.
        outstanding = apps.get_model("token_blacklist", "OutstandingToken").objects
        good = outstanding.filter(
            blacklistedtoken=None, expires_at__gt=timezone.now() + timedelta(hours=12)
        )
        if options["fresh"]:
            plan = make_plan(tokens=options["count"], days=0.01, cohorts=1, rounds=1)
            every = [*shared(plan), *(ours(plan) if apps.is_installed("tokens") else ())]
            load(every, say=self.stderr.write, rows_from=options["rows_from"])
            good = good.filter(pk__gt=plan.token_base)
        # This order spreads over the whole table.
        good = good.order_by(MD5("jti"))
        rows = good.values_list("token", "user__username")[: options["count"]]
        if options["operator"]:
            first = good.values_list("user")[:1]
            get_user_model().objects.filter(pk=first[0][0]).update(is_superuser=True)
        for token, username in rows:
            self.stdout.write(f"{token.rpartition('.')[0]}\t{username}")
