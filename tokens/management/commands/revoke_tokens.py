import time
import uuid

from django.core.management.base import CommandError, CommandParser

from tokens.conf import app_settings
from tokens.listing.jobs import selection_of, unfinished_jobs
from tokens.listing.sessions import SessionQuery
from tokens.listing.users import account_named
from tokens.management.base import TokensCommand
from tokens.management.filters import add_filters, read_filters
from tokens.revocation import (
    Revocation,
    Selection,
    count_all,
    cut_off,
    revoke_in_batches,
    work_off,
)

# The filter that this command can take several times.
NAMED = ("user",)
# The pause between two looks at a job that another worker holds.
STRETCH_SECONDS = 2.0
# How many unreadable revocations the command names.
NAMED_JOBS = 20


class Command(TokensCommand):
    help = (
        "Revoke the sessions that match all of the options. Each batch commits with its event, so "
        "the command can be interrupted and run again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--user",
            action="append",
            default=[],
            metavar="NAME",
            help="Name of a user; can be given several times.",
        )
        parser.add_argument(
            "--session",
            action="append",
            default=[],
            type=uuid.UUID,
            metavar="SID",
            help="Id of a session; can be given several times.",
        )
        add_filters(parser, SessionQuery, without=NAMED)
        parser.add_argument(
            "--everybody",
            action="store_true",
            help="Every session, or with --issued-before those opened before: sets a cutoff.",
        )
        parser.add_argument("--reason", default="", help="Recorded in the trail; required.")
        parser.add_argument("--dry-run", action="store_true", help="Print what would end.")
        parser.add_argument(
            "--resume",
            action="store_true",
            help="Finish the long revocations that staff started on the pages.",
        )

    def handle(
        self,
        *,
        user: list[str],
        session: list[uuid.UUID],
        everybody: bool,
        reason: str,
        dry_run: bool,
        resume: bool,
        as_json: bool,
        **filters: object,
    ) -> None:
        if resume:
            self._resume(as_json=as_json)
            return
        selection = _selection(user, session, everybody, filters)
        if everybody and (selection.named or selection.matching is not None):
            raise CommandError("--everybody can be combined with --issued-before alone.")
        if selection.empty:
            raise CommandError("Give a filter. To revoke every session, give --everybody.")
        review = count_all(selection=selection)
        if dry_run:
            facts = {"tokens": review.tokens, "sessions": review.sessions, "users": review.users}
            line = (
                f"Would revoke {review.tokens} tokens in {review.sessions} sessions "
                f"of {review.users} users."
            )
            self.tell({"dry_run": True, **facts}, line, as_json=as_json)
            return
        if not reason.strip():
            raise CommandError("--reason is required: the audit trail records it.")
        most = app_settings.TWO_PERSON_OVER
        if most and (selection.everything or review.tokens > most):
            warning = f"TWO_PERSON_OVER is {most}, but no second person approves what a shell does."
            self.stderr.write(self.style.WARNING(warning))
        total = self._revoke(selection, review.sessions, reason)
        facts = {"tokens": total.tokens, "sessions": total.sessions, "users": total.users}
        line = f"Revoked {total.tokens} tokens in {total.sessions} sessions of {total.users} users."
        self.tell(facts, line, as_json=as_json)

    def _resume(self, *, as_json: bool) -> None:
        found = {job: selection_of(job) is not None for job in unfinished_jobs()}
        jobs = [job for job, readable in found.items() if readable]
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
        if unreadable := [str(job.pk) for job, readable in found.items() if not readable]:
            raise CommandError(
                f"The portal did not write these revocations, which were left out: "
                f"{', '.join(unreadable[:NAMED_JOBS])}{'…' * (len(unreadable) > NAMED_JOBS)}"
            )

    def _revoke(self, selection: Selection, sessions: int, reason: str) -> Revocation:
        everybody = Selection(everybody=True, issued_before=selection.issued_before)
        if selection == everybody:
            # The cutoff's row ends everything from its commit on, including logins in flight.
            return cut_off(not_before=selection.issued_before, actor=None, reason=reason)
        total = Revocation()
        with self.bar(total=sessions, unit="session", unit_scale=True) as bar:
            for step in revoke_in_batches(selection=selection, actor=None, reason=reason):
                total += step
                bar.update(step.sessions)
        return total


def _selection(
    names: list[str], sessions: list[uuid.UUID], everybody: bool, filters: dict[str, object]
) -> Selection:
    found = {name: user.pk for name in names if (user := account_named(name=name)) is not None}
    if missing := set(names) - found.keys():
        raise CommandError(f"There is no such user: {', '.join(sorted(missing))}")
    given = read_filters(SessionQuery, filters)
    # Everybody before an instant is a cutoff, which is one row.
    before = given.pop("issued_before", None)
    return Selection(
        users=tuple(found[name] for name in names),
        sessions=tuple(sessions),
        issued_before=before,
        everybody=everybody,
        matching=SessionQuery(**given) if given else None,
    )
