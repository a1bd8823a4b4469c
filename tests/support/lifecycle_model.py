"""A model of a token's life, simple enough to be believed: what the portal is compared with.

Times are seconds since 1970 as floats; a token's ``exp`` is a whole second, as in the token.
"""

from dataclasses import dataclass, field

ACCESS_SECONDS = 5 * 60
IDLE_SECONDS = 7 * 86400
SESSION_SECONDS = 30 * 86400
GRACE_SECONDS = 10


@dataclass(eq=False)
class Account:
    number: int
    active: bool = True
    gone: bool = False
    cutoff: float = 0.0


@dataclass(eq=False)
class Issued:
    """A refresh token, and the last access token that was given out with it."""

    refresh: str
    access: str
    exp: int
    access_exp: int


@dataclass(eq=False)
class Family:
    """A session: its refresh tokens in the order of their rotation."""

    owner: Account
    created: float
    chain: list[Issued] = field(default_factory=list)
    rotated: float = 0.0
    ended: bool = False

    @property
    def end(self) -> float:
        return self.created + SESSION_SECONDS

    def exps(self, now: float) -> tuple[int, int]:
        """When a pair that is issued now expires."""
        last = int(self.end)
        return min(int(now) + IDLE_SECONDS, last), min(int(now) + ACCESS_SECONDS, last)


@dataclass
class Portal:
    families: list[Family] = field(default_factory=list)
    cutoff: float = 0.0

    def alive(self, family: Family, now: float) -> bool:
        owner = family.owner
        dead = family.ended or owner.gone or not owner.active or now >= family.end
        return not dead and family.created >= max(owner.cutoff, self.cutoff)

    def access_works(self, family: Family, token: Issued, now: float) -> bool:
        return token.access_exp > now and self.alive(family, now)

    def refresh_works(self, family: Family, token: Issued, now: float) -> bool:
        """As verify has it: the current token, or its direct predecessor within the grace."""
        return token.exp > now and self.alive(family, now) and self.place(family, token, now) != ""

    @staticmethod
    def place(family: Family, token: Issued, now: float) -> str:
        at = family.chain.index(token)
        if at == len(family.chain) - 1:
            return "current"
        near = at == len(family.chain) - 2 and now - family.rotated < GRACE_SECONDS
        return "retry" if near else ""

    def presented(self, family: Family, token: Issued, now: float) -> str:
        """Return the result of a refresh: "current", "retry", or "" for a refusal."""
        if self.refresh_works(family, token, now):
            return self.place(family, token, now)
        if token.exp > now and not self.place(family, token, now):
            family.ended = True
        return ""

    def end_of(self, owner: Account, *, keep: Family | None = None) -> None:
        for family in self.families:
            if family.owner is owner and family is not keep:
                family.ended = True
