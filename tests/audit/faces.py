"""Describe each recorded act, through each face that has it, and the event that it must write."""

import getpass
import io
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client, override_settings
from django.utils import timezone

from tests.support.factors import code_of, shown_key, with_app
from tests.support.legacy import legacy_pair
from tests.support.routes import link_of
from tests.support.tokens import later, pair_of
from tests.support.users import PASSWORD, make_staff
from tokens.accounts.factors import new_recovery_codes
from tokens.models import Factor, Kind, OutstandingToken, Proposal, SigningKey
from tokens.revocation import Selection, cutoffs, preview, propose
from tokens.validation.browser import ROW
from tokens.web.second_step import PROVED

PHONE = {
    "REMOTE_ADDR": "203.0.113.9", "HTTP_USER_AGENT": "Phone/1", "HTTP_X_CLIENT": "app",
    "HTTP_X_REQUEST_ID": "request-1234",
}  # fmt: skip
WHY = "lost device"
RING_SECRET = "secret-of-the-trails-ring-opening-nothing-Zr8vQ2mX9kLw4TnB"


@dataclass
class World:
    """Alice has one session with tokens. Sam has every permission. Both have a browser session."""

    alice: User
    sam: User
    folder: Path
    pair: Any = None
    legacy: Any = None
    api: Client = field(default_factory=lambda: Client(raise_request_exception=False, **PHONE))
    staff: Client = field(default_factory=lambda: Client(raise_request_exception=False, **PHONE))
    own: Client = field(default_factory=lambda: Client(raise_request_exception=False, **PHONE))
    mallory: Client = field(default_factory=lambda: Client(raise_request_exception=False, **PHONE))
    bearer: dict[str, Any] = field(default_factory=dict)
    own_bearer: dict[str, Any] = field(default_factory=dict)
    code: str = ""

    def __post_init__(self) -> None:
        self.pair = pair_of(self.alice)
        self.bearer = {"HTTP_AUTHORIZATION": f"Bearer {pair_of(self.sam).access}"}
        self.own_bearer = {"HTTP_AUTHORIZATION": f"Bearer {self.pair.access}"}
        self.staff.force_login(self.sam)
        self.own.force_login(self.alice)
        self.mallory.force_login(make_staff("mallory"))

    @property
    def sid(self) -> str:
        return str(self.pair.session.pk)

    @property
    def browser(self) -> str:
        """Return the id of Alice's own browser session."""
        return str(self.own.session[ROW])

    @property
    def jti(self) -> str:
        return str(self.pair.session.current.jti)

    @property
    def token(self) -> int:
        return int(OutstandingToken.objects.values_list("pk", flat=True).get(jti=self.jti))

    def post(self, path: str, body: dict[str, Any], **headers: Any) -> Any:
        return self.api.post(f"/api/{path}", body, content_type="application/json", **headers)

    def review(self, query: str) -> Any:
        """Revoke on the staff pages."""
        return self.staff.post(f"/staff/revoke/?{query}", {"reason": WHY})

    def admin(self, path: str, form: dict[str, Any] | None = None) -> Any:
        """Post a form to the admin."""
        body = {"reason": WHY, "confirm": "1"} if form is None else form
        return self.staff.post(f"/admin/{path}", body)

    def command(self, *words: str, **options: Any) -> None:
        call_command(*words, stdout=io.StringIO(), **options)


Does = Callable[[World], Any]


@dataclass(frozen=True)
class Act:
    """An act and the event that it must write.

    ``actor`` and ``subject`` are names. ``about`` says whether the event names Alice's session
    (s), refresh token (t) or access token (a). ``also`` is a second event of the same act.
    """

    kind: Kind
    face: str
    does: Does
    actor: str = ""
    subject: str = "alice"
    about: str = ""
    reason: str = ""
    count: int = 1
    data: tuple[str, ...] = ()
    first: Does = lambda world: None
    also: Kind | None = None
    request: bool = True

    @property
    def name(self) -> str:
        return f"{self.kind} by {self.face}"


def login(client: str, path: str, password: str) -> Does:
    form = {"username": "alice", "password": password}
    return lambda world: getattr(world, client).post(path, form)


def api_login(password: str) -> Does:
    return lambda world: world.post("login", {"username": "alice", "password": password})


def refresh(world: World) -> Any:
    return world.post("refresh", {"refresh": world.pair.refresh})


def with_legacy_token(world: World) -> None:
    world.legacy = legacy_pair(world.alice)


@override_settings(LEGACY_UNTIL=None)
def refresh_legacy(world: World) -> Any:
    return world.post("refresh", {"refresh": world.legacy.refresh})


def reuse(world: World) -> Any:
    with later(minutes=5):
        return refresh(world)


def as_staff(world: World) -> None:
    User.objects.filter(pk=world.alice.pk).update(is_staff=True)


def one_failure(world: World) -> None:
    """Fail to log in once. These tests set LOGIN_ATTEMPTS=1, so the next attempt locks."""
    world.post("login", {"username": "alice", "password": "wrong"})


def locked(world: World) -> None:
    one_failure(world)
    one_failure(world)


def change_form(world: World, **changes: Any) -> Any:
    joined = timezone.localtime(world.alice.date_joined)
    form = {
        "username": "alice", "email": world.alice.email, "is_active": "on",
        "date_joined_0": f"{joined:%Y-%m-%d}", "date_joined_1": f"{joined:%H:%M:%S}", **changes,
    }  # fmt: skip
    form = {name: value for name, value in form.items() if value is not None}
    return world.admin(f"auth/user/{world.alice.pk}/change/", form)


def new_password(world: World) -> Any:
    form = {"password1": "another good one 7", "password2": "another good one 7"}
    return world.admin(f"auth/user/{world.alice.pk}/password/", {**form, "usable_password": "true"})


def own_password(world: World) -> Any:
    new = {"new_password1": "another good one 7", "new_password2": "another good one 7"}
    return world.own.post("/account/password/", {"old_password": PASSWORD, **new})


def not_me(world: World) -> Any:
    """Follow the link of a mail, without a login."""
    link = link_of(world.alice)
    return world.api.post(f"/account/notices/?link={link}")


def typed_password(world: World) -> None:
    asked, getpass.getpass = getpass.getpass, lambda prompt: "another good one 7"
    try:
        call_command("changepassword", "alice", stdout=io.StringIO())
    finally:
        getpass.getpass = asked


def with_two_sessions(world: World) -> None:
    pair_of(world.alice)


def propose_all(world: World) -> Any:
    with override_settings(TWO_PERSON_OVER=1):
        return world.review(f"user={world.alice.pk}")


def with_proposal(world: World) -> None:
    """Let Sam propose to revoke Alice's session, and log in a colleague beside him."""
    selection = Selection(sessions=(world.pair.session.pk,))
    propose(selection=selection, found=preview(selection=selection), actor=world.sam, reason=WHY)
    world.mallory.force_login(User.objects.create_superuser("boss", password=PASSWORD))


def expire_proposal(world: World) -> None:
    with later(hours=25):
        world.command("purge_tokens", reason="nightly")


def decide(client: str, act: str) -> Does:
    def post(world: World) -> Any:
        proposal = Proposal.objects.get()
        return getattr(world, client).post(f"/staff/proposals/{proposal.pk}/", {"act": act})

    return post


def with_factor(world: World) -> None:
    """Give Alice a second factor, which her browser has proved."""
    with_app(world.alice)
    session = world.own.session
    session[PROVED] = timezone.now().isoformat()
    session.save()
    world.code = new_recovery_codes(world.alice)[0]


def add_app(world: World) -> Any:
    page = world.own.get("/account/factors/app/")
    key, protected = shown_key(page.text)
    form = {"name": "phone", "code": code_of(key), "password": PASSWORD, "key": protected}
    return world.own.post("/account/factors/app/", form)


def change_factor(path: str) -> Callable[[World], Any]:
    def change(world: World) -> Any:
        pk = Factor.objects.values_list("pk", flat=True).get(user=world.alice)
        return world.own.post(path.format(pk), {"password": PASSWORD})

    return change


def log_in_with_code(world: World) -> Any:
    body = {"username": "alice", "password": PASSWORD, "code": world.code}
    return world.post("login", body)


def inspected(world: World) -> None:
    stdin, sys.stdin = sys.stdin, io.StringIO(world.pair.access)
    try:
        world.command("inspect_token")
    finally:
        sys.stdin = stdin


def expired(world: World) -> None:
    past = timezone.now() - timedelta(days=9)
    OutstandingToken.objects.filter(user=world.alice).update(expires_at=past)


def purge_trail(world: World) -> None:
    with later(days=40):
        world.command("purge_events", days=30, reason=WHY)


def env_file(world: World) -> None:
    from django.conf import settings

    (world.folder / "env").write_text(f"JWT_SIGNING_KEY={settings.JWT_SIGNING_KEY}\n")


def rotate_key(world: World) -> None:
    world.command("rotate_signing_key", file=str(world.folder / "env"))


def add_billing(world: World) -> None:
    world.command("services", "add", "billing", "--introspect")


def in_ring(*steps: str) -> Does:
    """Run acts of `signing_keys`, in a ring that begins with a key of HS256."""

    def act(world: World) -> None:
        ring = {"SIGNING_KEYS": "database", "SIGNING_KEYS_SECRET": RING_SECRET}
        with override_settings(**ring):
            for step in steps:
                world.command("signing_keys", *step.split())

    return act


def retire_upcoming(world: World) -> None:
    kid = SigningKey.objects.get(state="upcoming").kid
    in_ring(f"retire {kid}")(world)


def exported(world: World) -> None:
    world.command("export_events", output=str(world.folder / "trail"), format="csv")


def cut_off_many(world: World) -> None:
    """Cut everybody off, as if there were more sessions than the event of the cutoff lists."""
    with patch.object(cutoffs, "LISTED", 1):
        world.command("revoke_tokens", everybody=True, reason=WHY)


def cut_off_page(world: World) -> Any:
    before = timezone.now().isoformat().replace("+", "%2B")
    return world.staff.post(
        f"/staff/revoke/?everybody=1&before={before}", {"reason": WHY, "typed": "2"}
    )
