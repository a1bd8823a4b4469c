"""A portal that looks used, for a first look and for pictures of it."""

import json
from collections import Counter
from random import Random
from typing import Any

import time_machine
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils import timezone
from tqdm import tqdm

from tokens.management.demo import AUDITOR, PEOPLE, SUPPORT, plan
from tokens.models import Session


class Command(BaseCommand):
    help = (
        "Invent two dozen people and live through some days of their logins, refreshes, reuses "
        "and revocations, with the code that serves real ones. All of it or, if interrupted, "
        "none; run again, it changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=int, default=14, help="How far back (default 14).")
        parser.add_argument("--people", type=int, default=22, help="How many (4 to 22).")
        parser.add_argument("--seed", type=int, default=7, help="Another seed, other days.")
        parser.add_argument(
            "--password",
            default=None,
            help="A password for all of them. Without one, nobody can log in as any of them.",
        )
        parser.add_argument(
            "--yes", action="store_true", help="Go ahead on a portal that is served over HTTPS."
        )
        parser.add_argument("--json", action="store_true", help="Print the counts as JSON.")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.HTTPS and not options["yes"]:
            raise CommandError(
                "HTTPS is on, so this looks like a deployment, and an event can never be removed "
                "again. Add --yes if you want invented people in it all the same."
            )
        if not 1 <= options["days"] <= 365:
            raise CommandError("--days must lie between 1 and 365.")
        if not 4 <= options["people"] <= len(PEOPLE):
            raise CommandError(f"--people must lie between 4 and {len(PEOPLE)}.")
        users = get_user_model()._default_manager
        if users.filter(**{f"{get_user_model().USERNAME_FIELD}__in": PEOPLE}).exists():
            self._say(
                Counter(), "The demo's people are here already: nothing was changed.", options
            )
            return
        with transaction.atomic():
            counts = self._live(options)
        counts["people"] = options["people"] + 2
        counts["live sessions"] = Session.objects.filter(
            revoked_at=None, expires_at__gt=timezone.now()
        ).count()
        self._say(counts, f"Invented {options['days']} days.", options)

    def _live(self, options: dict[str, Any]) -> "Counter[str]":
        now = timezone.now()
        rng = Random(options["seed"])  # noqa: S311  (nothing secret is drawn from it)
        cast = PEOPLE[: options["people"]]
        people = {name: self._person(name, options["password"]) for name in cast}
        support = self._person(SUPPORT, options["password"], group="Token staff")
        self._person(AUDITOR, options["password"], group="Token auditors")
        steps = plan(people=people, support=support, now=now, days=options["days"], rng=rng)
        counts: Counter[str] = Counter()
        # The clock is moved, not the rows: what is written is what would have been written.
        for step in tqdm(steps, unit="step", disable=options["json"] or None):
            with time_machine.travel(step.at, tick=True):
                step.act()
            counts[step.kind] += 1
        return counts

    @staticmethod
    def _person(name: str, password: str | None, group: str = "") -> Any:
        users = get_user_model()._default_manager
        first, _, last = name.partition(".")
        user = users.create_user(
            name,
            f"{name}@example.com",
            password,
            first_name=first.title(),
            last_name=last.title(),
            is_staff=bool(group),
        )
        if group:
            user.groups.add(Group.objects.get(name=group))
        return user

    def _say(self, counts: "Counter[str]", line: str, options: dict[str, Any]) -> None:
        if options["json"]:
            self.stdout.write(json.dumps({"seeded": bool(counts), **counts}))
            return
        self.stdout.write(line)
        for kind, count in counts.items():
            self.stdout.write(f"  {count:5d} {kind}")
