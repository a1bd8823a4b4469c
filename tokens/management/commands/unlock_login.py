from django.core.management.base import CommandError, CommandParser

from tokens.accounts.passwords import unlock
from tokens.listing.users import account_named
from tokens.management.base import TokensCommand
from tokens.management.filters import text


class Command(TokensCommand):
    help = "Remove the lock that too many failed logins put on an account."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("username")
        parser.add_argument(
            "--reason", type=text, required=True, help="The reason for the audit trail."
        )

    def handle(self, *, username: str, reason: str, as_json: bool, **_: object) -> None:
        if account_named(name=username) is None:
            raise CommandError(f"No account is named {username!r}.")
        counters = unlock(username=username, actor=None, reason=reason)
        line = f"{username} had no failed logins to reset."
        if counters:
            line = f"{username} can log in again; counters that were reset: {counters}."
        self.tell({"unlocked": bool(counters), "counters": counters}, line, as_json=as_json)
