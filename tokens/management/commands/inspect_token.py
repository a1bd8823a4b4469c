import getpass
import json
import sys

from tokens import audit
from tokens.management.base import TokensCommand
from tokens.models import Kind
from tokens.validation.validator import validate
from tokens.web.pages import visible

MAX_INPUT_CHARACTERS = 20_000


class Command(TokensCommand):
    help = (
        "Validate a token and print each check, the claims, and the answer that a client gets. The "
        "token is read from standard input, not from the command line, where other accounts on the "
        "machine could see it. It is not stored."
    )

    def handle(self, *, as_json: bool, **_: object) -> None:
        if sys.stdin.isatty():
            token = getpass.getpass("Token (not shown): ")
        else:
            token = sys.stdin.read(MAX_INPUT_CHARACTERS)
        validation = validate(token=token.strip())
        audit.record(
            kind=Kind.TOKEN_INSPECTED,
            subject=validation.user,
            session=validation.session.pk if validation.session else None,
            jti=validation.jti,
            data={"outcome": validation.failed or "active"},
        )
        status, body = validation.answer
        facts = {
            "active": validation.active,
            "failed": validation.failed,
            "checks": [
                {"name": check.name, "passed": check.passed, "why": check.why}
                for check in validation.checks
            ],
            "claims": validation.claims,
            "answer": {"status": status, "body": body},
        }
        marks = {True: "ok  ", False: "FAIL", None: "-   "}
        lines = [f"{marks[c.passed]} {c.name}  {c.why}".rstrip() for c in validation.checks]
        lines += [f"     {name}: {_shown(value)}" for name, value in validation.claims.items()]
        lines.append(f"A client gets {status} {_shown(body)}")
        self.tell(facts, "\n".join(lines), as_json=as_json)


def _shown(value: object) -> str:
    """Return JSON in which no character is hidden, or changes what a terminal shows."""
    return visible(json.dumps(value, default=str, ensure_ascii=False))
