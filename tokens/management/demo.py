"""Plan the history that `seed_demo` plays: its users, their devices and their sessions."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from random import Random

from django.contrib.auth.models import AbstractUser

from tokens.accounts import passwords
from tokens.models import Kind, Session
from tokens.models.reasons import OFFERED, Reason
from tokens.origin import Origin, acting_from
from tokens.revocation import revoke_session, revoke_user
from tokens.sessions.issue import LoginSuperseded, open_session
from tokens.sessions.refresh import rotate_in_transaction
from tokens.validation.validator import TokenRejected

# User names; the e-mail addresses are in a domain that RFC 2606 reserves for examples.
SUPPORT, AUDITOR = "mira.okafor", "otto.brandt"
PEOPLE = (
    "alice.munro", "ben.castillo", "chiara.rossi", "daniel.weiss", "elif.yilmaz", "farid.nasser",
    "grace.liu", "hugo.martin", "ines.ferreira", "jonas.berg", "kavya.menon", "liam.oconnor",
    "maya.cohen", "noah.dupont", "olga.petrova", "priya.shah", "quentin.roy", "rosa.jimenez",
    "sven.lindqvist", "tomoko.sato", "uma.fischer", "victor.mbeki",
)  # fmt: skip
DEVICES = (
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:142.0) Gecko/20100101 Firefox/142.0", "web"),
    (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "Version/18.5 Safari/605.1.15",
        "web",
    ),
    (
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/140.0.0.0 Safari/537.36",
        "web",
    ),
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 "
        "(KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
        "ios",
    ),
    (
        "Mozilla/5.0 (Linux; Android 15; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/140.0.0.0 Mobile Safari/537.36",
        "android",
    ),
    ("reports-cli/2.4 python-requests/2.32", "reports-cli"),
)
ATTACKER_AGENT = "Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/139.0.0.0"
# Networks that RFC 5737 reserves for documentation.
HOME_NETWORKS, ATTACKER_NETWORK = ("192.0.2", "198.51.100"), "203.0.113"
# The workplace of the support user.
SUPPORT_DESK = Origin(ip="192.0.2.10", user_agent=DEVICES[0][0], client="web")


@dataclass(frozen=True, slots=True)
class PlannedAct:
    """Call ``act`` at the instant ``at``."""

    at: datetime
    act: Callable[[], None]


@dataclass
class DemoSession:
    """Hold one session and its tokens, as a client would."""

    user: AbstractUser
    origin: Origin
    session: Session | None = None
    refresh: str = field(default="", repr=False)
    used: str = field(default="", repr=False)

    def login(self) -> None:
        """Open the session, unless the user was deactivated before."""
        try:
            pair = open_session(user=self.user, origin=self.origin)
        except LoginSuperseded:
            return
        self.session, self.refresh = pair.session, pair.refresh

    def rotate(self) -> None:
        if self._is_live():
            pair = rotate_in_transaction(refresh=self.refresh, origin=self.origin)
            self.used, self.refresh = self.refresh, pair.refresh

    def replay(self) -> None:
        """Present a used-up token, as an attacker would."""
        if self._is_live() and self.used:
            try:
                rotate_in_transaction(
                    refresh=self.used,
                    origin=Origin(ip=f"{ATTACKER_NETWORK}.66", user_agent=ATTACKER_AGENT),
                )
            except TokenRejected:
                self.used = ""

    def logout(self) -> None:
        self._end(self.origin, actor=self.user, reason=Reason.LOGGED_OUT, kind=Kind.LOGOUT)

    def revoke(self, actor: AbstractUser, reason: str) -> None:
        self._end(SUPPORT_DESK, actor=actor, reason=reason, kind=Kind.REVOKE_SESSION)

    def _end(self, where: Origin, *, actor: AbstractUser, reason: str, kind: Kind) -> None:
        if self.session is not None:
            with acting_from(where):
                revoke_session(session=self.session, actor=actor, reason=reason, kind=kind)

    def _is_live(self) -> bool:
        return (
            self.session is not None
            and Session.objects.filter(pk=self.session.pk, revoked_at=None).exists()
        )


def plan_history(
    *, users: list[AbstractUser], support: AbstractUser, now: datetime, days: int, rng: Random
) -> list[PlannedAct]:
    """Return the acts of the ``days`` before ``now``, oldest first."""
    since = now - timedelta(days=days)
    acts: list[PlannedAct] = []
    for user in users:
        for _ in range(rng.choice((2, 3, 4, 5, 7))):
            acts += _session_acts(user, support, since, now, rng)
    acts += _incidents(users, support, since, now, rng)
    return sorted((act for act in acts if act.at < now), key=lambda act: act.at)


def _session_acts(
    user: AbstractUser, support: AbstractUser, since: datetime, now: datetime, rng: Random
) -> Iterator[PlannedAct]:
    agent, client = rng.choice(DEVICES)
    home = f"{rng.choice(HOME_NETWORKS)}.{rng.randrange(2, 250)}"
    session = DemoSession(user, Origin(ip=home, user_agent=agent, client=client))
    # Recent logins are more likely, because most sessions last a week and not two.
    at = _in_daytime(now - (now - since) * rng.betavariate(1, 1.6), rng)
    yield PlannedAct(at, session.login)
    ending = rng.choices(("", "logout", "revoke", "replay"), (66, 18, 12, 4))[0]
    for _ in range(rng.randrange(0, 14)):
        at += timedelta(minutes=rng.choice((6, 20, 45, 90, 240, 600, 1500)) * rng.uniform(0.7, 1.3))
        yield PlannedAct(at, session.rotate)
    at += timedelta(minutes=rng.uniform(5, 300))
    if ending == "logout":
        yield PlannedAct(at, session.logout)
    elif ending == "revoke":
        yield PlannedAct(at, partial(session.revoke, support, rng.choice(OFFERED)))
    elif ending == "replay":
        yield PlannedAct(at - timedelta(minutes=2), session.rotate)
        yield PlannedAct(at, session.replay)


def _incidents(
    users: list[AbstractUser], support: AbstractUser, since: datetime, now: datetime, rng: Random
) -> Iterator[PlannedAct]:
    """Plan wrong passwords, one attacked account, a lost phone and users who leave."""
    for user in rng.sample(users, len(users) // 3 + 1):
        at = _in_daytime(now - (now - since) * rng.random(), rng)
        where = Origin(
            ip=f"{rng.choice(HOME_NETWORKS)}.{rng.randrange(2, 250)}", user_agent=DEVICES[0][0]
        )
        yield PlannedAct(at, partial(_guess_password, user, where))
    target, lost, careful, leaver = rng.sample(users, 4)
    attacker = Origin(ip=f"{ATTACKER_NETWORK}.99", user_agent="python-requests/2.31")
    for second in range(14):
        at = now - timedelta(hours=5) + timedelta(seconds=3 * second)
        yield PlannedAct(at, partial(_guess_password, target, attacker))
    yield from _one_of_each(careful, support, now)
    yield PlannedAct(now - timedelta(hours=3), partial(_revoke_all, lost, support))
    yield PlannedAct(now - timedelta(hours=30), partial(_change_password, careful, rng))
    yield PlannedAct(now - timedelta(hours=52), partial(_deactivate, leaver))


def _one_of_each(user: AbstractUser, support: AbstractUser, now: datetime) -> Iterator[PlannedAct]:
    """Plan a session with each ending, so that no demo misses one by chance."""
    for number, (agent, client) in enumerate(DEVICES[2:5]):
        session = DemoSession(
            user, Origin(ip=f"192.0.2.{20 + number}", user_agent=agent, client=client)
        )
        at = now - timedelta(hours=9, minutes=10 * number)
        yield PlannedAct(at, session.login)
        yield PlannedAct(at + timedelta(hours=1), session.rotate)
        yield PlannedAct(at + timedelta(hours=2), session.rotate)
        if number == 0:
            yield PlannedAct(at + timedelta(hours=3), session.replay)
        elif number == 1:
            yield PlannedAct(at + timedelta(hours=3), session.logout)
        else:
            act = partial(session.revoke, support, Reason.SUSPECTED_THEFT)
            yield PlannedAct(at + timedelta(hours=3), act)


def _guess_password(user: AbstractUser, where: Origin) -> None:
    with acting_from(where):
        try:
            passwords.check(
                user=user,
                username=user.get_username(),
                password="guess",  # noqa: S106
                durable=False,
            )
        except passwords.LoginLocked:
            return


def _revoke_all(user: AbstractUser, support: AbstractUser) -> None:
    with acting_from(SUPPORT_DESK):
        revoke_user(user=user, actor=support, reason=f"{Reason.LOST_DEVICE}: phone left in a train")


def _change_password(user: AbstractUser, rng: Random) -> None:
    user.set_password(f"{rng.getrandbits(128):032x}")
    user.save(update_fields=["password"])


def _deactivate(user: AbstractUser) -> None:
    user.is_active = False
    user.save(update_fields=["is_active"])


def _in_daytime(at: datetime, rng: Random) -> datetime:
    """Return an instant on the same day, at an hour at which people log in."""
    hour = min(22, max(6, round(rng.gauss(12, 3.5))))
    return at.replace(hour=hour, minute=rng.randrange(60), second=rng.randrange(60))
