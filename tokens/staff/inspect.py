"""Find the tokens in a pasted text, validate each, and offer to revoke what they belong to.

The pasted text is not stored and not shown again. The page shows headers and claims; an event
records who inspected each known token and whether it was accepted.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import urlencode
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods

from tokens import audit
from tokens.jwt.claims import Malformed, parse
from tokens.jwt.finder import find_tokens, is_readable
from tokens.listing.cutoffs import cutoffs_over
from tokens.listing.sessions import session_rows
from tokens.listing.status import Status
from tokens.listing.tokens import live_tokens_without_session
from tokens.models import Cutoff, Event, Kind, Session
from tokens.origin import Actor
from tokens.permissions import INSPECT
from tokens.revocation import may_revoke
from tokens.staff.guards import staff_may
from tokens.validation.details import ClaimRow, claim_rows
from tokens.validation.validator import Validation, validate

# Characters of a text, and tokens in it. One review revokes at most as many sessions.
MAX_TEXT, MAX_TOKENS = 2**20, 1000
# With more tokens, the page shows which checks failed, and leaves the claims out.
IN_FULL = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectedToken:
    """Hold one token of the text, as the page shows it.

    ``session`` is annotated with its status, ``cutoff`` is the cutoff that the token fails by.
    ``revoke`` is the query string of the review that ends what the token belongs to, "" if there is
    nothing to end. ``spared`` says that there is, but it belongs to a superuser, and the viewer may
    not revoke it. ``malformed`` says why the text is no token.
    """

    validation: Validation = field(repr=False)
    header: list[ClaimRow] = field(default_factory=list, repr=False)
    claims: list[ClaimRow] = field(default_factory=list, repr=False)
    session: Session | None = None
    cutoff: Cutoff | None = None
    revoke: str = ""
    spared: bool = False
    malformed: str = ""

    @property
    def untrusted(self) -> bool:
        """Return whether anyone could have written the claims: the signature is not valid."""
        return self.validation.failed == "signature"

    @property
    def reasons(self) -> list[str]:
        """Return why each failing check failed."""
        return [
            check.why for check in self.validation.checks if check.passed is False and check.why
        ]


@sensitive_post_parameters("token")
@sensitive_variables("text", "tokens")
@require_http_methods(["GET", "POST"])
@staff_may(INSPECT)
def index(request: HttpRequest) -> HttpResponse:
    """Show the box for the text, and what was found in a text that was posted."""
    if request.method == "GET":
        return render(request, "tokens/staff/inspect.html")
    # Browsers send each end of a line as two characters.
    text = request.POST.get("token", "").replace("\r\n", "\n")
    if not text.strip():
        return render(request, "tokens/staff/inspect.html", {"nothing": True}, status=400)
    if len(text) > MAX_TEXT:
        return render(request, "tokens/staff/inspect.html", {"too_long": True}, status=413)
    tokens = tokens_in(text)
    validations = [validate(token=token, thorough=True) for token in tokens[:MAX_TOKENS]]
    record(validations=validations, actor=request.user)
    found = describe(tokens=tokens, validations=validations, actor=request.user)
    return render(
        request, "tokens/staff/inspect.html", result(found, more=len(tokens) > MAX_TOKENS)
    )


# What the middleware asks for before it reads a body of more than 64 KiB.
index.large_body_for = INSPECT  # type: ignore[attr-defined]


@sensitive_variables("text", "found", "bare")
def tokens_in(text: str) -> list[str]:
    """Return the tokens in ``text``, up to one more than `MAX_TOKENS`.

    Without any, all of the text is taken for one token, and its validation says what is wrong.
    """
    found = find_tokens(text, most=MAX_TOKENS + 1)
    if len(found) > 1 or (found and not found[0].endswith(".")):
        return found
    # A single token may be split at any place.
    bare = without_wrapping(text)
    return [bare] if not found or is_readable(bare) else found


def without_wrapping(text: str) -> str:
    """Strip ``Bearer``, quotes and line breaks from a pasted token."""
    bare = "".join(text.split()).strip("\"'")
    return bare[6:] if bare[:6].lower() == "bearer" else bare


def record(*, validations: Sequence[Validation], actor: Actor) -> None:
    """Record the inspection; ids come only from tokens with a valid signature.

    Tokens that can't be told apart are counted in one event.
    """
    events: list[Event] = []
    unknown: Counter[str] = Counter()
    for validation in validations:
        if not validation.jti:
            unknown[validation.failed or "active"] += 1
            continue
        session = validation.session
        events.append(
            audit.build_event(
                kind=Kind.TOKEN_INSPECTED,
                actor=actor,
                subject=validation.user,
                session=session.pk if session else None,
                jti=validation.jti,
                data={"outcome": validation.failed or "active"},
            )
        )
    for outcome, count in unknown.items():
        kind, data = Kind.TOKEN_INSPECTED, {"outcome": outcome}
        events.append(audit.build_event(kind=kind, actor=actor, count=count, data=data))
    with transaction.atomic():
        audit.write_all(events)


@sensitive_variables("tokens")
def describe(
    *, tokens: Sequence[str], validations: Sequence[Validation], actor: Actor
) -> list[InspectedToken]:
    """Prepare each token for the page."""
    sessions = session_rows(pks={v.session.pk for v in validations if v.session is not None})
    cutoffs = cutoffs_over(sids=[pk for pk, s in sessions.items() if s.revoked_at is None])
    strays = live_tokens_without_session(
        jtis=[v.jti for v in validations if v.jti and v.session is None]
    )
    full = len(validations) <= IN_FULL
    found = []
    for token, validation in zip(tokens, validations, strict=False):
        session = sessions.get(validation.session.pk) if validation.session else None
        review = _review_of(validation, session, strays)
        allowed = may_revoke(actor=actor, user=validation.user)
        parts: dict[str, object] = {}
        try:
            parsed = parse(token)
            if full:
                parts = {"header": claim_rows(parsed.header), "claims": claim_rows(parsed.payload)}
        except Malformed as error:
            parts = {"malformed": str(error)}
        found.append(
            InspectedToken(
                validation=validation,
                session=session,
                cutoff=cutoffs.get(session.pk) if session else None,
                revoke=review if allowed else "",
                spared=bool(review) and not allowed,
                **parts,  # type: ignore[arg-type]
            )
        )
    return found


def _review_of(validation: Validation, session: Session | None, strays: set[str]) -> str:
    """Return the query string of the review that ends what a token belongs to."""
    if session is not None:
        live = session.status == Status.ACTIVE  # type: ignore[attr-defined]
        return urlencode({"session": str(session.pk)}) if live else ""
    if validation.jti in strays:
        return urlencode({"token": validation.jti})
    if validation.active and validation.user is not None:
        # Nothing but a cutoff of the account ends an access token without a session.
        return urlencode({"user": validation.user.pk})
    return ""


def result(found: list[InspectedToken], *, more: bool) -> dict[str, object]:
    """Build the template context of the tokens that were found.

    ``all`` names what one review revokes: the live sessions, or tokens if some have no session.
    """
    accepted = sum(one.validation.active for one in found)
    live = {one.session.pk: one.session for one in found if one.session and one.revoke}
    strays = [one.validation.jti for one in found if one.revoke.startswith("token=")]
    jtis = [s.current.jti for s in live.values() if s.current] + strays if strays else []
    listed = {"token": jtis} if strays else {"session": [str(sid) for sid in live]}
    return {
        "found": found,
        "validation": found[0].validation if len(found) == 1 else None,
        "accepted": accepted,
        "refused": len(found) - accepted,
        "spared": sum(one.spared for one in found),
        "more": more,
        "full": len(found) <= IN_FULL,
        "listed": urlencode(listed, doseq=True),
        "listed_number": len(jtis or live),
    }
