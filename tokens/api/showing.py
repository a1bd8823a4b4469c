"""Rows as JSON. A token's text is not among it: not even what is kept of it."""

from typing import Any

from tokens.models import Event, OutstandingToken, Session
from tokens.revocation import Revocation


def ended(act: Revocation) -> dict[str, Any]:
    return {"tokens": act.tokens, "sessions": act.sessions, "users": act.users}


def own_session(session: Session, *, current: Any) -> dict[str, Any]:
    return {
        "id": session.pk,
        "current": session.pk == current,
        "ip": session.ip,
        "user_agent": session.user_agent,
        "client": session.client,
        "created_at": session.created_at,
        "last_used_at": session.last_used_at,
        "expires_at": session.expires_at,
    }


def session(row: Any) -> dict[str, Any]:
    return {
        "id": row.pk,
        "status": row.status,
        "user_id": row.user_id,
        "username": row.username,
        "ip": row.ip,
        "user_agent": row.user_agent,
        "client": row.client,
        "rotations": row.rotations,
        "created_at": row.created_at,
        "last_used_at": row.last_used_at,
        "expires_at": row.expires_at,
        "revoked_at": row.revoked_at,
        "revoked_by": row.revoked_by_name,
        "revoke_reason": row.revoke_reason,
    }


def token(row: OutstandingToken | Any) -> dict[str, Any]:
    return {
        "jti": row.jti,
        "status": row.status,
        "user_id": row.user_id,
        "username": row.user.get_username() if row.user else None,
        "session": row.session_id,
        "issued_at": row.created_at,
        "expires_at": row.expires_at,
    }


def user(account: Any) -> dict[str, Any]:
    return {
        "id": account.pk,
        "username": account.get_username(),
        "email": account.email,
        "is_active": account.is_active,
        "is_staff": account.is_staff,
        "last_login": account.last_login,
        "date_joined": account.date_joined,
    }


def event(row: Event) -> dict[str, Any]:
    return {
        "id": row.pk,
        "at": row.at,
        "kind": row.kind,
        "actor_id": row.actor_id,
        "actor": row.actor_name,
        "subject_id": row.subject_id,
        "subject": row.subject_name,
        "session": row.session_id,
        "jti": row.jti,
        "ip": row.ip,
        "user_agent": row.user_agent,
        "client": row.client,
        "request_id": row.request_id,
        "reason": row.reason,
        "count": row.count,
        "data": row.data,
    }
