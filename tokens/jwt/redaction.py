r"""Cut the signatures off tokens in a text, such as a reason, a search, an address or a log line.

People paste tokens as they find them: quoted, percent-encoded, escaped in JSON, wrapped over lines,
glued to other text, in full-width letters, as a JWS in JSON, in base64, in hexadecimal.
`redact_text` therefore reads a text the way a person would unwrap it. It takes linear time for any
text.

A token inside something larger that is encoded as a whole, such as base64 of a JSON document, is
not found. Neither is one that is encoded in this way twice.
"""

import base64
import binascii
import re
from collections.abc import Iterator

from tokens.jwt.invisible import character_class
from tokens.jwt.spellings import (
    BASE64_AFTER_Z,
    BREAKS,
    HEX_AFTER_6,
    UNUSUAL,
    encoded_runs,
    unescape,
)

# How base64url text of a JSON object begins: "{", perhaps white space, and a quote.
AFTER_E = "(?:y[A-DI-L]|w[k-r0-3])"
TOKEN_START = re.compile(f"e{AFTER_E}")
OBJECT_START = re.compile(r'\{\s*+(?:"|\Z)')
ENCODED = re.compile(r"[A-Za-z0-9_-]{4,32}")
# Text without a match holds no token: wherever `TOKEN_START`, `BASE64`, `HEX` or `ESCAPE` matches,
# this one does. Callers on hot paths look for it first. It begins with one class of characters,
# because `re` skips all others fast, and after the class it looks back at which of them it found.
SUSPECT = re.compile(
    character_class({*UNUSUAL, *map(ord, "e%&\\Z6")})
    + rf"(?:(?<=e){AFTER_E}|(?<=%)[0-9A-Fa-fu]|(?<=&)#|(?<=\\)[\\ux]"
    + rf"|(?<=Z){BASE64_AFTER_Z}|(?<=6){HEX_AFTER_6}|(?<![e%&\\Z6]))"
)
# The signature of a JWS in JSON (RFC 7515, section 7.2).
MEMBER = re.compile(r"signature(?:&quot;|[^\w-]){1,40}+([A-Za-z0-9_-]{43,}+)")
# A part of a token, a dot, or the end of a line, also as quoted-printable, JSON or a quoting mail
# program write it.
LINE_END = rf"[ \t]{{0,8}}+(?:=?(?:\r\n|[{BREAKS}])|(?:\\{{1,4}}+[rn]){{1,2}}+)[ \t>|]{{0,80}}+"
LEXEME = re.compile(rf"(?P<part>[\w-]++)|(?P<dot>\.)|(?P<wrap>{LINE_END})|(?P<space> )")
LINE = re.compile(r"[\w.-]++")
WRAPPED = re.compile(rf"{LINE_END}|\Z")
# The characters of the shortest signature, that of HS256, and of the shortest wrapped line.
SHORTEST_SIGNATURE, SHORTEST_LINE = 43, 20
# What goes on after a space in a header: a field puts one in the place of a line's end.
IN_HEADER = re.compile(rf"[\w-]*+(?:\Z|[^\w.-]|\.(?:\Z|\s|{TOKEN_START.pattern}))")
# Of HS256; HS512 and ES256; RS256. Hashes and UUIDs have other lengths.
WHOLE_SIGNATURES = frozenset({SHORTEST_SIGNATURE, 86, 342})
PASSES = 8

Span = tuple[int, int]


def redact_text(text: str) -> str:
    """Return ``text`` without the signatures of the tokens in it.

    ``header.payload.`` of a signed token is left, and ``header.`` of one whose second part is not
    readable JSON, such as an encrypted token (RFC 7516). No check accepts either.
    """
    for _ in range(PASSES):
        left = _redact_once(text)
        if left == text:
            return text
        text = left
    # Only crafted text still changes after so many passes. Keep nothing from its first token on.
    found = SUSPECT.search(text)
    return text[: found.start()] if found is not None else text


def holds_redacted(text: str) -> bool:
    """Tell whether ``text`` holds what `redact_text` leaves of a token."""
    return any(start == end for start, end in _tokens(unescape(text)[0]))


def _redact_once(text: str) -> str:
    """Return ``text`` without the signatures that stand out in it.

    Without one of them, the text around it may read as a further token.
    """
    if SUSPECT.search(text) is None:
        return text
    plain, at = unescape(text)
    spans = sorted([*_signatures(plain), *_encoded_signatures(plain), *_members(plain)])
    if not spans:
        return text
    kept, done = [], 0
    for start, end in spans:
        kept.append(text[done : at[start]])
        done = max(done, at[end])
    return "".join([*kept, text[done:]])


def _signatures(text: str) -> Iterator[Span]:
    return (span for span in _tokens(text) if span[0] < span[1])


def _encoded_signatures(text: str) -> Iterator[Span]:
    """Yield the digits of each signature in a token that is written in base64 or hexadecimal."""
    for run in encoded_runs(text):
        for start, end in _signatures(run.content):
            yield run.place(start), run.place(end, after=True)


def _members(text: str) -> Iterator[Span]:
    """Yield the signatures of a JWS in JSON, whose header or payload is in the same text."""
    if any(_opens_object(text, found.start()) for found in TOKEN_START.finditer(text)):
        yield from (found.span(1) for found in MEMBER.finditer(text))


def _tokens(text: str) -> Iterator[Span]:
    """Yield the place of each token's signature; it is empty if the token has none."""
    at = 0
    while found := TOKEN_START.search(text, at):
        at = found.start() + 1
        if _opens_object(text, found.start()):
            span, at = _read_token(text, found.start())
            if span is not None:
                yield span


def _opens_object(text: str, at: int) -> bool:
    """Tell whether the base64url text at a place begins like a JSON object."""
    found = ENCODED.match(text, at)
    if found is None:
        return False
    whole = found[0][: len(found[0]) // 4 * 4]
    try:
        return OBJECT_START.match(base64.urlsafe_b64decode(whole).decode("latin-1")) is not None
    except binascii.Error:
        return False


def _read_token(text: str, start: int) -> tuple[Span | None, int]:
    """Return the place of a token's signature, None for other text, and where the token ends.

    A redacted token has an empty one at its end.
    """
    at = line = start
    dots: list[int] = []
    payload = signed = 0
    while found := LEXEME.match(text, at):
        if found.lastgroup == "wrap" and not _goes_on(text, found.end(), len(dots) > 1, signed):
            break
        if found.lastgroup == "space" and not _is_split(text, line, at, dots, signed):
            break
        at = found.end()
        if found.lastgroup in ("wrap", "space"):
            line = at
        if found.lastgroup == "dot":
            dots.append(at)
        elif found.lastgroup == "part" and len(dots) == 1:
            payload = payload or found.start()
        elif found.lastgroup == "part" and dots:
            signed += len(found[0])
    if not dots or (len(dots) == 1 and dots[0] < at):
        return None, at
    if len(dots) == 1:
        return (at, at), at
    return (dots[1] if _opens_object(text, payload) else dots[0], at), at


def _goes_on(text: str, at: int, in_signature: bool, signed: int) -> bool:
    """Tell whether the line at a place continues the token before it."""
    line = LINE.match(text, at)
    if line is None or (in_signature and _opens_object(text, at)):
        return False
    if 0 < signed < SHORTEST_SIGNATURE:
        return True
    if len(line[0]) < SHORTEST_LINE:
        return False
    return not signed or WRAPPED.match(text, line.end()) is not None


def _is_split(text: str, line: int, space: int, dots: list[int], signed: int) -> bool:
    """Tell whether a space splits a token, rather than ends it: words after a token stay."""
    word = LINE.match(text, space + 1)
    width = space - line
    if word is None or width < SHORTEST_LINE:
        return False
    length = len(word[0])
    if _opens_object(text, space + 1):
        return dots == [space] and length >= SHORTEST_LINE
    if not dots:
        return length >= SHORTEST_LINE and IN_HEADER.match(text, space + 1) is not None
    if len(dots) == 1:
        return length >= SHORTEST_LINE
    if 0 < signed < SHORTEST_SIGNATURE:
        return length >= SHORTEST_LINE or signed + length >= SHORTEST_SIGNATURE
    return length == width or signed + length in WHOLE_SIGNATURES
