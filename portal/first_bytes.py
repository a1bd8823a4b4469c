"""Recognize probes and logins by the first bytes of a request, before a thread takes it."""

import os
import re
from collections.abc import Set
from urllib.parse import unquote_to_bytes

PREFIX = re.escape(os.environ.get("SCRIPT_NAME", "").rstrip("/")).encode()
# A whole request without a body. The thread would wait for the rest of an unfinished one.
PROBE = re.compile(
    rb"(?:GET|HEAD) " + PREFIX + rb"/(healthz|readyz|metrics)(?:\?[^ ]*)? HTTP/1\.[01]\r\n"
    rb"(?:(?!content-length|transfer-encoding)[^\r\n]+\r\n)*\r\n",
    re.IGNORECASE,
)
MAX_PROBE_BYTES = 8192
# The path is the group. The address may have a scheme and a host.
POST = re.compile(
    rb"POST (?:[a-z][a-z0-9+.-]*://[^/?# ]*)?" + PREFIX + rb"(/[^?# ]*)"
    rb"(?:[?#][^ ]*)? HTTP/1\.[01]\r\n",
    re.IGNORECASE,
)
FRAMING = re.compile(
    rb"^(content-length|transfer-encoding|expect)[ \t]*:([^\r\n]*)", re.IGNORECASE | re.MULTILINE
)
MAX_LENGTH_DIGITS = 9
# A body of 64 KiB, which is the largest that a login may have, and its headers.
MAX_BYTES = 80 * 1024


def probe_name(received: bytes) -> bytes:
    """Return which probe a request is, such as ``healthz``; b"" if it is none."""
    if len(received) > MAX_PROBE_BYTES or (probe := PROBE.fullmatch(received)) is None:
        return b""
    return probe[1].lower()


def login_size(received: bytes, paths: Set[bytes]) -> int | None:
    """Return how many bytes make a login whole, as far as the first ones tell.

    ``paths`` are those of the login views, without the prefix of the portal. Returns None for any
    other request, for a login that is too large, and for one whose client waits for `100 Continue`
    before it sends the rest.
    """
    post = POST.match(received)
    if post is None or unquote_to_bytes(post[1]) not in paths:
        return None
    head, blank, _ = received.partition(b"\r\n\r\n")
    framing = {name.lower(): value.strip() for name, value in FRAMING.findall(head)}
    length = framing.get(b"content-length", b"0")
    if b"transfer-encoding" in framing:
        # Django reads no body without a length, so no password is checked.
        return None
    if not blank:
        size = len(received) + 1
    elif length.isdigit() and len(length) <= MAX_LENGTH_DIGITS:
        size = len(head) + len(blank) + int(length)
    else:
        return None
    waits = size > len(received)
    return None if waits and (b"expect" in framing or size > MAX_BYTES) else size
