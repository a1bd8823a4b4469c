"""Find the tokens in a text, such as a log, a diff, a mail or a report.

`find_tokens` undoes escapes (percent, JSON, HTML) like `tokens.jwt.redaction`, and joins tokens
that are split by the ends of lines, also with the prefixes of a diff or a quoted mail in front of
each line. It takes linear time for any text.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterator

from tokens.jwt.claims import Malformed, parse
from tokens.jwt.spellings import LINE_END, unescape

# The end of a line, and the prefix that a diff puts before the next one. A minus is also a
# character of tokens: it is a prefix only if the line in which the token begins has one.
WRAP = rf"{LINE_END}(?:\+[ \t>|]{{0,80}}+)?"
START = re.compile(rf"e(?:{WRAP}-?)?(?:y(?:{WRAP}-?)?[A-DI-L]|w(?:{WRAP}-?)?[k-r0-3])")
LEXEME = re.compile(rf"(?P<part>[A-Za-z0-9_-]++)|(?P<dot>\.|=2[Ee])|(?P<wrap>{WRAP})")
LINE = re.compile(r"[A-Za-z0-9_.-]++")
# The characters of the shortest line of a token, and those that decide whether it begins a header.
SHORTEST_LINE, DECISIVE = 20, 16
# The longest piece of a text that is looked at for them, so that a long run isn't read once for
# each place in it where a token could begin.
NEAR = 200
OBJECT_START = re.compile(r'\{\s*+(?:"|\Z)')
# A header's first member as our own and other libraries write it.
HEADER_START = re.compile(r'\{\s*+"(?:alg|typ|kid|cty|enc)"')
# The characters of a signature, by algorithm (RFC 7518, section 3). RSA keys have 2,048, 3,072 or
# 4,096 bits.
RSA = (342, 512, 683)
SIGNATURE_LENGTHS = {
    "HS256": (43,),
    "HS384": (64,),
    "HS512": (86,),
    "ES256": (86,),
    "ES384": (128,),
    "ES512": (176,),
    "EdDSA": (86,),
    **{f"{kind}{bits}": RSA for kind in ("RS", "PS") for bits in (256, 384, 512)},
}


def find_tokens(text: str, *, most: int | None = None) -> list[str]:
    """Return the different tokens in ``text`` in their compact form, in the order of the text.

    A token here is a header and claims that can be read, with a signature that may be wrong or
    missing. ``most`` is the highest number of tokens to return.
    """
    found: dict[str, None] = {}
    for token in _candidates(unescape(text)[0]):
        if token not in found and is_readable(token):
            found[token] = None
            if most is not None and len(found) >= most:
                break
    return list(found)


def _candidates(text: str) -> Iterator[str]:
    at = line = seen = 0
    while found := START.search(text, at):
        line = text.rfind("\n", seen, found.start()) + 1 or line
        minus = text.startswith("-", line)
        at = seen = found.start() + 1
        if _begins(text, found.start(), OBJECT_START, minus=minus):
            token, at = _read(text, found.start(), minus=minus)
            if token is not None:
                yield token


def _begins(text: str, start: int, wanted: re.Pattern[str], *, minus: bool) -> bool:
    """Tell whether the base64url text at a place, joined over lines, begins like ``wanted``."""
    parts, length, at = [], 0, start
    while length < DECISIVE and (found := LEXEME.match(text, at, at + NEAR)):
        if found.lastgroup == "dot":
            break
        at = found.end()
        if found.lastgroup == "part":
            parts.append(found[0])
            length += len(found[0])
        elif minus and text.startswith("-", at):
            at += 1
    whole = "".join(parts)
    whole = whole[: min(len(whole), DECISIVE) // 4 * 4]
    try:
        return wanted.match(base64.urlsafe_b64decode(whole).decode("latin-1")) is not None
    except binascii.Error:
        return False


def _read(text: str, start: int, *, minus: bool) -> tuple[str | None, int]:
    """Return the compact form of a token that begins at a place, and where it ends.

    It is None for text without the two dots.
    """
    at, signed = start, 0
    parts: list[list[str]] = [[]]
    lengths: tuple[int, ...] = (0,)
    while found := LEXEME.match(text, at):
        if found.lastgroup == "dot":
            if len(parts) == 3:
                break
            if len(parts) == 1:
                lengths = _signature_lengths("".join(parts[0]))
            parts.append([])
        elif found.lastgroup == "part":
            parts[-1].append(found[0])
            signed += len(found[0]) if len(parts) == 3 else 0
        else:
            following = found.end() + (minus and text.startswith("-", found.end()))
            complete = signed in lengths or signed >= lengths[-1]
            if len(parts) == 3 and complete:
                break
            if not _goes_on(text, following, short=signed > 0, minus=minus):
                break
            at = following
            continue
        at = found.end()
    if len(parts) < 3:
        return None, at
    return ".".join("".join(part) for part in parts), at


def _goes_on(text: str, at: int, *, short: bool, minus: bool) -> bool:
    """Tell whether the line at a place continues the token before it.

    ``short`` says that the last line of the token may be all that is missing.
    """
    line = LINE.match(text, at)
    if line is None or _begins(text, at, HEADER_START, minus=minus):
        return False
    return short or len(line[0]) >= SHORTEST_LINE


def _signature_lengths(header: str) -> tuple[int, ...]:
    """Return how long the signature of a token with this header can be."""
    try:
        decoded = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
        return SIGNATURE_LENGTHS.get(decoded["alg"], (0,))
    except (ValueError, LookupError, TypeError, RecursionError):
        return (0,)


def is_readable(token: str) -> bool:
    """Tell whether the header and the claims of a token can be read."""
    try:
        parse(token)
    except Malformed:
        return False
    return True
