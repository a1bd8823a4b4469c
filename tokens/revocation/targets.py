"""List what a revocation by filter ends before it ends anything.

A filter, such as one on the last use, the address or the device, finds other sessions a moment
later: a client could leave the list with a refresh, or join it. So the act ends the rows that the
filter found once, whatever they match later. What has ended since is skipped.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import F, QuerySet

from tokens.listing.search import UserKey
from tokens.listing.selection import Selection, selected_foreign_tokens, selected_sessions
from tokens.models import OutstandingToken, RevocationJob, RevocationTarget, Session


@dataclass(frozen=True, slots=True)
class Targets:
    """Hold sessions, or tokens without a session, whose users are ``owners``.

    ``last`` is the number of the last one in its job.
    """

    sessions: tuple[UUID, ...] = ()
    jtis: tuple[str, ...] = ()
    owners: list[UserKey] = field(default_factory=list)
    last: int = 0


def list_targets(*, job: RevocationJob, selection: Selection) -> None:
    """List what ``selection`` holds as the targets of ``job``, in the current transaction.

    Sets ``listed`` and ``position`` of the job, and ``expected``, the number of its sessions.
    """
    # A token that is refreshed in between gets a session: it is then listed as both.
    tokens = _list(job, selected_foreign_tokens(selection=selection), "token_id", above=0)
    sessions = _list(job, selected_sessions(selection=selection), "session_id", above=tokens)
    job.listed, job.position, job.expected = tokens + sessions, 0, sessions


def next_targets(*, job: RevocationJob, size: int) -> Targets | None:
    """Return up to ``size`` targets after the position of the job, or None if none is left."""
    rows = RevocationTarget.objects.filter(job=job.pk, number__gt=job.position).order_by("number")
    found = list(rows.values_list("number", "session_id", "token_id")[:size])
    tokens = {token: number for number, _session, token in found if token is not None}
    if tokens:
        return _of_tokens(tuple(tokens), last=max(tokens.values()))
    sessions = tuple(session for _number, session, _token in found if session is not None)
    return Targets(last=found[-1][0], sessions=sessions) if found else None


def has_unlisted(*, job: RevocationJob, selection: Selection) -> bool:
    """Return whether ``selection`` now holds a row that is no target of ``job``."""
    targets = RevocationTarget.objects.filter(job=job.pk)
    return any(
        # EXCEPT sorts or hashes both once. A subquery could search one for each row of the other.
        _keys(rows).difference(targets.exclude(**{column: None}).values(column))[:1]
        for rows, column in (
            (selected_sessions(selection=selection), "session_id"),
            (selected_foreign_tokens(selection=selection), "token_id"),
        )
    )


def _keys(rows: "QuerySet[Any]") -> "QuerySet[Any]":
    keys: QuerySet[Any] = rows.order_by().annotate(target=F("pk")).values("target")
    return keys


def _of_tokens(keys: tuple[int, ...], *, last: int) -> Targets:
    known = list(OutstandingToken.objects.filter(pk__in=keys).values_list("jti", "user_id"))
    return Targets(
        last=last,
        jtis=tuple(jti for jti, _user in known),
        owners=[user for _jti, user in known if user is not None],
    )


def drop_targets(*, job: RevocationJob) -> None:
    """Delete the targets up to the position of the job."""
    RevocationTarget.objects.filter(job=job.pk, number__lte=job.position).delete()


def targets_in_memory(*, selection: Selection, size: int) -> Iterator[Targets]:
    """Yield what ``selection`` holds at the first call, for an act that is no job.

    A million sessions take about 100 MB.
    """
    foreign = selected_foreign_tokens(selection=selection).order_by("pk")
    tokens = list(foreign.values_list("pk", flat=True))
    chosen = selected_sessions(selection=selection).order_by("pk")
    sessions = list(chosen.values_list("pk", flat=True))
    for start in range(0, len(tokens), size):
        yield _of_tokens(tuple(tokens[start : start + size]), last=0)
    for start in range(0, len(sessions), size):
        yield Targets(sessions=tuple(sessions[start : start + size]))


def _list(
    job: RevocationJob,
    rows: "QuerySet[Session] | QuerySet[OutstandingToken]",
    column: str,
    *,
    above: int,
) -> int:
    """Insert ``rows`` as targets with numbers above ``above``, and return how many there are.

    One statement does this for any number of rows, in the order of their keys.
    """
    try:
        select, params = _keys(rows).query.sql_with_params()
    except EmptyResultSet:
        return 0
    table = connection.ops.quote_name(RevocationTarget._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (job_id, number, {column})"  # noqa: S608
            " SELECT %s, %s + ROW_NUMBER() OVER (ORDER BY target), target"
            f" FROM ({select}) AS chosen",
            [job.pk, above, *params],
        )
        return int(cursor.rowcount)
