import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from tokens import audit
from tokens.keys import is_symmetric, make_key
from tokens.management.keyfile import new_material, one_line, replace, with_values
from tokens.management.long import LongCommand
from tokens.models import Kind


class Command(LongCommand):
    help = (
        "Make a new signing key in .env. The old one goes on to verify what it has signed "
        "(JWT_RETIRED_KEYS), so nobody is logged out. Restart the portal afterwards."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--file", default="", help="The file, if it is not .env.")
        parser.add_argument(
            "--keep",
            type=int,
            default=None,
            metavar="N",
            help="Forget all but the N newest retired keys; what they signed is refused then.",
        )
        parser.add_argument("--dry-run", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        path = Path(options["file"] or os.environ.get("ENV_FILE") or settings.BASE_DIR / ".env")
        text = self._read(path)
        algorithm = settings.SIMPLE_JWT["ALGORITHM"]
        old = one_line(settings.JWT_SIGNING_KEY)
        if is_symmetric(algorithm) and ("," in old or "\\n" in old):
            raise CommandError(
                "The present key holds a comma or a line end, so it cannot go into a list: "
                "move it to JWT_RETIRED_KEYS by other means."
            )
        material = new_material(algorithm)
        new_kid = make_key(material=material, algorithm=algorithm).kid
        old_kid = make_key(material=old, algorithm=algorithm).kid
        retired = [old, *(one_line(key) for key in settings.JWT_RETIRED_KEYS)]
        if options["keep"] is not None:
            retired = retired[: max(0, options["keep"])]
        facts = {"new": new_kid, "retired": old_kid, "verifying": len(retired) + 1}
        if options["dry_run"]:
            line = f"Key {old_kid} would be retired; {len(retired) + 1} would verify."
            self.tell({"dry_run": True, **facts}, line, as_json=options["json"])
            return
        values = {"JWT_SIGNING_KEY": material, "JWT_RETIRED_KEYS": ",".join(retired)}
        with transaction.atomic():
            audit.record(kind=Kind.KEY_ADDED, data={"kid": new_kid, "alg": algorithm})
            audit.record(kind=Kind.KEY_RETIRED, data={"kid": old_kid, "alg": algorithm})
            replace(path, with_values(text, values))
        line = f"Key {new_kid} signs from the next start on; {old_kid} goes on to verify."
        self.tell(facts, line, as_json=options["json"])

    @staticmethod
    def _read(path: Path) -> str:
        try:
            text = path.read_text()
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}") from error
        if "JWT_SIGNING_KEY=" not in text:
            raise CommandError(
                f"{path} holds no JWT_SIGNING_KEY: the key comes from the environment, so it has "
                "to be rotated there (the old one into JWT_RETIRED_KEYS)."
            )
        return text
