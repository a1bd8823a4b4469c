"""Declare every setting of the app: its name, type, default, unit and meaning.

Code of the app reads a value as ``app_settings.SESSION_DAYS``. The value comes from Django's
settings at each read, so `override_settings` works, and from the default where the project does
not set it. Importing this module needs no configured settings: a project's settings module can
take a default from it as ``AppSettings.SESSION_DAYS.default``.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Generic, TypeVar, overload

from django.conf import settings

T = TypeVar("T")


class Setting(Generic[T]):
    """Declare one setting; an attribute of `AppSettings` with the setting's name holds it.

    ``fallback`` computes the value of a setting that the project leaves empty.
    """

    name: str

    def __init__(
        self, default: T, doc: str, *, unit: str = "", fallback: Callable[[], T] | None = None
    ) -> None:
        self.default = default
        self.doc = doc
        self.unit = unit
        self.fallback = fallback

    def __set_name__(self, owner: type[object], name: str) -> None:
        self.name = name

    @property
    def given(self) -> bool:
        """Tell whether the project sets it."""
        return hasattr(settings, self.name)

    @overload
    def __get__(self, instance: None, owner: type[object]) -> "Setting[T]": ...

    @overload
    def __get__(self, instance: object, owner: type[object]) -> T: ...

    def __get__(self, instance: object | None, owner: type[object]) -> "Setting[T] | T":
        if instance is None:
            return self
        value: T = getattr(settings, self.name, self.default)
        return self.fallback() if self.fallback is not None and not value else value


def _simplejwt(name: str) -> str:
    """Return a text among simplejwt's settings, empty where it is None."""
    # simplejwt reads SECRET_KEY when it is imported, which this module must not require.
    from rest_framework_simplejwt.settings import api_settings

    return key_text(getattr(api_settings, name) or "")


def key_text(key: object) -> str:
    """Return a key as text: PyJWT also takes bytes, and the private keys of `cryptography`.

    ``surrogateescape`` makes text of any bytes, and the same bytes of that text.
    """
    if isinstance(key, bytes):
        return key.decode(errors="surrogateescape")
    if not hasattr(key, "private_bytes"):
        return str(key)
    from cryptography.hazmat.primitives import serialization

    pem: bytes = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem.decode()


class AppSettings:
    """List the settings of the app. Values are read from an instance, see `app_settings`."""

    # Tokens and sessions
    JWT_SIGNING_KEY = Setting(
        "",
        "Secret or PEM private key that signs tokens. Empty: simplejwt's SIGNING_KEY.",
        fallback=lambda: _simplejwt("SIGNING_KEY"),
    )
    JWT_RETIRED_KEYS = Setting[Sequence[str]](
        (), "Keys that signed once and still verify, newest first."
    )
    SIGNING_KEYS = Setting(
        "environment",
        "Where the signing keys are: `environment` for JWT_SIGNING_KEY and JWT_RETIRED_KEYS, "
        "`database` for a key ring that all hosts share.",
    )
    SIGNING_KEYS_SECRET = Setting(
        "", "Secret that encrypts the private keys of the ring in the database."
    )
    SIGNING_KEYS_RETIRED_SECRETS = Setting[Sequence[str]](
        (), "Secrets that encrypted the ring before, until `signing_keys reencrypt` has run."
    )
    JWT_AUDIENCE = Setting(
        "",
        "Audience (`aud`) of access tokens. They are then those of RFC 9068 (`typ: at+jwt`), and "
        "refresh tokens have no audience, so that no other service accepts one as an access token. "
        "Empty: simplejwt's AUDIENCE, in both.",
    )
    SESSION_DAYS = Setting(
        30,
        "Absolute lifetime of a session, however often it is refreshed. A project that does not "
        "set it keeps a longer REFRESH_TOKEN_LIFETIME.",
        unit="days",
    )
    BROWSER_HOURS = Setting(
        0,
        "Absolute lifetime of a browser session, that is a cookie session of Django, however often "
        "it is used. 0: it ends with its cookie.",
        unit="hours",
    )
    BROWSER_IDLE_MINUTES = Setting(
        0,
        "How long a browser session goes on without a request of its user. 0: until its end.",
        unit="minutes",
    )
    MAX_SESSIONS = Setting(
        0,
        "How many sessions a user has at most. A login beyond that ends the oldest. 0: no limit.",
        unit="sessions",
    )
    STAFF_MFA = Setting(
        "optional",
        "Who is asked for a second factor. `optional`: an account that has one. `required`: staff "
        "too, who can't use the staff pages, the admin or the API without one. `off`: no account, "
        "for a project whose own login has second factors.",
    )
    STEP_UP_OVER = Setting(
        25,
        "An act of staff that ends more sessions than this needs a fresh proof of who acts. So "
        "does any act upon everybody, another superuser, a service or second factors.",
        unit="sessions",
    )
    STEP_UP_MINUTES = Setting(
        10, "How long a login, or another proof, counts as fresh. 0: none is asked.", unit="minutes"
    )
    TWO_PERSON_OVER = Setting(
        0,
        "A revocation by staff that ends more sessions than this, or everybody's, is proposed, and "
        "done when another person approves it. 0: one person is enough.",
        unit="sessions",
    )
    REFRESH_GRACE_SECONDS = Setting(
        10,
        "How long after a rotation the used-up refresh token is answered with the same successor "
        "again. 0 accepts each refresh token exactly once.",
        unit="seconds",
    )

    CLAIMS = Setting(
        "",
        "Dotted path of a function `(user, session) -> dict` whose claims are added to each access "
        "token, at login and at each refresh. Empty: none.",
    )

    # A project that uses simplejwt
    TAKE_OVER_FOR_USER = Setting(
        True,
        "Whether `RefreshToken.for_user(user)`, and the other methods and serializers of simplejwt "
        "that issue, check or blacklist refresh tokens, go through the app.",
    )
    LEGACY_UNTIL = Setting[datetime | str | None](
        None,
        "When tokens that simplejwt issued before the app was added stop being accepted: a "
        "datetime, or ISO 8601 text such as `2026-12-31`. None: when they expire.",
    )

    # Checks
    STRICT_CHECKS = Setting(
        False,
        "Whether `check` takes keys that can be guessed, or that are SECRET_KEY, and settings that "
        "weaken a guarantee, for errors that stop the server. Off: warnings.",
    )

    # Logins
    LOGIN_ATTEMPTS = Setting(
        10,
        "Failed logins for one account in one window before it is locked. One address may fail "
        "ten times as often.",
        unit="attempts",
    )
    LOGIN_WINDOW_SECONDS = Setting(
        300, "How long failed logins are counted, and how long a lock lasts.", unit="seconds"
    )

    LOGIN_HASHES = Setting(
        1, "Passwords that one process hashes at once: its share of the cores.", unit="hashes"
    )
    LOGIN_WAITING = Setting(
        2,
        "Logins of one process that may wait for a hash; the last place is for addresses that the "
        "account has logged in from before. Others get a 503. Keep the sum with LOGIN_HASHES below "
        "the threads of the process.",
        unit="logins",
    )

    # Requests
    TRUSTED_PROXIES = Setting[Sequence[str]](
        (),
        "Addresses or networks of proxies whose X-Forwarded-For, X-Forwarded-Proto and Forwarded "
        'headers are used; "unix" for proxies that connect through a unix socket.',
    )
    ACCESS_LOG = Setting(False, "Write one line for each request to standard output.")
    LOG_FORMAT = Setting(
        "text", "Form of those lines: `text`, or `json` for one JSON object in each line."
    )

    # Pages
    SITE_TITLE = Setting(
        "Tokens",
        "Name of the site in the titles and the header of the pages and in the API document.",
    )
    ADMIN_USER_SECTION = Setting(
        False,
        "Show the tokens of a user in the project's own user admin, search that list by the start "
        "of a name, and record refused logins of the admin.",
    )

    # Audit trail
    AUDIT_KEY = Setting(
        "",
        "Secret that seals the audit trail. Empty: derived from JWT_SIGNING_KEY.",
    )
    AUDIT_KEY_REQUIRED = Setting(False, "Whether an empty AUDIT_KEY is an error of `check`.")
    AUDIT_RETIRED_KEYS = Setting[Sequence[str]](
        (), "Audit keys that sealed once and still verify, newest first."
    )
    WEBHOOK_URL = Setting("", "Address to which `deliver_events` posts events. Empty: none.")
    WEBHOOK_SECRET = Setting("", "Secret that signs what `deliver_events` posts.")
    WEBHOOK_FORMAT = Setting(
        "events",
        "What `deliver_events` posts: `events` for every event, `caep` for revocations as security "
        "event tokens (RFC 8417).",
    )
    WEBHOOK_ISSUER = Setting(
        "",
        "Issuer of security event tokens. Empty: simplejwt's ISSUER, else `token-portal`.",
        fallback=lambda: _simplejwt("ISSUER") or "token-portal",
    )

    # Notices
    PORTAL_URL = Setting(
        "",
        "Address under which people reach the site, such as `https://portal.example.com`, for the "
        "links in mails. Empty: `send_notices` sends none.",
    )
    NOTICES_PER_DAY = Setting(
        10,
        "How many mails about its account a user gets in 24 hours at most; those about logins "
        "alone use half of them. What happens beyond that is in the next mail. 0: no limit.",
        unit="mails",
    )
    NOTICE_LANGUAGE = Setting(
        "",
        "Dotted path of a function `(user) -> str` that returns the code of a user's language. "
        "Empty: mails are in the language of the page on which the user last logged in, else in "
        "LANGUAGE_CODE.",
    )

    @classmethod
    def declared(cls) -> list[Setting[object]]:
        """Return the declarations in the order above."""
        return [value for value in vars(cls).values() if isinstance(value, Setting)]


app_settings = AppSettings()
