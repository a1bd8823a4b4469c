"""Who and where a request came from, for the audit trail. No HTTP type enters here: the
middleware fills it in, commands run with the empty one."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """``ip`` is the client's address as text or None; ``client`` the label an API client gave
    itself (``X-Client`` header); ``request_id`` ties the event to a line of the access log."""

    ip: str | None = None
    user_agent: str = ""
    client: str = ""
    request_id: str = ""


_current: ContextVar[Origin] = ContextVar("tokens_origin", default=Origin())


def current_origin() -> Origin:
    return _current.get()


@contextmanager
def acting_from(origin: Origin) -> Iterator[None]:
    """Make ``origin`` the one that events written inside the block carry."""
    reset = _current.set(origin)
    try:
        yield
    finally:
        _current.reset(reset)
