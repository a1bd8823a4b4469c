from datetime import timedelta

from django.core.management.base import CommandParser

from tokens.db import clock
from tokens.jwt.keys import in_database
from tokens.keyring.acts import retire_due_keys
from tokens.management import purge
from tokens.management.base import MAX_DAYS, TokensCommand, whole_number
from tokens.management.filters import text
from tokens.models import OutstandingToken
from tokens.revocation.proposals import close_overdue


class Command(TokensCommand):
    help = (
        "Delete expired tokens, ended sessions and old login counters. It keeps every row that "
        "this portal or another service on the same tables still needs to decide about a token. "
        "Use purge_events for the audit trail."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--days",
            type=whole_number(0, MAX_DAYS),
            default=1,
            help="Keep rows that expired within this many days (default 1, because clocks and "
            "leeways of other services differ).",
        )
        parser.add_argument(
            "--reason",
            type=text,
            default="purge",
            help="The reason for the audit trail (default purge).",
        )
        parser.add_argument("--dry-run", action="store_true", help="Count, but delete nothing.")

    def handle(self, *, days: int, reason: str, dry_run: bool, as_json: bool, **_: object) -> None:
        now = clock.now()
        before = now - timedelta(days=days)
        if dry_run:
            facts = {
                "tokens": OutstandingToken.objects.filter(expires_at__lt=before).count(),
                "sessions": purge.count_sessions(before=before),
                "counters": purge.count_counters(now=now),
            }
            line = (
                f"Would delete {facts['tokens']} tokens, {facts['sessions']} sessions and "
                f"{facts['counters']} counters and browser sessions."
            )
            self.tell({"dry_run": True, **facts}, line, as_json=as_json)
            return
        low, high = purge.token_id_range()
        tokens = sessions = 0
        with self.bar(total=high - low + 1, unit="id", unit_scale=True) as bar:
            for ids, deleted in purge.purge_tokens(before=before, reason=reason):
                tokens += deleted
                bar.update(ids)
        for deleted in purge.purge_sessions(before=before, reason=reason):
            sessions += deleted
        purge.purge_revoked_sessions()
        counters = purge.purge_counters(now=now, reason=reason)
        purge.purge_browser_cutoffs(now=now)
        close_overdue()
        purge.purge_feed(now=now)
        purge.purge_notices(now=now)
        purge.purge_windows(now=now, reason=reason)
        keys = [key.kid for key in retire_due_keys()] if in_database() else []
        facts = {"tokens": tokens, "sessions": sessions, "counters": counters}
        line = f"Deleted {tokens} tokens, {sessions} sessions and {counters} counters "
        line += "and browser sessions."
        if keys:
            line += f" Retired the signing keys {', '.join(keys)}."
        # A ring that is not used has no key to retire.
        retired = {"keys": keys} if in_database() else {}
        self.tell(facts | retired, line, as_json=as_json)
