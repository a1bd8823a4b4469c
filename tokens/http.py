"""What the faces share of HTTP: where a request comes from, and whether it wants a fragment."""

import random
import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from tokens.claims import redact_text
from tokens.origin import Origin

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


@lru_cache(maxsize=8)
def _networks(spelled: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(ip_network(text, strict=False) for text in spelled)


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    """The address, an IPv4 one that came through an IPv6 socket as what it is, and without the
    zone of a link-local one, which no database column holds."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed


def _trusted(address: str) -> bool:
    parsed = _parsed(address)
    return parsed is not None and any(
        parsed in network for network in _networks(tuple(settings.TRUSTED_PROXIES))
    )


def drop_untrusted_scheme(request: HttpRequest) -> None:
    """X-Forwarded-Proto counts (SECURE_PROXY_SSL_HEADER) only when a proxy of ours set it."""
    if "HTTP_X_FORWARDED_PROTO" not in request.META:
        return
    if not _trusted(str(request.META.get("REMOTE_ADDR", ""))):
        del request.META["HTTP_X_FORWARDED_PROTO"]


def client_address(request: HttpRequest) -> str | None:
    """The nearest address that is no trusted proxy of ours. What stands further left in
    X-Forwarded-For was written by the client, and is not believed."""
    return _nearest(
        str(request.META.get("REMOTE_ADDR", "")),
        request.META.get("HTTP_X_FORWARDED_FOR", ""),
        tuple(settings.TRUSTED_PROXIES),
    )


@lru_cache(maxsize=1024)
def _nearest(address: str, forwarded: str, proxies: tuple[str, ...]) -> str | None:
    """Of a few clients most calls come; parsing an address takes as long as routing a call."""
    hops = [hop.strip() for hop in forwarded.split(",")]
    while hops and _trusted(address):
        hop = _parsed(hops.pop())
        if hop is None:
            break
        address = str(hop)
    parsed = _parsed(address)
    return None if parsed is None else str(parsed)


def request_id_of(request: HttpRequest) -> str:
    """The id that a proxy in front gave the request, where it looks like one, or a new one."""
    given = str(request.META.get("HTTP_X_REQUEST_ID", ""))
    if REQUEST_ID.fullmatch(given):
        return given
    # No secret, so not from the kernel: asking it hands the interpreter to another thread.
    return f"{random.getrandbits(128):032x}"


def origin_of(request: HttpRequest, *, request_id: str) -> Origin:
    return Origin(
        ip=client_address(request),
        user_agent=_clean(request.headers.get("User-Agent", ""))[:512],
        client=_clean(request.headers.get("X-Client", ""))[:100],
        request_id=request_id,
    )


def _clean(text: str) -> str:
    """Header text without what a database or a log cannot hold, or must not."""
    text = redact_text(text)
    return "".join(c if c.isprintable() and not "\ud800" <= c <= "\udfff" else "?" for c in text)


def wants_fragment(request: HttpRequest) -> bool:
    """The one answer to "fragment or page": htmx asked, and neither boosts a link nor restores
    history (both want the whole page). It never grants anything."""
    htmx: Any = getattr(request, "htmx", None)
    return bool(htmx) and not htmx.boosted and not htmx.history_restore_request
