r"""Cut the signatures off tokens in a text, such as a reason, a search, an address or a log line.

People paste tokens as they find them: quoted, percent-encoded, escaped in JSON, wrapped over lines
with numbers, part by part with a label, in full-width letters, as a JWS in JSON, in base64, in
hexadecimal. `redact_text` undoes the spelling (`tokens.jwt.spellings`) and finds the parts by what
they say (`tokens.jwt.pieces`). It takes linear time for any text.

A token inside something larger that is encoded as a whole, such as base64 of a JSON document, is
not found. Neither is one that is encoded in this way twice.
"""

import re
from collections.abc import Iterator

from tokens.jwt.invisible import character_class
from tokens.jwt.pieces import Span, labelled_signatures, opens_object, tokens_in
from tokens.jwt.spellings import (
    AFTER_6,
    AFTER_E,
    AFTER_Z,
    NAMES,
    START,
    UNUSUAL,
    encoded_texts,
    unescape,
)

# Text without a match holds no token: wherever a token or an escape begins, this one matches.
# Callers on hot paths look for it first. It begins with one class of characters, because `re` skips
# all others fast, and after the class it looks back at which of them it found.
SUSPECT = re.compile(
    character_class({*UNUSUAL, *map(ord, "e%&=\\Z6")})
    + rf"(?:(?<=e){AFTER_E}|(?<=%)[0-9A-Fa-fu]|(?<=&)(?:amp;)*(?:#|(?:{NAMES});)"
    + r"|(?<==)(?:2[DEde]|3[Dd]|5[Ff])|(?<=\\)[\\ux0-7]"
    + rf"|(?<=Z){AFTER_Z}|(?<=6){AFTER_6}|(?<![e%&=\\Z6]))"
)
# A token whose header names no algorithm, or whose second part is no JSON. Its parts are in a row.
IN_A_ROW = re.compile(r"[A-Za-z0-9_-]++(?:\.[A-Za-z0-9_-]*+)++")
PASSES = 8


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
    spans = sorted([*_signatures(plain), *_encoded_signatures(plain)])
    if not spans:
        return text
    kept, done = [], 0
    for start, end in spans:
        kept.append(text[done : at[start]])
        done = max(done, at[end])
    return "".join([*kept, text[done:]])


def _signatures(text: str) -> Iterator[Span]:
    yield from (span for span in _tokens(text) if span[0] < span[1])
    if any(opens_object(text, found.start()) for found in START.finditer(text)):
        yield from map(_whole, labelled_signatures(text))


def _encoded_signatures(text: str) -> Iterator[Span]:
    """Yield the digits of each signature in a token that is written in base64 or hexadecimal."""
    for read in encoded_texts(text):
        for start, end in _signatures(read.content):
            yield read.place(start), read.end(end)


def _tokens(text: str) -> Iterator[Span]:
    """Yield the place of each token's signature; it is empty if the token has none."""
    for token in tokens_in(text):
        end = token.parts[-1].end
        yield _whole(token.signature) if token.signature else (end, end)
    at = 0
    while found := START.search(text, at):
        at = found.start() + 1
        parts = IN_A_ROW.match(text, found.start())
        if parts is not None and opens_object(text, found.start()):
            at = parts.end()
            yield from _in_a_row(text, *parts.span())


def _whole(signature: list[Span]) -> Span:
    return signature[0][0], signature[-1][1]


def _in_a_row(text: str, start: int, end: int) -> Iterator[Span]:
    first = text.index(".", start) + 1
    second = text.find(".", first, end) + 1
    if second:
        yield (second if opens_object(text, first) else first), end
    elif first == end:
        yield end, end
