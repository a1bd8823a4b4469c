"""Find out who a request comes from and from where, for the audit trail.

Nothing here knows HTTP: the middleware sets the origin of a request. Commands have an empty one.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import TYPE_CHECKING, TypeAlias, TypedDict

if TYPE_CHECKING:
    from uuid import UUID

    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser
    from django.contrib.sessions.backends.base import SessionBase

# The account on whose behalf an act is done; None is the system.
Actor: TypeAlias = "AbstractBaseUser | AnonymousUser | None"

# Characters that a session and an event store of the headers.
USER_AGENT_LENGTH = 512
CLIENT_LENGTH = 100
# The header of W3C Trace Context: version 00, a trace, the caller's span, and flags.
TRACEPARENT = re.compile(r"00-((?!0{32})[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
# The label of a management command starts with this.
COMMAND = "manage.py "


class OriginColumns(TypedDict):
    """Hold the columns in which a session stores its origin."""

    ip: str | None
    user_agent: str
    client: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Hold where a request came from.

    ``ip`` is the client's address as text, or None. ``client`` is the label that an API client gave
    itself in the ``X-Client`` header. ``request_id`` is also in the access log.
    ``traceparent`` is the trace that the caller says the request belongs to. Anyone can say so.
    """

    ip: str | None = None
    user_agent: str = ""
    client: str = ""
    request_id: str = ""
    traceparent: str = ""

    @property
    def columns(self) -> OriginColumns:
        """Return the columns of a session, cut to their lengths."""
        return {
            "ip": self.ip,
            "user_agent": self.user_agent[:USER_AGENT_LENGTH],
            "client": self.client[:CLIENT_LENGTH],
        }


def valid_traceparent(meta: Mapping[str, object]) -> str:
    """Return the header of W3C Trace Context in the variables of a request, "" if not valid."""
    sent = str(meta.get("HTTP_TRACEPARENT", ""))
    return sent if TRACEPARENT.fullmatch(sent) else ""


def trace_of(traceparent: str) -> str:
    """Return the id of the trace that a header names, "" if it is not valid."""
    found = TRACEPARENT.fullmatch(traceparent)
    return found[1] if found else ""


NOWHERE = Origin()
_current: ContextVar[Callable[[], Origin]] = ContextVar("tokens_origin", default=lambda: NOWHERE)
_actor: ContextVar[Callable[[], Actor]] = ContextVar("tokens_actor", default=lambda: None)


def current_origin() -> Origin:
    """Return the origin of the request, or an empty one."""
    return _current.get()()


@contextmanager
def acting_from(origin: Origin) -> Iterator[None]:
    """Give events that are written inside the block this origin."""
    reset = _current.set(lambda: origin)
    try:
        yield
    finally:
        _current.reset(reset)


def current_actor() -> Actor:
    """Return the account that acts, for code that is given none, such as a signal.

    None is the system.
    """
    return _actor.get()()


def is_staff(user: Actor) -> bool:
    """Return whether ``user`` is staff. A user model without the flag has no staff."""
    return bool(getattr(user, "is_staff", False))


def may(user: Actor, *permissions: str) -> bool:
    """Return whether ``user`` has every permission. A user model without permissions has none."""
    has_perm = getattr(user, "has_perm", None)
    return has_perm is not None and all(has_perm(permission) for permission in permissions)


@dataclass(frozen=True, slots=True)
class Browser:
    """Hold the browser session of a request, its user and the id of its row.

    The middleware has checked them. The session no longer has the id once a login has replaced it.
    """

    user: "AbstractBaseUser"
    session: "SessionBase"
    row: "UUID"


_browser: ContextVar[Browser | None] = ContextVar("tokens_browser", default=None)


def acting_browser() -> Browser | None:
    """Return the browser session in which the current request is logged in, or None."""
    return _browser.get()


def enter_browser(browser: Browser) -> None:
    """Make a browser session the acting one, until the request ends."""
    _browser.set(browser)


# --- Acts that a rollback must not undo.

_after_view: ContextVar[list[Callable[[], object]] | None] = ContextVar(
    "tokens_after_view", default=None
)


def after_view(act: Callable[[], object]) -> None:
    """Call ``act`` after the view and its transaction, before the response is sent.

    Without the middleware there is no such moment, and nothing is called.
    """
    if (acts := _after_view.get()) is not None:
        acts.append(act)


# --- The request.


@contextmanager
def request_context(*, origin: Callable[[], Origin], actor: Callable[[], Actor]) -> Iterator[None]:
    """Set the origin and the current account inside the block, for one request.

    Both are called when an event needs them: loading an account may cost a query, and most calls
    write no event. The block starts without an acting browser session, and forgets at its end the
    one that was entered inside. What `after_view` was given is called at the end.
    """
    acts: list[Callable[[], object]] = []
    resets = _current.set(origin), _actor.set(actor), _browser.set(None), _after_view.set(acts)
    try:
        yield
        for act in acts:
            act()
    finally:
        _current.reset(resets[0])
        _actor.reset(resets[1])
        _browser.reset(resets[2])
        _after_view.reset(resets[3])


# --- Addresses.

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network
# An address without a zone, and the length of a prefix.
NETWORK = re.compile(r"[0-9A-Fa-f.:]+(/[0-9]{1,3})?")
# IPv4 addresses in the form of IPv6.
MAPPED = IPv6Network("::ffff:0:0/96")
# The entry of TRUSTED_PROXIES for peers on a unix socket.
UNIX_SOCKET = "unix"
# An address as proxies write it (RFC 7239, section 6): with a port, and IPv6 in brackets.
NODE = re.compile(r"\A(?:\[([^\]]*)\](?::[\w.-]*)?|([^:]*):[\w.-]*)")
# The last element of a Forwarded header (RFC 7239, section 4). A quoted value may hold a comma.
VALUE = r'(?:"(?:[^"\\]|\\.)*"|[^\s",;]*)'
PAIR = rf"[ \t]*[\w!#$%&'*+.^`|~-]+={VALUE}[ \t]*"
ONE_PAIR = re.compile(rf"(?<![^\s;])([^\s;=]++)=({VALUE})")
ESCAPED = re.compile(r"\\(.)")
LAST_ELEMENT = re.compile(rf"(?:^|,)((?:{PAIR})(?:;(?:{PAIR})?)*)$")
# No chain of proxies is longer, and each hop of Forwarded searches the header again.
MOST_HOPS = 20


def is_trusted(peer: str, proxies: tuple[str, ...]) -> bool:
    """Tell whether the peer of a connection, or a hop, is one of the trusted ``proxies``.

    The peer of a unix socket has no address: WSGI servers give an empty one.
    """
    if peer == "" or peer.startswith("unix:"):
        return UNIX_SOCKET in proxies
    parsed = parse_address(peer)
    return parsed is not None and any(parsed in network for network in _networks(proxies))


@lru_cache(maxsize=1024)
def nearest_address(
    peer: str, forwarded_for: str, forwarded: str, proxies: tuple[str, ...]
) -> str | None:
    """Return the nearest address that is not one of the trusted ``proxies``, as text.

    The client may have written everything further left in the headers. ``forwarded`` (the header of
    RFC 7239) is used only without ``forwarded_for`` (X-Forwarded-For). The results are cached, as
    most calls come from few clients, and parsing an address takes as long as routing.
    """
    hops = _hops_of_x_forwarded_for(forwarded_for) if forwarded_for else _hops(forwarded)
    nearest = peer
    while is_trusted(nearest, proxies):
        hop = parse_address(next(hops, ""))
        if hop is None:
            break
        nearest = str(hop)
    parsed = parse_address(nearest)
    return None if parsed is None else str(parsed)


def parse_address(text: str) -> Address | None:
    """Return the address in ``text``, without its port and brackets, or None.

    An IPv4 address that came through an IPv6 socket becomes IPv4. The zone of a link-local address
    is dropped, as no database column holds it.
    """
    if found := NODE.fullmatch(text):
        text = found[1] or found[2] or ""
    try:
        parsed = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed


def parse_network(text: str) -> Network | None:
    """Return the network in ``text``, such as ``203.0.113.0/24``, or None.

    A single address is a network of its own. Bits after the prefix are dropped.
    """
    if not NETWORK.fullmatch(text := text.strip()):
        return None
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return None
    if isinstance(network, IPv6Network) and network.subnet_of(MAPPED):
        return IPv4Network((int(network.network_address) & 0xFFFFFFFF, network.prefixlen - 96))
    return network


def client_network(ip: str | None) -> str | None:
    """Return what counts as one client: an IPv4 address, or for IPv6 its /64 network.

    One site owns a /64 and can use any address in it (RFC 4291, section 2.5.4; RFC 8981).
    """
    if ip is None or ":" not in ip:
        return ip
    return str(ip_network((ip, 64), strict=False))


def is_subnet(network: Network, *, of: Network) -> bool:
    """Return whether all addresses of ``network`` are in the other one."""
    return network.network_address in of and network.prefixlen >= of.prefixlen


def network_text(network: Network) -> str:
    """Return a network as people write it: a single address without its prefix."""
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def forwarded_scheme(forwarded: str) -> str:
    """Return the ``proto`` that the last proxy wrote into a Forwarded header, or ""."""
    return next(_elements(forwarded), {}).get("proto", "").lower()


@lru_cache(maxsize=8)
def _networks(proxies: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ip_network(text, strict=False) for text in proxies if text != UNIX_SOCKET)


def _hops_of_x_forwarded_for(header: str) -> Iterator[str]:
    """Yield the hops of X-Forwarded-For, nearest first. Empty ones come from trailing commas."""
    hops = (hop.strip(' \t"') for hop in reversed(header.split(",")))
    return filter(None, hops)


def _hops(forwarded: str) -> Iterator[str]:
    """Yield the ``for`` of each element of a Forwarded header, nearest first."""
    return (element.get("for", "") for element in _elements(forwarded))


def _elements(forwarded: str) -> Iterator[dict[str, str]]:
    """Yield the elements of a Forwarded header, last first, until one is malformed.

    Reading starts at the end, which a proxy wrote: a quote that the client left open must not
    swallow it.
    """
    rest = forwarded.rstrip(" \t,")
    for _hop in range(MOST_HOPS):
        found = LAST_ELEMENT.search(rest)
        if found is None:
            return
        pairs = ONE_PAIR.findall(found[1])
        yield {name.lower(): _unquoted(value) for name, value in pairs}
        rest = rest[: found.start()].rstrip(" \t,")


def _unquoted(value: str) -> str:
    return ESCAPED.sub(r"\1", value[1:-1]) if value.startswith('"') else value
