"""Fill a portal with invented users and sessions, for a first look and for screenshots."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from random import Random

import time_machine
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser, Group
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.db.models import Count
from tqdm import tqdm

from tokens.audit.record import logger
from tokens.db import clock
from tokens.listing.status import live
from tokens.management.demo import AUDITOR, PEOPLE, SUPPORT, PlannedAct, plan_history
from tokens.models import Event, Session
from tokens.models.kinds import MEASURED_KINDS


@contextmanager
def _no_event_log() -> Iterator[None]:
    """Keep invented events out of the log, where other software takes them for real ones."""
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = False


def _count_events(*, since: int) -> "Counter[str]":
    """Count the events after the id ``since`` as the overview does: an act may have no effect."""
    counts: Counter[str] = Counter()
    kinds = Event.objects.filter(pk__gt=since, kind__in=list(MEASURED_KINDS)).order_by()
    for kind, number in kinds.values_list("kind").annotate(Count("pk")):
        counts[MEASURED_KINDS[kind].value] += number
    return counts


class Command(BaseCommand):
    help = (
        "Create two dozen users and play some days of their logins, refreshes, reuses and "
        "revocations through the code that serves real requests. Everything is in one transaction. "
        "A second run changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--days", type=int, default=14, help="The length of the history (default 14)."
        )
        parser.add_argument(
            "--people", type=int, default=22, help="The number of users, 4 to 22 (default 22)."
        )
        parser.add_argument(
            "--seed", type=int, default=7, help="The seed of the random history (default 7)."
        )
        parser.add_argument(
            "--password",
            default=None,
            help="The password of each user. Without it, the users cannot log in.",
        )
        parser.add_argument(
            "--yes", action="store_true", help="Allow it on a portal that is served over HTTPS."
        )
        parser.add_argument(
            "--json", dest="as_json", action="store_true", help="Print the counts as JSON."
        )

    def handle(
        self,
        *,
        days: int,
        people: int,
        seed: int,
        password: str | None,
        yes: bool,
        as_json: bool,
        **_: object,
    ) -> None:
        if getattr(settings, "HTTPS", not settings.DEBUG) and not yes:
            raise CommandError(
                "HTTPS is on, so this looks like a deployment, and events cannot be deleted "
                "afterwards. Add --yes to create the demo users anyway."
            )
        if not 1 <= days <= 365:
            raise CommandError("--days must be between 1 and 365.")
        if not 4 <= people <= len(PEOPLE):
            raise CommandError(f"--people must be between 4 and {len(PEOPLE)}.")
        users = get_user_model()._default_manager
        if users.filter(**{f"{get_user_model().USERNAME_FIELD}__in": PEOPLE}).exists():
            self._print(Counter(), "The demo users exist already. Nothing was changed.", as_json)
            return
        now = clock.now()
        rng = Random(seed)  # noqa: S311  (no secret depends on it)
        with _no_event_log(), transaction.atomic():
            crowd = [self._create_user(name, password) for name in PEOPLE[:people]]
            support = self._create_user(SUPPORT, password, group="Token staff")
            self._create_user(AUDITOR, password, group="Token auditors")
            acts = plan_history(users=crowd, support=support, now=now, days=days, rng=rng)
            latest = Event.objects.order_by("pk").values_list("pk", flat=True).last() or 0
            self._play(acts, silent=as_json)
            counts = _count_events(since=latest)
        counts["people"] = people + 2
        counts["live sessions"] = live(Session.objects.all()).order_by().count()
        self._print(counts, f"Created {days} days of history.", as_json)

    @staticmethod
    def _play(acts: Iterable[PlannedAct], *, silent: bool) -> None:
        # Moving the clock, not the rows, writes exactly what the portal would have written then.
        for planned in tqdm(acts, unit="act", disable=silent or None):
            with time_machine.travel(planned.at, tick=True), clock.following_host():
                planned.act()

    @staticmethod
    def _create_user(name: str, password: str | None, group: str = "") -> AbstractUser:
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

    def _print(self, counts: "Counter[str]", line: str, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps({"seeded": bool(counts), **counts}))
            return
        self.stdout.write(line)
        for kind, count in counts.items():
            self.stdout.write(f"  {count:5d} {kind}")
