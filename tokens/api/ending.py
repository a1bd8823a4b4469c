from tokens.models import Kind
from tokens.revocation import revoke_session
from tokens.verdict import explain


def end_session_of(*, token: str, reason: str) -> None:
    """Log out: the holder of any token of a session may end it (RFC 7009, section 2.1)."""
    verdict = explain(token=token)
    if verdict.session is not None:
        revoke_session(
            session=verdict.session,
            actor=verdict.session.user,
            reason=reason,
            kind=Kind.LOGOUT,
            jti=verdict.claims["jti"],
        )
