from tokens.revocation.presented import revoke_presented
from tokens.validation import validate


def log_out(*, token: str, reason: str, expected: str | None = None) -> None:
    """End the session of ``token``, refresh or access, whatever its state (RFC 7009, section 2.1).

    A token whose session is not known changes nothing, nor does one that is not of the
    ``expected`` type.
    """
    validation = validate(token=token, expected=expected)
    revoke_presented(validation=validation, token=token, reason=reason)
