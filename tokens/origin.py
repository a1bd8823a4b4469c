"""Who and where a request came from, for the audit trail. No HTTP type enters here: the
middleware says how to find it out, commands run with the empty one."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """``ip`` is the client's address as text or None; ``client`` the label an API client gave
    itself (``X-Client`` header); ``request_id`` ties the event to a line of the access log."""

    ip: str | None = None
    user_agent: str = ""
    client: str = ""
    request_id: str = ""


NOWHERE = Origin()
_current: ContextVar[Callable[[], Origin]] = ContextVar("tokens_origin", default=lambda: NOWHERE)
_actor: ContextVar[Callable[[], Any | None]] = ContextVar("tokens_actor", default=lambda: None)


def current_origin() -> Origin:
    return _current.get()()


def acting_from(origin: Origin) -> AbstractContextManager[None]:
    """Make ``origin`` the one that events written inside the block carry."""
    return found_by(lambda: origin)


@contextmanager
def found_by(finder: Callable[[], Origin]) -> Iterator[None]:
    """As `acting_from`, for an origin that is looked up only when somebody asks for it: most
    calls write no event."""
    reset = _current.set(finder)
    try:
        yield
    finally:
        _current.reset(reset)


def current_actor() -> Any | None:
    """The account on whose behalf this runs, for acts that nobody hands an actor to (a saved
    user form); None is the system."""
    return _actor.get()()


@contextmanager
def on_behalf_of(actor: Callable[[], Any | None]) -> Iterator[None]:
    """``actor`` is called only when somebody asks: loading it may cost a query."""
    reset = _actor.set(actor)
    try:
        yield
    finally:
        _actor.reset(reset)
