"""The invented people of `seed_demo`, their devices, and what happens to their sessions."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any

from tokens import logins
from tokens.issuing import LoginSuperseded, open_session
from tokens.models import Kind, Session
from tokens.origin import Origin, acting_from
from tokens.revocation import revoke_session, revoke_user
from tokens.rotation import rotate
from tokens.verdict import Refused

# Names only; their addresses are in the domain that RFC 2606 keeps for examples.
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
THIEF = "Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/139.0.0.0"
REASONS = ("lost device", "left the company", "suspected theft", "asked by the user")
# Networks that RFC 5737 keeps for documentation.
HOMES, ELSEWHERE = ("192.0.2", "198.51.100"), "203.0.113"
# Where the people who help the others sit.
DESK = Origin(ip="192.0.2.10", user_agent=DEVICES[0][0], client="web")


@dataclass(frozen=True, slots=True)
class Step:
    """``act`` is done at ``at``; ``kind`` is what the summary counts."""

    at: datetime
    kind: str
    act: Callable[[], None]


@dataclass
class Life:
    """One session from its login on; the tokens are held as a client would hold them."""

    user: Any
    origin: Origin
    session: Session | None = None
    refresh: str = field(default="", repr=False)
    used: str = field(default="", repr=False)

    def login(self) -> None:
        """Nothing comes of it for somebody who has left by then."""
        try:
            pair = open_session(user=self.user, origin=self.origin)
        except LoginSuperseded:
            return
        self.session, self.refresh = pair.session, pair.refresh

    def rotate(self) -> None:
        if self._alive():
            pair = rotate(refresh=self.refresh, origin=self.origin)
            self.used, self.refresh = self.refresh, pair.refresh

    def replay(self) -> None:
        """Somebody else presents a token that was used up."""
        if self._alive() and self.used:
            try:
                rotate(refresh=self.used, origin=Origin(ip=f"{ELSEWHERE}.66", user_agent=THIEF))
            except Refused:
                self.used = ""

    def logout(self) -> None:
        self._end(self.origin, actor=self.user, reason="logged out", kind=Kind.LOGOUT)

    def revoke(self, actor: Any, reason: str) -> None:
        self._end(DESK, actor=actor, reason=reason, kind=Kind.REVOKE_SESSION)

    def _end(self, where: Origin, *, actor: Any, reason: str, kind: Kind) -> None:
        if self.session is not None:
            with acting_from(where):
                revoke_session(session=self.session, actor=actor, reason=reason, kind=kind)

    def _alive(self) -> bool:
        return (
            self.session is not None
            and Session.objects.filter(pk=self.session.pk, revoked_at=None).exists()
        )


def plan(
    *, people: dict[str, Any], support: Any, now: datetime, days: int, rng: Random
) -> list[Step]:
    """What happens in the ``days`` before ``now``, in the order in which it happens."""
    since = now - timedelta(days=days)
    steps: list[Step] = []
    for user in people.values():
        for _ in range(rng.choice((2, 3, 4, 5, 7))):
            steps += _session(user, support, since, now, rng)
    steps += _troubles(people, support, since, now, rng)
    return sorted((step for step in steps if step.at < now), key=lambda step: step.at)


def _session(
    user: Any, support: Any, since: datetime, now: datetime, rng: Random
) -> Iterator[Step]:
    agent, client = rng.choice(DEVICES)
    home = f"{rng.choice(HOMES)}.{rng.randrange(2, 250)}"
    life = Life(user, Origin(ip=home, user_agent=agent, client=client))
    # Newer logins are commoner: a device stays logged in for a week, not for two.
    at = _by_day(now - (now - since) * rng.betavariate(1, 1.6), rng)
    yield Step(at, "logins", life.login)
    ending = rng.choices(("", "logout", "revoke", "replay"), (66, 18, 12, 4))[0]
    for _ in range(rng.randrange(0, 14)):
        at += timedelta(minutes=rng.choice((6, 20, 45, 90, 240, 600, 1500)) * rng.uniform(0.7, 1.3))
        yield Step(at, "refreshes", life.rotate)
    at += timedelta(minutes=rng.uniform(5, 300))
    if ending == "logout":
        yield Step(at, "logouts", life.logout)
    elif ending == "revoke":
        yield Step(at, "revocations", partial(life.revoke, support, rng.choice(REASONS)))
    elif ending == "replay":
        yield Step(at - timedelta(minutes=2), "refreshes", life.rotate)
        yield Step(at, "reuses", life.replay)


def _troubles(
    people: dict[str, Any], support: Any, since: datetime, now: datetime, rng: Random
) -> Iterator[Step]:
    """What a quiet week has in store besides: mistyped passwords, one account under attack, a
    phone left in a train, a password changed, somebody leaving."""
    cast = list(people.values())
    for user in rng.sample(cast, len(cast) // 3 + 1):
        at = _by_day(now - (now - since) * rng.random(), rng)
        where = Origin(ip=f"{rng.choice(HOMES)}.{rng.randrange(2, 250)}", user_agent=DEVICES[0][0])
        yield Step(at, "refused logins", partial(_guess, user, where))
    target, lost, careful, leaver = rng.sample(cast, 4)
    thief = Origin(ip=f"{ELSEWHERE}.99", user_agent="python-requests/2.31")
    for second in range(14):
        at = now - timedelta(hours=5) + timedelta(seconds=3 * second)
        yield Step(at, "refused logins", partial(_guess, target, thief))
    yield from _one_of_each(careful, support, now)
    yield Step(now - timedelta(hours=3), "revocations", partial(_all_of, lost, support))
    yield Step(now - timedelta(hours=30), "password changes", partial(_new_password, careful, rng))
    yield Step(now - timedelta(hours=52), "deactivations", partial(_deactivate, leaver))


def _one_of_each(user: Any, support: Any, now: datetime) -> Iterator[Step]:
    """Chance may leave an ending out; a portal that is shown should have them all."""
    for number, (agent, client) in enumerate(DEVICES[2:5]):
        life = Life(user, Origin(ip=f"192.0.2.{20 + number}", user_agent=agent, client=client))
        at = now - timedelta(hours=9, minutes=10 * number)
        yield Step(at, "logins", life.login)
        yield Step(at + timedelta(hours=1), "refreshes", life.rotate)
        yield Step(at + timedelta(hours=2), "refreshes", life.rotate)
        if number == 0:
            yield Step(at + timedelta(hours=3), "reuses", life.replay)
        elif number == 1:
            yield Step(at + timedelta(hours=3), "logouts", life.logout)
        else:
            act = partial(life.revoke, support, REASONS[2])
            yield Step(at + timedelta(hours=3), "revocations", act)


def _guess(user: Any, where: Origin) -> None:
    with acting_from(where):
        try:
            logins.check(user=user, username=user.get_username(), password="guess")  # noqa: S106
        except logins.LoginLocked:
            return


def _all_of(user: Any, support: Any) -> None:
    with acting_from(DESK):
        revoke_user(user=user, actor=support, reason="lost device: phone left in a train")


def _new_password(user: Any, rng: Random) -> None:
    user.set_password(f"{rng.getrandbits(128):032x}")
    user.save(update_fields=["password"])


def _deactivate(user: Any) -> None:
    user.is_active = False
    user.save(update_fields=["is_active"])


def _by_day(at: datetime, rng: Random) -> datetime:
    """The same day, at an hour at which people log in."""
    hour = min(22, max(6, round(rng.gauss(12, 3.5))))
    return at.replace(hour=hour, minute=rng.randrange(60), second=rng.randrange(60))
