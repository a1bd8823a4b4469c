"""The event kinds: the only table that says what each kind of event means.

The page, the API, the charts, the exports, the webhook and the admin read a kind's label and
traits from here. To add a kind, add a member to `Kind` and record it where the act happens.
"""

from dataclasses import dataclass
from enum import Enum, IntEnum, StrEnum, auto
from typing import Literal, Self

from django.db import models
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class Severity(IntEnum):
    """The severities of syslog (RFC 5424, section 6.2.1) that events use."""

    ALERT = 1
    WARNING = 4
    NOTICE = 5
    INFORMATIONAL = 6


class Measure(models.TextChoices):
    """The measures that the overview counts and draws."""

    LOGINS = "logins", _("Logins")
    REFRESHES = "refreshes", _("Refreshes")
    REFUSALS = "refusals", _("Refused logins")
    REUSE = "reuse", _("Reuse")
    REVOCATIONS = "revocations", _("Revocations")


class Mark(StrEnum):
    """The symbol of an event in the timeline of a session."""

    NONE = ""
    LOGIN = "login"
    REUSE = "reuse"
    END = "end"


class Told(Enum):
    """Say which events of a kind are in mails to the owner of the account."""

    NONE = auto()
    ALL = auto()
    BY_STAFF = auto()
    NEW_PLACE = auto()


@dataclass(frozen=True, slots=True)
class Ecs:
    """`event.category` and `event.type` of the Elastic Common Schema, from its allowed values."""

    category: tuple[str, ...]
    type: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Caep:
    """The form of a revocation as CAEP's ``session-revoked``.

    ``initiator`` is CAEP's `initiating_entity`. An event of a kind that ends ``one_session`` has
    no CAEP form without a session id: the receiver would end all sessions of the user. For a kind
    ``by_session``, each session that the act ended is reported by itself.
    """

    initiator: Literal["admin", "user", "policy", "system"]
    one_session: bool = False
    by_session: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """Everything that the portal decides by the kind of an event, except its label.

    - ``ecs``: categories in the Elastic Common Schema.
    - ``severity``: `event.severity` in ECS.
    - ``security``: listed among the last security events on the overview.
    - ``refused``: `event.outcome` is `failure` in ECS.
    - ``caep``: how the webhook reports a revocation; None for a kind that revokes nothing.
    - ``measure``: the chart that counts it.
    - ``mark``: the symbol in the timeline of a session.
    - ``issues_token``: the event's ``jti`` is a token that this act issued.
    - ``told``: the events that are in mails to the owner.
    - ``read_only``: a read that changes nothing; the timeline of a session leaves it out.
    """

    ecs: Ecs
    severity: Severity = Severity.INFORMATIONAL
    security: bool = False
    refused: bool = False
    caep: Caep | None = None
    measure: Measure | None = None
    mark: Mark = Mark.NONE
    issues_token: bool = False
    told: Told = Told.NONE
    read_only: bool = False

    @property
    def alert(self) -> bool:
        """Return True for a kind that pages highlight."""
        return self.severity == Severity.ALERT


SESSION_CHECK = Ecs(("authentication", "session"), ("info",))
SESSION_LOGOUT = Ecs(("authentication", "session"), ("end",))
SESSION_END = Ecs(("session",), ("end",))
PROPOSAL = Ecs(("session",), ("info",))
ACCOUNT_CHANGE = Ecs(("iam",), ("user", "change"))
ACCESS = Ecs(("iam",), ("info",))
UNKNOWN = Traits(ecs=ACCESS)


class Kind(models.TextChoices):
    """The kinds of events. A member is the stored value, the traits and the label.

    The stored value is part of what is sealed and exported: never change one.
    """

    traits: Traits

    def __new__(cls, value: str, traits: Traits = UNKNOWN) -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.traits = traits
        return member

    LOGIN = (
        "login",
        Traits(
            ecs=Ecs(("authentication", "session"), ("start",)),
            measure=Measure.LOGINS,
            mark=Mark.LOGIN,
            issues_token=True,
            told=Told.NEW_PLACE,
        ),
        _("logged in"),
    )
    LOGIN_REFUSED = (
        "login_refused",
        Traits(
            ecs=Ecs(("authentication",), ("start",)),
            severity=Severity.NOTICE,
            refused=True,
            measure=Measure.REFUSALS,
        ),
        _("login refused"),
    )
    LOGIN_LOCKED = (
        "login_locked",
        Traits(
            ecs=Ecs(("authentication", "iam"), ("info",)),
            severity=Severity.WARNING,
            security=True,
            refused=True,
            # The attempt that locks is refused too, and leaves no other event.
            measure=Measure.REFUSALS,
        ),
        _("login locked"),
    )
    LOGIN_UNLOCKED = (
        "login_unlocked",
        Traits(ecs=ACCOUNT_CHANGE, severity=Severity.NOTICE, security=True),
        _("login unlocked"),
    )
    LEGACY_ADOPTED = (
        "legacy_adopted",
        Traits(ecs=Ecs(("authentication", "session"), ("start",)), mark=Mark.LOGIN),
        _("session opened for a legacy token"),
    )
    REFRESH = (
        "refresh",
        Traits(ecs=SESSION_CHECK, measure=Measure.REFRESHES, issues_token=True),
        _("refreshed"),
    )
    REFRESH_RETRY = (
        "refresh_retry",
        Traits(ecs=SESSION_CHECK, issues_token=True),
        _("refresh retried"),
    )
    REUSE = (
        "reuse",
        Traits(
            ecs=SESSION_LOGOUT,
            severity=Severity.ALERT,
            security=True,
            refused=True,
            caep=Caep("policy", one_session=True),
            measure=Measure.REUSE,
            mark=Mark.REUSE,
        ),
        _("reuse"),
    )
    LOGOUT = (
        "logout",
        Traits(ecs=SESSION_LOGOUT, caep=Caep("user", one_session=True), mark=Mark.END),
        _("logged out"),
    )
    REVOKE_TOKEN = (
        "revoke_token",
        Traits(
            ecs=SESSION_END,
            severity=Severity.NOTICE,
            caep=Caep("admin", one_session=True),
            measure=Measure.REVOCATIONS,
            mark=Mark.END,
            told=Told.BY_STAFF,
        ),
        _("token revoked"),
    )
    REVOKE_SESSION = (
        "revoke_session",
        Traits(
            ecs=SESSION_END,
            severity=Severity.NOTICE,
            caep=Caep("admin", one_session=True),
            measure=Measure.REVOCATIONS,
            mark=Mark.END,
            told=Told.BY_STAFF,
        ),
        _("session revoked"),
    )
    REVOKE_USER = (
        "revoke_user",
        Traits(
            ecs=SESSION_END,
            severity=Severity.NOTICE,
            security=True,
            caep=Caep("admin"),
            measure=Measure.REVOCATIONS,
            told=Told.BY_STAFF,
        ),
        _("all of a user revoked"),
    )
    REVOKE_MATCHING = (
        "revoke_matching",
        Traits(
            ecs=SESSION_END,
            severity=Severity.WARNING,
            security=True,
            caep=Caep("admin", by_session=True),
            measure=Measure.REVOCATIONS,
            told=Told.BY_STAFF,
        ),
        _("bulk revocation"),
    )
    REVOKE_BROWSERS = (
        "revoke_browsers",
        Traits(
            ecs=SESSION_END,
            severity=Severity.NOTICE,
            security=True,
            measure=Measure.REVOCATIONS,
            told=Told.BY_STAFF,
        ),
        _("browser sessions revoked"),
    )
    PROPOSED = (
        "proposed",
        Traits(ecs=PROPOSAL, severity=Severity.NOTICE, security=True),
        _("revocation proposed"),
    )
    PROPOSAL_APPROVED = (
        "proposal_approved",
        Traits(ecs=PROPOSAL, severity=Severity.WARNING, security=True),
        _("proposed revocation approved"),
    )
    PROPOSAL_REFUSED = (
        "proposal_refused",
        Traits(ecs=PROPOSAL, severity=Severity.NOTICE, security=True),
        _("proposed revocation refused"),
    )
    PROPOSAL_WITHDRAWN = (
        "proposal_withdrawn",
        Traits(ecs=PROPOSAL, severity=Severity.NOTICE, security=True),
        _("proposed revocation withdrawn"),
    )
    PROPOSAL_EXPIRED = (
        "proposal_expired",
        Traits(ecs=PROPOSAL, severity=Severity.NOTICE, security=True),
        _("proposed revocation expired"),
    )
    CUTOFF = (
        "cutoff",
        Traits(
            ecs=SESSION_END,
            severity=Severity.WARNING,
            security=True,
            caep=Caep("admin", by_session=True),
            measure=Measure.REVOCATIONS,
            told=Told.BY_STAFF,
        ),
        _("cutoff set"),
    )
    CUTOFF_SETTLED = (
        "cutoff_settled",
        Traits(ecs=SESSION_END, caep=Caep("admin", by_session=True)),
        _("ended by a cutoff"),
    )
    PASSWORD_CHANGED = (
        "password_changed",
        Traits(
            ecs=ACCOUNT_CHANGE,
            severity=Severity.NOTICE,
            security=True,
            caep=Caep("policy"),
            told=Told.ALL,
        ),
        _("password changed"),
    )
    NOT_ME = (
        "not_me",
        Traits(
            ecs=ACCOUNT_CHANGE,
            severity=Severity.WARNING,
            security=True,
            caep=Caep("user"),
            measure=Measure.REVOCATIONS,
        ),
        _("reported by its owner"),
    )
    FACTOR_ADDED = (
        "factor_added",
        Traits(ecs=ACCOUNT_CHANGE, severity=Severity.NOTICE, security=True, told=Told.ALL),
        _("second factor added"),
    )
    FACTOR_REMOVED = (
        "factor_removed",
        Traits(ecs=ACCOUNT_CHANGE, severity=Severity.NOTICE, security=True, told=Told.ALL),
        _("second factor removed"),
    )
    FACTORS_RESET = (
        "factors_reset",
        Traits(ecs=ACCOUNT_CHANGE, severity=Severity.WARNING, security=True, told=Told.ALL),
        _("second factors reset"),
    )
    RECOVERY_CODES = (
        "recovery_codes",
        Traits(ecs=ACCOUNT_CHANGE, severity=Severity.NOTICE, security=True, told=Told.ALL),
        _("recovery codes created"),
    )
    RECOVERY_CODE_USED = (
        "recovery_code_used",
        Traits(ecs=SESSION_CHECK, severity=Severity.NOTICE, security=True, told=Told.ALL),
        _("recovery code used"),
    )
    USER_DEACTIVATED = (
        "user_deactivated",
        Traits(ecs=ACCOUNT_CHANGE, severity=Severity.NOTICE, security=True, caep=Caep("policy")),
        _("user deactivated"),
    )
    USER_DELETED = (
        "user_deleted",
        Traits(
            ecs=Ecs(("iam",), ("user", "deletion")),
            severity=Severity.NOTICE,
            security=True,
            caep=Caep("policy"),
        ),
        _("user deleted"),
    )
    CLAIMS_VIEWED = "claims_viewed", Traits(ecs=ACCESS, read_only=True), _("record viewed")
    LOOKS_FINE = "looks_fine", Traits(ecs=SESSION_CHECK), _("found harmless")
    TOKEN_INSPECTED = "token_inspected", Traits(ecs=ACCESS), _("token inspected")
    INTROSPECTION_REFUSED = (
        "introspection_refused",
        Traits(ecs=ACCESS, severity=Severity.WARNING, security=True, refused=True),
        _("introspection refused"),
    )
    PERMISSION_DENIED = (
        "permission_denied",
        Traits(ecs=ACCESS, severity=Severity.WARNING, security=True, refused=True),
        _("permission denied"),
    )
    EXPORTED = (
        "exported",
        Traits(ecs=ACCESS, severity=Severity.NOTICE, security=True),
        _("trail exported"),
    )
    VIEW_SAVED = (
        "view_saved",
        Traits(ecs=Ecs(("configuration",), ("creation",))),
        _("view saved"),
    )
    VIEW_DELETED = (
        "view_deleted",
        Traits(ecs=Ecs(("configuration",), ("deletion",))),
        _("view deleted"),
    )
    PURGED = (
        "purged",
        Traits(ecs=Ecs(("configuration",), ("deletion",)), severity=Severity.NOTICE),
        _("purged"),
    )
    KEY_ADDED = (
        "key_added",
        Traits(ecs=Ecs(("configuration",), ("creation",)), severity=Severity.NOTICE, security=True),
        _("signing key added"),
    )
    KEY_PROMOTED = (
        "key_promoted",
        Traits(ecs=Ecs(("configuration",), ("change",)), severity=Severity.NOTICE, security=True),
        _("signing key promoted"),
    )
    KEY_RETIRED = (
        "key_retired",
        Traits(ecs=Ecs(("configuration",), ("change",)), severity=Severity.NOTICE, security=True),
        _("signing key retired"),
    )
    SERVICE_ADDED = (
        "service_added",
        Traits(ecs=Ecs(("configuration",), ("creation",)), severity=Severity.NOTICE, security=True),
        _("service added"),
    )
    SERVICE_ROTATED = (
        "service_rotated",
        Traits(ecs=Ecs(("configuration",), ("change",)), severity=Severity.NOTICE, security=True),
        _("secret of a service rotated"),
    )
    SERVICE_REMOVED = (
        "service_removed",
        Traits(ecs=Ecs(("configuration",), ("deletion",)), severity=Severity.NOTICE, security=True),
        _("service removed"),
    )
    SERVICE_REFUSED = (
        "service_refused",
        Traits(ecs=ACCESS, severity=Severity.WARNING, security=True, refused=True),
        _("service refused"),
    )


def kind_choices() -> list[tuple[str, str | Promise]]:
    """Return the choices of `Event.kind`.

    The field names this function, and so does its migration, so a new kind needs no migration.
    """
    return list(Kind.choices)


def traits_of(kind: str) -> Traits:
    """Return the traits of a stored kind.

    The trail outlives releases: a kind that this release doesn't know has `UNKNOWN` traits.
    """
    try:
        return Kind(kind).traits
    except ValueError:
        return UNKNOWN


SECURITY_KINDS = tuple(kind for kind in Kind if kind.traits.security)
# Acts by filter or cutoff, whose reach no page of a session or user shows.
BULK_KINDS = (Kind.REVOKE_MATCHING, Kind.CUTOFF)
TOLD_KINDS = tuple(kind for kind in Kind if kind.traits.told is not Told.NONE)
LOGIN_KINDS = tuple(kind for kind in Kind if kind.traits.mark is Mark.LOGIN)
READ_ONLY_KINDS = tuple(kind for kind in Kind if kind.traits.read_only)
MEASURED_KINDS = {kind.value: kind.traits.measure for kind in Kind if kind.traits.measure}


def kinds_of(measure: Measure) -> tuple[Kind, ...]:
    """Return the kinds of event that ``measure`` counts."""
    return tuple(kind for kind in Kind if kind.traits.measure == measure)


# The kinds that an owner sees, in the owner's words.
OWNER_WORDS: dict[str, str | Promise] = {
    Kind.LOGIN: _("Logged in"),
    Kind.LOGIN_REFUSED: _("A login was refused"),
    Kind.LOGIN_LOCKED: _("Logins were refused for a while"),
    Kind.LEGACY_ADOPTED: _("Logged in before"),
    Kind.REUSE: _("A used-up token was presented again"),
    Kind.LOGOUT: _("Logged out"),
    Kind.REVOKE_TOKEN: _("A session was ended"),
    Kind.REVOKE_SESSION: _("A session was ended"),
    Kind.REVOKE_USER: _("All sessions were ended"),
    Kind.REVOKE_MATCHING: _("Sessions were ended"),
    Kind.REVOKE_BROWSERS: _("Browsers were logged out"),
    Kind.CUTOFF: _("Sessions were ended"),
    Kind.PASSWORD_CHANGED: _("The password was changed"),
    Kind.NOT_ME: _("You reported that this wasn’t you, and everything was ended"),
    Kind.FACTOR_ADDED: _("A second factor was added"),
    Kind.FACTOR_REMOVED: _("A second factor was removed"),
    Kind.FACTORS_RESET: _("The second factors were removed"),
    Kind.RECOVERY_CODES: _("New recovery codes were made"),
    Kind.RECOVERY_CODE_USED: _("A recovery code was used"),
    Kind.USER_DEACTIVATED: _("The account was deactivated"),
}

# What it means for the account, or the thing that the event names, that a restored backup lacks it.
REVERTED: dict[str, str] = {
    Kind.PASSWORD_CHANGED: "the password from before works again: set a new one",
    Kind.USER_DEACTIVATED: "the account is active again: deactivate it",
    Kind.USER_DELETED: "the account is there again: delete it",
    Kind.FACTOR_ADDED: "the new second factor is gone: add it again",
    Kind.FACTOR_REMOVED: "the removed second factor works again: remove it",
    Kind.FACTORS_RESET: "the second factors from before are asked again: reset them",
    Kind.RECOVERY_CODES: "the recovery codes from before work again: make new ones",
    Kind.RECOVERY_CODE_USED: "the used recovery code works again: make new ones",
    Kind.SERVICE_ADDED: "the service is unknown: add it again",
    Kind.SERVICE_ROTATED: "the secret from before works again: rotate it",
    Kind.SERVICE_REMOVED: "the service is there again: remove it",
    Kind.KEY_ADDED: "the signing key is gone: add another",
    Kind.KEY_PROMOTED: "the signing key from before signs again: promote another",
    Kind.KEY_RETIRED: "the retired signing key verifies again: retire it",
}

# How a login ended, for metrics.
LOGIN_OUTCOMES: dict[str, str] = {Kind.LOGIN: "accepted", Kind.LOGIN_REFUSED: "refused"}
