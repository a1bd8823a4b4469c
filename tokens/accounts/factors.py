"""Second factors: add and remove them, and ask for one after the password.

`tokens.accounts.backend` asks wherever a password opens something: the API, the pages, the admin,
and any other caller of Django's `authenticate`. A caller that has a code offers it (`offering`).
One that doesn't gets `FactorNeeded`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.db import transaction

from tokens import audit
from tokens.accounts import passkeys, recovery, totp
from tokens.accounts.throttle import record_code_attempt, record_code_success
from tokens.conf import app_settings
from tokens.counted import FACTOR_NEEDED, login_stopped
from tokens.db import clock
from tokens.models import Factor, FactorKind, Kind, RecoveryCode
from tokens.models.reasons import Reason
from tokens.origin import Actor, is_staff
from tokens.validation.token_context import lock_account

OFF, OPTIONAL, REQUIRED = "off", "optional", "required"
MODES = (OFF, OPTIONAL, REQUIRED)
# A person has a few devices. The limit bounds what one login reads.
MOST = 20
_offered: ContextVar[str] = ContextVar("offered", default="")


class FactorNeeded(Exception):
    """Raised after the right password of an account with a second factor, if no code is offered."""

    def __init__(self, user: AbstractBaseUser) -> None:
        super().__init__("A second factor is needed")
        self.user = user


@dataclass(frozen=True, slots=True)
class Added:
    """A new factor, and the first recovery codes of its account; none if it has some."""

    factor: Factor
    codes: list[str] = field(repr=False)


class FactorMissing(Exception):
    """Raised if STAFF_MFA requires a second factor of an account that has none."""


class TooManyFactors(PermissionDenied):
    """Raised for one more than `MOST`."""


@contextmanager
def offering(code: str) -> Iterator[None]:
    """Offer a code of the user to the logins in this block."""
    token = _offered.set(code)
    try:
        yield
    finally:
        _offered.reset(token)


def check_offered(user: AbstractBaseUser) -> bool:
    """Tell whether ``user``, whose password was right, may log in with what is offered.

    Raises `FactorNeeded`, and `LoginLocked` after too many wrong codes.
    """
    if not is_asked_of(user):
        return True
    code = _offered.get()
    if not code:
        login_stopped.send_robust(sender=None, outcome=FACTOR_NEEDED)
        raise FactorNeeded(user)
    return check_code(user=user, code=code)


def require_of_staff(user: AbstractBaseUser) -> None:
    """Raise `FactorMissing` if the API may not log this member of staff in.

    A page lets them log in, and then add a factor.
    """
    if app_settings.STAFF_MFA == REQUIRED and is_staff(user) and not has_factor(user):
        raise FactorMissing


def is_asked_of(user: AbstractBaseUser) -> bool:
    """Tell whether ``user`` has a second factor, and STAFF_MFA does not switch them off."""
    return app_settings.STAFF_MFA != OFF and has_factor(user)


def has_factor(user: AbstractBaseUser) -> bool:
    return Factor.objects.filter(user=user.pk).exists()


def factors_of(user: AbstractBaseUser, kind: FactorKind | None = None) -> list[Factor]:
    """Return the factors of an account, or those of a kind, oldest first."""
    factors = Factor.objects.filter(user=user.pk)
    if kind is not None:
        factors = factors.filter(kind=kind)
    return list(factors.order_by("pk")[:MOST])


def codes_left(user: AbstractBaseUser) -> int:
    return RecoveryCode.objects.filter(user=user.pk).count()


def check_code(*, user: AbstractBaseUser, code: str) -> bool:
    """Tell whether ``code`` is one of an authenticator app or a recovery code, and use it up.

    Raises `LoginLocked`. A refusal is recorded before the function returns.
    """
    record_code_attempt(username=user.get_username())
    plain = "".join(code.split())
    if _uses_app(user, plain) or _uses_recovery_code(user, plain):
        record_code_success(username=user.get_username())
        return True
    return _refused(user, Reason.WRONG_CODE)


def check_passkey(
    *, user: AbstractBaseUser, host: str, state: passkeys.State, response: str
) -> bool:
    """Tell whether one of the account's passkeys has signed ``response``, and note its use.

    Raises `LoginLocked`. A refusal is recorded before the function returns.
    """
    record_code_attempt(username=user.get_username())
    known = factors_of(user, FactorKind.PASSKEY)
    try:
        factor, counter = passkeys.used_factor(
            host=host, state=state, response=response, known=known
        )
    except passkeys.PasskeyRefused:
        return _refused(user, Reason.WRONG_PASSKEY)
    # Most passkeys don't count, and always say 0 (WebAuthn, section 6.1.1).
    if not _note_use(factor, counter, counts=bool(counter or factor.counter)):
        return _refused(user, Reason.WRONG_PASSKEY)
    record_code_success(username=user.get_username())
    return True


def add_app(*, user: AbstractBaseUser, name: str, key: bytes, code: str) -> Added | None:
    """Add an authenticator app, if ``code`` shows that it has the key; None otherwise.

    The code is used up. A key is added once: with two, each code would work twice.
    """
    step = totp.step_of(key, code="".join(code.split()), now=clock.now())
    if not step:
        return None
    with _changing(user):
        if any(totp.is_key_of(one, user=user, key=key) for one in factors_of(user)):
            return None
        return _add(user, FactorKind.TOTP, name, totp.protect(key, user=user), step)


def add_passkey(
    *, user: AbstractBaseUser, name: str, host: str, state: passkeys.State, response: str
) -> Added:
    """Add the passkey that a browser has registered. Raises `PasskeyRefused`."""
    credential, counter = passkeys.finish_registration(host=host, state=state, response=response)
    with _changing(user):
        return _add(user, FactorKind.PASSKEY, name, credential, counter)


def remove(*, user: AbstractBaseUser, factor: Factor) -> None:
    """Remove one factor of ``user``, by themselves. With the last one, the recovery codes go."""
    with _changing(user):
        deleted, _ = Factor.objects.filter(pk=factor.pk, user=user.pk).delete()
        if not deleted:
            return
        if not has_factor(user):
            RecoveryCode.objects.filter(user=user.pk).delete()
        audit.record(kind=Kind.FACTOR_REMOVED, actor=user, subject=user, data=_described(factor))


def new_recovery_codes(user: AbstractBaseUser) -> list[str]:
    """Replace the recovery codes of ``user``, by themselves, and return the new ones."""
    with _changing(user):
        codes = recovery.replace_codes(user)
        audit.record(kind=Kind.RECOVERY_CODES, actor=user, subject=user, count=len(codes))
    return codes


def reset(*, user: AbstractBaseUser, actor: Actor, reason: str) -> int:
    """Remove all factors and recovery codes of an account. Returns the number of factors."""
    with _changing(user):
        _, deleted = Factor.objects.filter(user=user.pk).delete()
        number = deleted.get(Factor._meta.label, 0)
        RecoveryCode.objects.filter(user=user.pk).delete()
        if number:
            audit.record(
                kind=Kind.FACTORS_RESET, actor=actor, subject=user, reason=reason, count=number
            )
    return number


@contextmanager
def _changing(user: AbstractBaseUser) -> Iterator[None]:
    """Change the factors of an account one after another: each change depends on the others."""
    with transaction.atomic():
        lock_account(key=user.pk)
        yield


def _add(
    user: AbstractBaseUser, kind: FactorKind, name: str, credential: bytes, counter: int
) -> Added:
    if len(factors_of(user)) >= MOST:
        raise TooManyFactors
    factor = Factor.objects.create(
        user_id=user.pk, kind=kind, name=name, credential=credential, counter=counter
    )
    audit.record(kind=Kind.FACTOR_ADDED, actor=user, subject=user, data=_described(factor))
    codes = [] if codes_left(user) else new_recovery_codes(user)
    return Added(factor, codes)


def _uses_app(user: AbstractBaseUser, code: str) -> bool:
    for factor in factors_of(user, FactorKind.TOTP):
        step = totp.matching_step(factor, user=user, code=code, now=clock.now())
        if step and _note_use(factor, step):
            return True
    return False


def _uses_recovery_code(user: AbstractBaseUser, code: str) -> bool:
    with transaction.atomic():
        if not recovery.use_code(user, code):
            return False
        audit.record(kind=Kind.RECOVERY_CODE_USED, actor=user, subject=user)
    return True


def _note_use(factor: Factor, counter: int, *, counts: bool = True) -> bool:
    """Move the counter on. Of two uses with one count, one gets True."""
    row = Factor.objects.filter(pk=factor.pk)
    if counts:
        row = row.filter(counter__lt=counter)
    return bool(row.update(counter=counter, last_used_at=clock.now()))


def _refused(user: AbstractBaseUser, reason: Reason) -> bool:
    audit.record(
        kind=Kind.LOGIN_REFUSED, subject=user, subject_name=user.get_username(), reason=reason
    )
    return False


def _described(factor: Factor) -> dict[str, str]:
    return {"factor": str(factor.kind), "name": str(factor.name)}
