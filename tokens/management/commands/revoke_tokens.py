import time
import uuid
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from tokens.management.long import LongCommand, instant
from tokens.revocation import (
    Revocation,
    Selection,
    count_all,
    cut_off,
    revoke_in_batches,
    work_off,
)
from tokens.selectors.jobs import unfinished_jobs

# Between two looks at a job that another worker has in hand.
STRETCH_SECONDS = 2.0


class Command(LongCommand):
    help = (
        "Revoke everything that matches: all that is given must hold. Each batch commits with its "
        "event, so it may be interrupted and run again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--user", action="append", default=[], metavar="NAME")
        parser.add_argument("--session", action="append", default=[], type=uuid.UUID, metavar="SID")
        parser.add_argument("--ip")
        parser.add_argument("--client", default="")
        parser.add_argument("--issued-after", type=instant, metavar="INSTANT")
        parser.add_argument("--issued-before", type=instant, metavar="INSTANT")
        parser.add_argument("--everybody", action="store_true")
        parser.add_argument("--reason", default="", help="Goes into the trail; needed to revoke.")
        parser.add_argument("--dry-run", action="store_true", help="Say what would end.")
        parser.add_argument(
            "--resume",
            action="store_true",
            help="Go on with the long revocations that staff began on the pages, to their end.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["resume"]:
            self._resume(as_json=options["json"])
            return
        selection = self._selection(options)
        if selection.empty:
            raise CommandError("Say what to revoke; for every session there is, say --everybody.")
        review = count_all(selection=selection)
        if options["dry_run"]:
            facts = {"tokens": review.tokens, "sessions": review.sessions, "users": review.users}
            line = (
                f"Would revoke {review.tokens} tokens in {review.sessions} sessions "
                f"of {review.users} users."
            )
            self.tell({"dry_run": True, **facts}, line, as_json=options["json"])
            return
        if not options["reason"].strip():
            raise CommandError("--reason is needed: it goes into the audit trail.")
        total = self._revoke(selection, review.sessions, options["reason"])
        facts = {"tokens": total.tokens, "sessions": total.sessions, "users": total.users}
        line = f"Revoked {total.tokens} tokens in {total.sessions} sessions of {total.users} users."
        self.tell(facts, line, as_json=options["json"])

    def _resume(self, *, as_json: bool) -> None:
        jobs = list(unfinished_jobs())
        total = Revocation()
        for job in jobs:
            before = Revocation(job.tokens, job.sessions)
            with self.bar(total=job.expected, initial=job.sessions, unit="session") as bar:
                while job.finished_at is None:
                    worked = work_off(job=job, seconds=STRETCH_SECONDS)
                    bar.update(worked.sessions - job.sessions)
                    if worked.worked_at == job.worked_at and worked.finished_at is None:
                        time.sleep(STRETCH_SECONDS)
                    job = worked
            total += Revocation(job.tokens - before.tokens, job.sessions - before.sessions)
        facts = {"jobs": len(jobs), "tokens": total.tokens, "sessions": total.sessions}
        line = (
            f"Finished {len(jobs)} long revocations: {total.tokens} tokens "
            f"in {total.sessions} sessions."
        )
        self.tell(facts, line, as_json=as_json)

    def _revoke(self, selection: Selection, sessions: int, reason: str) -> Revocation:
        everybody = Selection(everybody=True, issued_before=selection.issued_before)
        if selection == everybody:
            # One row that holds from its commit on, whatever is in flight.
            until = selection.issued_before or timezone.now()
            return cut_off(not_before=until, actor=None, reason=reason)
        total = Revocation()
        with self.bar(total=sessions, unit="session", unit_scale=True) as bar:
            for step in revoke_in_batches(selection=selection, actor=None, reason=reason):
                total += step
                bar.update(step.sessions)
        return total

    @staticmethod
    def _selection(options: dict[str, Any]) -> Selection:
        users = get_user_model()._default_manager
        field = get_user_model().USERNAME_FIELD
        found = dict(users.filter(**{f"{field}__in": options["user"]}).values_list(field, "pk"))
        if missing := set(options["user"]) - found.keys():
            raise CommandError(f"There is no such user: {', '.join(sorted(missing))}")
        return Selection(
            users=tuple(found[name] for name in options["user"]),
            sessions=tuple(options["session"]),
            ip=options["ip"],
            client=options["client"],
            issued_after=options["issued_after"],
            issued_before=options["issued_before"],
            everybody=options["everybody"],
        )
