from typing import Any

from django.core.management.base import CommandParser

from tokens.logins import unlock
from tokens.management.long import LongCommand


class Command(LongCommand):
    help = "Lift the lock that too many wrong passwords have put on an account."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("username")
        parser.add_argument("--reason", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["username"]
        lifted = unlock(username=name, actor=None, reason=options["reason"])
        line = f"{name} can log in again." if lifted else f"There was no lock on {name}."
        self.tell({"unlocked": lifted}, line, as_json=options["json"])
