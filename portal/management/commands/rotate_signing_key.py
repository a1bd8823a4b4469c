import os
from pathlib import Path

import dotenv
from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from tokens import audit
from tokens.conf import app_settings
from tokens.jwt.keys import configured_algorithm, in_database, make_key
from tokens.management.base import TokensCommand, whole_number
from tokens.models import Kind


class Command(TokensCommand):
    help = (
        "Replace the signing key in .env with a new one. The old key moves to JWT_RETIRED_KEYS and "
        "still verifies the tokens that it signed, so users stay logged in. Restart the portal "
        "afterwards."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--file", default="", help="The file to change (default .env).")
        parser.add_argument(
            "--keep",
            type=whole_number(0, 1000),
            default=None,
            metavar="N",
            help="Keep only the N newest retired keys. Tokens of the removed keys are refused.",
        )
        parser.add_argument("--dry-run", action="store_true", help="Change nothing.")

    def handle(
        self, *, file: str, keep: int | None, dry_run: bool, as_json: bool, **_: object
    ) -> None:
        if in_database():
            raise CommandError("The signing keys are in the database: use manage.py signing_keys.")
        path = Path(file or os.environ.get("ENV_FILE") or settings.BASE_DIR / ".env")
        _require_key_in(path)
        algorithm = configured_algorithm()
        old = on_one_line(app_settings.JWT_SIGNING_KEY)
        if algorithm.symmetric and ("," in old or "\\n" in old):
            raise CommandError(
                "The current key contains a comma or a line end, which JWT_RETIRED_KEYS cannot "
                "hold. Rotate it by hand."
            )
        material = on_one_line(algorithm.generate())
        new_kid = make_key(material=material, algorithm=algorithm).kid
        old_kid = make_key(material=old, algorithm=algorithm).kid
        retired = [old, *(on_one_line(key) for key in app_settings.JWT_RETIRED_KEYS)]
        if keep is not None:
            retired = retired[:keep]
        kept = bool(retired)
        facts = {"new": new_kid, "retired": old_kid, "kept": kept, "verifying": len(retired) + 1}
        if dry_run:
            line = f"Would {'retire' if kept else 'remove'} key {old_kid}; keys that would verify: "
            line += f"{len(retired) + 1}."
            self.tell({"dry_run": True, **facts}, line, as_json=as_json)
            return
        with transaction.atomic():
            audit.record(kind=Kind.KEY_ADDED, data={"kid": new_kid, "alg": algorithm.name})
            audit.record(kind=Kind.KEY_RETIRED, data={"kid": old_kid, "alg": algorithm.name})
            _write(path, material, retired)
        line = f"Key {new_kid} signs after the restart; "
        if kept:
            line += f"key {old_kid} still verifies."
        else:
            line += f"tokens of key {old_kid} are refused after the restart."
        self.tell(facts, line, as_json=as_json)


def on_one_line(material: str) -> str:
    r"""Write a PEM key on one line, with ``\n`` for its line ends."""
    return material.strip().replace("\r", "").replace("\n", "\\n")


def _require_key_in(path: Path) -> None:
    try:
        with path.open() as file:
            values = dotenv.dotenv_values(stream=file, interpolate=False)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error
    if not values.get("JWT_SIGNING_KEY"):
        raise CommandError(
            f"{path} has no JWT_SIGNING_KEY, so the key comes from the environment. Change it "
            "there, and add the old key to JWT_RETIRED_KEYS."
        )


def _write(path: Path, signing: str, retired: list[str]) -> None:
    """Write both settings, the retired keys first: no token is refused if the second write fails.

    Each write replaces the file with a copy, which has the permissions of the original.
    """
    path.chmod(0o600)
    values = {"JWT_RETIRED_KEYS": ",".join(retired), "JWT_SIGNING_KEY": signing}
    for name, value in values.items():
        dotenv.set_key(path, name, value, quote_mode="never", follow_symlinks=True)
