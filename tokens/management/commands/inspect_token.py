import getpass
import json
import sys
from typing import Any

from tokens import audit
from tokens.management.long import LongCommand
from tokens.models import Kind
from tokens.verdict import explain


class Command(LongCommand):
    help = (
        "Say what a token is worth: the ordered checks, the first that fails, and what a client "
        "gets. The token is read from standard input or asked for, never taken from the command "
        "line, where every account on the machine could see it; it is not kept."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        token = (
            getpass.getpass("Token (not shown): ") if sys.stdin.isatty() else sys.stdin.read(20_000)
        ).strip()
        verdict = explain(token=token)
        audit.record(
            kind=Kind.TOKEN_INSPECTED,
            subject=verdict.user,
            session=verdict.session.pk if verdict.session else None,
            jti=str(verdict.claims.get("jti", "")) if verdict.session else "",
            data={"verdict": verdict.failed or "active"},
        )
        status, body = verdict.answer
        facts = {
            "active": verdict.active,
            "failed": verdict.failed,
            "checks": [
                {"name": check.name, "passed": check.passed, "why": check.why}
                for check in verdict.checks
            ],
            "claims": verdict.claims,
            "answer": {"status": status, "body": body},
        }
        marks = {True: "ok  ", False: "FAIL", None: "-   "}
        lines = [f"{marks[c.passed]} {c.name}  {c.why}".rstrip() for c in verdict.checks]
        lines += [f"     {name}: {json.dumps(value)}" for name, value in verdict.claims.items()]
        lines.append(f"A client gets {status} {json.dumps(body, default=str)}")
        self.tell(facts, "\n".join(lines), as_json=options["json"])
