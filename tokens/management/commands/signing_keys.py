import sys
from collections.abc import Mapping
from datetime import datetime

from django.core.management.base import CommandError, CommandParser

from tokens.jwt.algorithms import ALGORITHMS
from tokens.keyring import acts
from tokens.keyring.acts import Change, KeyRefused
from tokens.keyring.checks import is_usable, secret_problem
from tokens.listing.sessions import SessionQuery
from tokens.management.base import TokensCommand
from tokens.models import SigningKey
from tokens.models.signing_key import KeyState
from tokens.revocation import Preview, Revocation, Selection, count_all

ACTS = {
    "list": "List the keys of the ring.",
    "add": "Add a new key, which signs after it was promoted.",
    "promote": "Let an upcoming key sign. The one that signed verifies until its tokens expire.",
    "retire": "Retire a key that no live token needs.",
    "reencrypt": "Encrypt every key with the current SIGNING_KEYS_SECRET.",
}


class Command(TokensCommand):
    help = "List, add, promote and retire the signing keys that are in the database."
    # The first key is added while `check` says that there is none.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        of = self.add_acts(parser, ACTS)
        source = of["add"].add_mutually_exclusive_group(required=True)
        source.add_argument("--alg", choices=ALGORITHMS, help="Make a key of this algorithm.")
        source.add_argument(
            "--from-environment",
            action="store_true",
            help="Take JWT_SIGNING_KEY, and JWT_RETIRED_KEYS to verify.",
        )
        of["promote"].add_argument("kid", nargs="?", default="", help="The only upcoming key.")
        of["promote"].add_argument(
            "--now", action="store_true", help="Even if clients do not have the key yet."
        )
        of["retire"].add_argument("kid", help="The id of the key.")
        of["retire"].add_argument(
            "--emergency",
            action="store_true",
            help="Even if it signs: refuse its tokens at once, and end their sessions.",
        )
        of["retire"].add_argument("--reason", default="", help="Needed for an emergency.")
        of["retire"].add_argument(
            "--yes", action="store_true", help="Do not ask before an emergency."
        )

    def handle(
        self,
        *,
        act: str,
        as_json: bool,
        kid: str = "",
        alg: str | None = None,
        now: bool = False,
        emergency: bool = False,
        reason: str = "",
        yes: bool = False,
        **_: object,
    ) -> None:
        if problem := secret_problem():
            raise CommandError(problem)
        try:
            if act == "list":
                self._list(as_json=as_json)
            elif act == "add":
                self._add(alg, as_json=as_json)
            elif act == "promote":
                self._tell([acts.promote_key(kid=kid, at_once=now)], as_json=as_json)
            elif act == "reencrypt":
                number = acts.encrypt_again()
                self.tell({"keys": number}, f"Encrypted {number} keys again.", as_json=as_json)
            elif emergency:
                self._end(kid, reason, yes=yes, as_json=as_json)
            else:
                self._tell([acts.retire_key(kid=kid)], as_json=as_json)
        except KeyRefused as error:
            raise CommandError(str(error)) from error

    def _list(self, *, as_json: bool) -> None:
        keys = list(SigningKey.objects.order_by("pk"))
        facts = {"keys": [_facts(key) for key in keys]}
        lines = "\n".join(map(_line, keys)) or "The ring has no key."
        self.tell(facts, lines, as_json=as_json)

    def _add(self, alg: str | None, *, as_json: bool) -> None:
        if alg is not None:
            self._tell([acts.add_key(algorithm=ALGORITHMS[alg])], as_json=as_json)
        else:
            self._tell(acts.add_from_environment(), as_json=as_json)

    def _end(self, kid: str, reason: str, *, yes: bool, as_json: bool) -> None:
        """Retire a key in an emergency, after a review of what that ends."""
        key = SigningKey.objects.filter(kid=kid).first()
        if key is None:
            raise CommandError(f"The ring has no key {kid}.")
        if not reason.strip():
            raise CommandError("--reason is required: the audit trail records it.")
        review = count_all(selection=Selection(matching=SessionQuery(signing_key=kid)))
        nothing_left = key.state == KeyState.RETIRED and not review.sessions
        if not yes and not nothing_left and not self._confirms(key, review):
            raise CommandError("Nothing was changed.")
        change = acts.retire_in_emergency(kid=kid, reason=reason)
        ended = Revocation()
        with self.bar(total=review.sessions, unit="session", unit_scale=True) as bar:
            for step in acts.end_sessions_of(kid=kid, reason=reason):
                ended += step
                bar.update(step.sessions)
        more = {"sessions": ended.sessions, "users": ended.users}
        line = f"Revoked {ended.sessions} sessions of {ended.users} users."
        self._tell([change], as_json=as_json, more=more, line=line)

    def _confirms(self, key: SigningKey, review: Preview) -> bool:
        """Show what an emergency ends, and ask."""
        self.stderr.write(
            f"This refuses every token of the {key.state} key {key.kid} ({key.algorithm}), and "
            f"revokes {review.sessions} live sessions of {review.users} users."
        )
        if not sys.stdin.isatty():
            raise CommandError("Give --yes to go on without being asked.")
        return input(f"Type {key.kid} to go on: ").strip() == str(key.kid)

    def _tell(
        self,
        changes: list[Change],
        *,
        as_json: bool,
        more: Mapping[str, object] | None = None,
        line: str = "",
    ) -> None:
        facts: dict[str, object] = {"keys": [_changed(change) for change in changes]}
        lines = [
            _line(change.key) + ("" if change.changed else " (as before)") for change in changes
        ]
        lines += [_line(change.successor) for change in changes if change.successor]
        lines += [line] if line else []
        self.tell(facts | dict(more or {}), "\n".join(lines), as_json=as_json)


def _changed(change: Change) -> dict[str, object]:
    facts = _facts(change.key) | {"changed": change.changed}
    return facts | ({"successor": _facts(change.successor)} if change.successor else {})


def _facts(key: SigningKey) -> dict[str, object]:
    return {
        "kid": key.kid,
        "algorithm": key.algorithm,
        "state": key.state,
        "added": key.added_at,
        "signing": key.signing_at,
        "verifying": key.verifying_at,
        "retired": key.retired_at,
        "may_sign_from": acts.may_sign_from(key) if key.state == KeyState.UPCOMING else None,
        "last_token_expires": acts.last_token_expires(key),
        "usable": _usable(key),
    }


def _line(key: SigningKey) -> str:
    ignored = "" if key.state == KeyState.RETIRED or _usable(key) else ", can't be used: see check"
    return f"{key.kid} {key.algorithm}: {key.state} {_since(key)}{ignored}"


def _usable(key: SigningKey) -> bool:
    return key.state != KeyState.RETIRED and is_usable(key)


def _since(key: SigningKey) -> str:
    match key.state:
        case KeyState.UPCOMING:
            return f"may sign from {_shown(acts.may_sign_from(key))}"
        case KeyState.VERIFYING:
            return f"until {_shown(acts.last_token_expires(key))}"
        case KeyState.SIGNING:
            return f"since {_shown(key.signing_at)}"
        case _:
            return f"since {_shown(key.retired_at)}"


def _shown(instant: datetime | None) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC" if instant is not None else "unknown"
