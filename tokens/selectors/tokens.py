"""Outstanding tokens, filtered and listed."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from tokens.models import OutstandingToken, Session
from tokens.selectors.matching import as_address
from tokens.selectors.paging import FAR_LOOK, LOOK, SHORT_LOOK, Listing, Walk, unchanged
from tokens.selectors.selection import Selection, selected_foreign_tokens
from tokens.selectors.standing import EPOCH
from tokens.selectors.status import Status, seems_revoked, with_token_status
from tokens.selectors.ways import NOTHING, Way, between, of_user, read

Tokens = QuerySet[OutstandingToken]
BY_ID = ("id",)
BY_ISSUED = ("created_at", "id")
BY_EXPIRY = ("expires_at", "id")
# By the last use of the session; the tokens of one session stand together.
BY_USE = ("used", "id")
BY_END = ("ends_at", "id")
# The turn in which the sessions were revoked.
BY_TURN = ("turn",)
SESSION = "membership__session__"


def outstanding_tokens(
    *,
    q: str = "",
    status: str = "",
    user: Any | None = None,
    jti: str = "",
    sid: UUID | None = None,
    ip: str | None = None,
    device: str = "",
    client: str = "",
    issued_after: datetime | None = None,
    issued_before: datetime | None = None,
    used_after: datetime | None = None,
    used_before: datetime | None = None,
    expires_after: datetime | None = None,
    expires_before: datetime | None = None,
) -> Listing[OutstandingToken]:
    """Tokens for which all that is given holds, each with ``status``, ``session_id``, its user
    and its session; the last recorded comes first.

    ``q`` is a user name, e-mail, jti or its start, sid or ip; ``user`` an account or its key;
    ``device`` and ``client`` are looked for in what the session's client said of itself, ``used``
    is when the session was used last. Ranges include their start and not their end. Nothing is
    found for an ``ip`` that is none.

    What a session says (address, device, client, last use) is looked for among the sessions, the
    last used first. A status alone goes by them too: active and expired tokens by when they end,
    revoked ones by when that happened, rotated ones by the session's last use. A token that no
    session of ours holds (another service recorded it) is then left out; its user, jti or time
    finds it.
    """
    ways, address = read(q, sid="membership__session", key="pk")
    if user is not None:
        ways = of_user(ways, getattr(user, "pk", user))
    named: Way = {"jti": jti} if jti else {}
    if sid is not None:
        named["membership__session"] = sid
    said: Way = {"client": client} if client else {}
    if ip or address:
        said["ip"] = as_address(ip) if ip else address
        if said["ip"] is None or address not in (None, said["ip"]):
            ways = [NOTHING]
    issued = between("created_at", issued_after, issued_before)
    expiry = between("expires_at", expires_after, expires_before)
    loose = Q(**{f"{SESSION}user_agent__icontains": device}) if device else Q()
    tokens = OutstandingToken.objects.order_by()
    walks: list[Walk[OutstandingToken]]
    key: tuple[str, ...]
    used = _used(issued_after, used_after, used_before)
    if said or device or used_after or used_before:
        walks, key = [_said(way | named, said | used) for way in ways], BY_USE
        loose &= issued & expiry
    elif named or ways != [{}]:
        walks, key = [Walk(tokens.filter(**named).filter(**way)) for way in ways], BY_ID
        loose &= issued & expiry
    elif issued:
        walks, key, loose = [Walk(tokens.filter(issued))], BY_ISSUED, expiry
    elif expiry:
        walks, key = [Walk(tokens.filter(expiry))], BY_EXPIRY
    else:
        walk, key = _by_status(tokens, status)
        walks = [walk]

    def seeming(rows: Tokens) -> Tokens:
        rows = rows.filter(loose)
        if key == BY_END:
            return rows.filter(current_of__revoked_at=None)
        return _seeming_of_sessions(rows, status) if key == BY_USE else _seeming(rows, status)

    bounded = loose or (status in Status and key != BY_TURN)
    return Listing(
        rows=tuple(walks),
        key=key,
        finish=_finish,
        coarse=seeming if bounded else unchanged,
        exact=Q(status=status) if status in Status else None,
        look=SHORT_LOOK if status == Status.REVOKED else FAR_LOOK if key == BY_END else LOOK,
    )


def token_row(*, pk: Any) -> OutstandingToken | None:
    """One token with what a list shows of it."""
    return _finish(OutstandingToken.objects.filter(pk=pk)).first()


def stray_tokens(*, user: Any, most: int) -> list[OutstandingToken]:
    """The newest live tokens of ``user`` that no session of ours holds, among the newest `LOOK`
    that were recorded."""
    newest = OutstandingToken.objects.filter(user=user).order_by("-id").values("pk")[:LOOK]
    rows = selected_foreign_tokens(selection=Selection(users=(user.pk,))).filter(pk__in=newest)
    keys = list(rows.order_by("-id").values_list("pk", flat=True)[:most])
    return list(_finish(OutstandingToken.objects.filter(pk__in=keys)).order_by("-id"))


def _finish(rows: Tokens) -> Tokens:
    return with_token_status(rows).select_related("user", "membership__session")


def _used(issued: datetime | None, after: datetime | None, before: datetime | None) -> Way:
    """When the sessions were used last. A token that was issued then has used its session
    then."""
    since = max((one for one in (issued, after) if one is not None), default=None)
    span: Way = {} if since is None else {"last_used_at__gte": since}
    return span if before is None else span | {"last_used_at__lt": before}


def _said(way: Way, said: Way) -> Walk[OutstandingToken]:
    """The tokens of sessions of which ``said`` holds. A way that leads to a few tokens is gone
    by itself. The bound that bounds nothing names the index where another is missing."""
    used = f"{SESSION}last_used_at"
    rows = OutstandingToken.objects.annotate(used=F(used)).filter(**{f"{used}__gt": EPOCH})
    rows = rows.filter(**{f"{SESSION}{name}": value for name, value in said.items()})
    if way.keys() - {"user_id"}:
        return Walk(rows.filter(**way))
    rows = rows.filter(**{f"{SESSION}{name}": value for name, value in way.items()})
    return Walk(rows, Session.objects.filter(**said, **way), "last_used_at")


def _by_status(tokens: Tokens, status: str) -> tuple[Walk[OutstandingToken], tuple[str, ...]]:
    now = timezone.now()
    match status:
        case Status.ACTIVE:
            return _ending(tokens, ends_at__gt=now), BY_END
        case Status.EXPIRED:
            return _ending(tokens, ends_at__lte=now), BY_END
        case Status.REVOKED:
            turns = tokens.filter(current_of__revocations__pk__gt=0)
            return Walk(turns.annotate(turn=F("current_of__revocations__pk"))), BY_TURN
        case Status.ROTATED:
            return _said({}, {}), BY_USE
        case _:
            return Walk(tokens), BY_ID


def _ending(tokens: Tokens, **when: datetime) -> Walk[OutstandingToken]:
    """The current tokens of the sessions that end then."""
    rows = tokens.filter(**{f"current_of__{name}": limit for name, limit in when.items()})
    steps = Session.objects.filter(**when)
    return Walk(rows.annotate(ends_at=F("current_of__ends_at")), steps, "ends_at")


def _seeming_of_sessions(rows: Tokens, status: str) -> Tokens:
    """Less what cannot have ``status``, for a walk along the sessions; `with_token_status` has
    the last word."""
    now = timezone.now()
    current = Q(membership__session__current=F("pk"))
    unended = current & Q(membership__session__revoked_at=None)
    match status:
        case Status.ACTIVE:
            return rows.filter(unended, membership__session__ends_at__gt=now)
        case Status.EXPIRED:
            return rows.filter(unended, membership__session__ends_at__lte=now)
        case Status.REVOKED:
            return rows.filter(current, seems_revoked(session=SESSION))
        case Status.ROTATED:
            return rows.filter(~current)
        case _:
            return rows


def _seeming(rows: Tokens, status: str) -> Tokens:
    """The same for a walk along the tokens, foreign ones among them."""
    last = Q(current_of__isnull=False) | Q(membership__isnull=True)
    match status:
        case Status.ACTIVE:
            return rows.filter(last, expires_at__gt=timezone.now())
        case Status.REVOKED:
            return rows.filter(last, seems_revoked(session="current_of__"))
        case Status.EXPIRED:
            return rows.filter(last)
        case Status.ROTATED:
            return rows.filter(membership__isnull=False, current_of__isnull=True)
        case _:
            return rows
