"""Serialize events as JSON with the trail's own names, and in the Elastic Common Schema."""

from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias, TypedDict, cast

from tokens.listing.columns import API
from tokens.listing.events import EventQuery
from tokens.models import Event
from tokens.models.kinds import traits_of
from tokens.models.readable import is_readable

FIELDS = tuple(column.path for column in EventQuery.columns_on(API))
ECS_VERSION = "8.17.0"
OPTIONAL: tuple[Literal["session_id", "jti", "client"], ...] = ("session_id", "jti", "client")

# The values of FIELDS as the database returns them.
Row: TypeAlias = tuple[Any, ...]


class EventJson(TypedDict):
    """An event as JSON, with the names of `FIELDS`.

    ``at`` is RFC 3339 in UTC with microseconds, or null if it can't be read. ``data`` that can't
    be read are ``{"unreadable": true}``. ``actor_id`` and ``subject_id`` are keys of the
    user model: numbers, or the text of any other key.
    """

    id: int
    at: str | None
    kind: str
    actor_id: int | str | None
    actor_name: str
    subject_id: int | str | None
    subject_name: str
    session_id: str | None
    jti: str
    ip: str | None
    user_agent: str
    client: str
    request_id: str
    reason: str
    count: int
    data: dict[str, object]


def rfc3339(at: datetime) -> str:
    """Format a time in UTC, with microseconds."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def row_of(event: Event) -> Row:
    """Return the values of `FIELDS`."""
    return tuple(getattr(event, name) for name in FIELDS)


def to_json(row: Row) -> EventJson:
    """Serialize the values of `FIELDS`."""
    members = dict(zip(FIELDS, row, strict=True))
    members["at"] = rfc3339(members["at"]) if is_readable(members["at"]) else None
    if members["session_id"] is not None:
        members["session_id"] = str(members["session_id"])
    for name in ("actor_id", "subject_id"):
        if not isinstance(members[name], int | None):
            members[name] = str(members[name])
    return cast(EventJson, members)


def to_ecs(row: Row) -> dict[str, object]:
    """Serialize the values of `FIELDS` in the Elastic Common Schema.

    ``token_portal`` has what ECS has no field for.
    """
    event = to_json(row)
    document: dict[str, object] = {
        **({"@timestamp": event["at"]} if event["at"] else {}),
        "ecs": {"version": ECS_VERSION},
        "event": _ecs_event(event),
        "service": {"type": "token-portal"},
        "token_portal": _ecs_rest(event),
    }
    actor, subject = _ecs_account(event, "actor"), _ecs_account(event, "subject")
    related = {}
    # `user` is the actor, and `user.target` is the subject if that is another account.
    if user := actor or subject:
        target = subject if actor and subject != actor else {}
        document["user"] = {**user, "target": target} if target else user
        names = {account["name"] for account in (actor, subject) if "name" in account}
        related["user"] = sorted(names)
    if event["ip"]:
        document["source"] = {"ip": event["ip"], "address": event["ip"]}
        related["ip"] = [event["ip"]]
    if related:
        document["related"] = related
    if event["user_agent"]:
        document["user_agent"] = {"original": event["user_agent"]}
    if event["request_id"]:
        document["http"] = {"request": {"id": event["request_id"]}}
    return document


def _ecs_event(event: EventJson) -> dict[str, object]:
    traits = traits_of(event["kind"])
    members: dict[str, object] = {
        "id": str(event["id"]),
        "kind": "event",
        "category": list(traits.ecs.category),
        "type": list(traits.ecs.type),
        "action": event["kind"],
        "outcome": "failure" if traits.refused else "success",
        "severity": int(traits.severity),
        "dataset": "token_portal.audit",
        "provider": "token-portal",
    }
    return {**members, "reason": event["reason"]} if event["reason"] else members


def _ecs_rest(event: EventJson) -> dict[str, object]:
    rest: dict[str, object] = {name: event[name] for name in OPTIONAL if event[name]}
    return {"count": event["count"], "data": event["data"], **rest}


def _ecs_account(event: EventJson, role: Literal["actor", "subject"]) -> dict[str, str]:
    key, name = (
        (event["actor_id"], event["actor_name"])
        if role == "actor"
        else (event["subject_id"], event["subject_name"])
    )
    account = {"id": str(key)} if key is not None else {}
    return {**account, "name": name} if name else account
