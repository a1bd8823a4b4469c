"""An event in the forms in which it leaves the portal."""

from datetime import UTC, datetime
from typing import Any

from tokens.models import Event, Kind

FIELDS = (
    "id", "at", "kind", "actor_id", "actor_name", "subject_id", "subject_name", "session_id",
    "jti", "ip", "user_agent", "client", "request_id", "reason", "count", "data",
)  # fmt: skip
ECS_VERSION = "8.17.0"
REFUSED = {
    Kind.LOGIN_REFUSED, Kind.LOGIN_LOCKED, Kind.REUSE, Kind.INTROSPECTION_REFUSED,
    Kind.PERMISSION_DENIED,
}  # fmt: skip
# Elastic Common Schema: event.category and event.type, from its lists of allowed values.
ECS_CATEGORIES: dict[str, tuple[list[str], list[str]]] = {
    Kind.LOGIN: (["authentication", "session"], ["start"]),
    Kind.LOGIN_REFUSED: (["authentication"], ["start"]),
    Kind.LOGIN_LOCKED: (["authentication", "iam"], ["info"]),
    Kind.LOGIN_UNLOCKED: (["iam"], ["user", "change"]),
    Kind.REFRESH: (["authentication", "session"], ["info"]),
    Kind.REFRESH_RETRY: (["authentication", "session"], ["info"]),
    Kind.REUSE: (["authentication", "session"], ["end"]),
    Kind.LOGOUT: (["authentication", "session"], ["end"]),
    Kind.REVOKE_TOKEN: (["session"], ["end"]),
    Kind.REVOKE_SESSION: (["session"], ["end"]),
    Kind.REVOKE_USER: (["session"], ["end"]),
    Kind.REVOKE_MATCHING: (["session"], ["end"]),
    Kind.CUTOFF: (["session"], ["end"]),
    Kind.PASSWORD_CHANGED: (["iam"], ["user", "change"]),
    Kind.USER_DEACTIVATED: (["iam"], ["user", "change"]),
    Kind.USER_DELETED: (["iam"], ["user", "deletion"]),
    Kind.KEY_ADDED: (["configuration"], ["creation"]),
    Kind.KEY_RETIRED: (["configuration"], ["change"]),
    Kind.PURGED: (["configuration"], ["deletion"]),
}
ECS_OTHER = (["iam"], ["info"])


def instant(at: datetime) -> str:
    """RFC 3339, in UTC, to the microsecond."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def plain(row: tuple[Any, ...]) -> dict[str, Any]:
    """The values of `FIELDS` as JSON has them."""
    shown = dict(zip(FIELDS, row, strict=True))
    shown["at"] = instant(shown["at"])
    if shown["session_id"] is not None:
        shown["session_id"] = str(shown["session_id"])
    for name in ("actor_id", "subject_id"):
        if not isinstance(shown[name], int | None):
            shown[name] = str(shown[name])
    return shown


def row_of(event: Event) -> tuple[Any, ...]:
    return tuple(getattr(event, name) for name in FIELDS)


def ecs(row: tuple[Any, ...]) -> dict[str, Any]:
    """The event in the Elastic Common Schema. What ECS has no field for stands under
    ``token_portal``."""
    event = plain(row)
    category, types = ECS_CATEGORIES.get(event["kind"], ECS_OTHER)
    shown: dict[str, Any] = {
        "@timestamp": event["at"],
        "ecs": {"version": ECS_VERSION},
        "event": {
            "id": str(event["id"]),
            "kind": "event",
            "category": category,
            "type": types,
            "action": event["kind"],
            "outcome": "failure" if event["kind"] in REFUSED else "success",
            "dataset": "token_portal.audit",
            "provider": "token-portal",
        },
        "service": {"type": "token-portal"},
        "token_portal": {"count": event["count"], "data": event["data"]},
    }
    if event["reason"]:
        shown["event"]["reason"] = event["reason"]
    actor, subject = _account(event, "actor"), _account(event, "subject")
    # Whoever acts is `user`; whom it befalls is `user.target`, unless that is the same.
    if user := actor or subject:
        shown["user"] = {**user, "target": subject} if actor and subject != actor else {**user}
        if shown["user"].get("target") == {}:
            del shown["user"]["target"]
        names = {who["name"] for who in (actor, subject) if "name" in who}
        shown["related"] = {"user": sorted(names)}
    if event["ip"]:
        shown["source"] = {"ip": event["ip"], "address": event["ip"]}
        shown.setdefault("related", {})["ip"] = [event["ip"]]
    if event["user_agent"]:
        shown["user_agent"] = {"original": event["user_agent"]}
    if event["request_id"]:
        shown["http"] = {"request": {"id": event["request_id"]}}
    for name in ("session_id", "jti", "client"):
        if event[name]:
            shown["token_portal"][name] = event[name]
    return shown


def _account(event: dict[str, Any], role: str) -> dict[str, str]:
    account = {}
    if event[f"{role}_id"] is not None:
        account["id"] = str(event[f"{role}_id"])
    if event[f"{role}_name"]:
        account["name"] = event[f"{role}_name"]
    return account
