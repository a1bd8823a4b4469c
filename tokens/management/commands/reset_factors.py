from django.core.management.base import CommandError, CommandParser

from tokens.accounts import factors
from tokens.listing.users import account_named
from tokens.management.base import TokensCommand
from tokens.management.filters import text


class Command(TokensCommand):
    help = "Remove the second factors and recovery codes of an account."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("username")
        parser.add_argument(
            "--reason", type=text, required=True, help="The reason for the audit trail."
        )

    def handle(self, *, username: str, reason: str, as_json: bool, **_: object) -> None:
        user = account_named(name=username)
        if user is None:
            raise CommandError(f"No account is named {username!r}.")
        removed = factors.reset(user=user, actor=None, reason=reason)
        line = f"{username} has no second factor."
        if removed:
            line = f"Removed {removed} of {username}. The password alone logs in."
        self.tell({"removed": removed}, line, as_json=as_json)
