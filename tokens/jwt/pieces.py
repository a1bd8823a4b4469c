"""Find the tokens in a text whose parts may be anywhere near each other, in pieces or whole.

The parts of a token describe themselves. A header and claims are base64url of a JSON object, which
says where it ends, and the header names the algorithm, which fixes the length of the signature. So
the text between the parts, or between the pieces of one, doesn't matter as long as it is short: a
dot in any spelling, quotes, the end of a line with its number, markup, a label, some words.

Finding takes linear time for any text: what is read from one place is bounded.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tokens.jwt.claims import MAX_TOKEN_CHARS
from tokens.jwt.spellings import BASE64URL, DIGITS, START, Code, code_of_line

Span = tuple[int, int]

OBJECT_START = re.compile(r'\{\s*+(?:"|\Z)')
# The digits that show whether an object begins, and those of the longest header and signature.
DECISIVE, FIRST_LOOK, LONGEST_HEADER, LONGEST_SIGNATURE = 16, 48, 2048, 700
# The most characters between two parts of a token.
NEAR = 80
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
ANY_LENGTH = tuple(sorted({length for each in SIGNATURE_LENGTHS.values() for length in each}))
# Claims that tell the payload of a token from another object, if the header is missing.
CLAIMS = frozenset({"exp", "iat", "jti", "sid", "sub", "token_type", "user_id"})
# A piece of at least this length belongs to a signature, though the length of the whole doesn't
# fit. A shorter one that the end of the text has cut off is of no use to anyone.
LONG_PIECE, SHORTEST_REST = 20, 16
# The average length of the pieces of a signature that isn't split like the parts before it.
COARSE = 8
KINDS = str.maketrans(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
    "A" * 26 + "a" * 26 + "0" * 10 + "--",
)
LABEL = re.compile(r"signature(?=[^\w-])", re.IGNORECASE)
CHANGE = re.compile(r"(.)(?!\1|\Z)")
# What may be the beginning of a JSON object, and how many objects in it may be open.
JSON_SO_FAR = re.compile(
    r'(?:[\s\w\[\]},:.+-]|(?<![\w}"\]])\{|"(?:[^"\\]|\\.)*+"(?=\s*+(?:[:,}\]]|\Z)))*+'
    r'(?:"(?:[^"\\]|\\(?:.|\Z))*+)?\Z',
    re.DOTALL,
)
DEEPEST = 8
DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Part:
    """Hold an object of a token: its value, its base64url text, and where it begins and ends."""

    value: dict[str, Any]
    text: str
    start: int
    end: int
    pieces: int


@dataclass(frozen=True, slots=True)
class Found:
    """Hold a token: one or two objects, and the pieces of its signature, if it has one."""

    parts: list[Part]
    signature: list[Span]


def tokens_in(text: str) -> Iterator[Found]:
    """Yield the tokens in a text without escapes, in the order of the text."""
    at = line = seen = 0
    while start := START.search(text, at):
        line = text.rfind("\n", seen, start.start()) + 1 or line
        at = seen = start.start() + 1
        code = code_of_line(text, line, start.start())
        first = _object(text, start.start(), code, LONGEST_HEADER)
        if first is None:
            continue
        at = first.end
        second = _next_object(text, first.end, code)
        found = _token(text, [first] if second is None else [first, second], code)
        if found is not None:
            yield found
            at = found.signature[-1][1] if found.signature else at


def labelled_signatures(text: str) -> Iterator[list[Span]]:
    """Yield the signatures that a label names, such as that of a JWS in JSON (RFC 7515)."""
    for label in LABEL.finditer(text):
        pieces = _signature(text, label.end(), BASE64URL, ANY_LENGTH, COARSE)
        if pieces:
            yield pieces


def opens_object(text: str, at: int, code: Code = BASE64URL) -> bool:
    """Tell whether the base64url text at a place begins like a JSON object."""
    if START.match(text, at) is None:
        return False
    read = code.decode(text, at, DECISIVE)
    return len(read.digits) >= 4 and OBJECT_START.match(read.content) is not None


def _object(text: str, at: int, code: Code, most: int) -> Part | None:
    """Read the JSON object whose base64url text begins at a place."""
    if not opens_object(text, at, code):
        return None
    # Most text that begins like an object soon stops being one, so little is read at first.
    size = FIRST_LOOK
    while True:
        read = code.decode(text, at, size)
        try:
            value, length = DECODER.raw_decode(read.content)
            break
        except (ValueError, RecursionError):
            if size >= most or len(read.digits) < size or not _may_go_on(read.content):
                return None
            size = min(4 * size, most)
    digits = read.digits_with_space(length)
    places = read.places[:digits]
    pieces = 1 + sum(after - before > 1 for before, after in pairwise(places))
    return Part(value, read.digits[:digits], at, places[-1] + 1, pieces)


def _may_go_on(content: str) -> bool:
    """Tell whether more characters could make a JSON object of this."""
    depth = content.count("{") - content.count("}")
    return depth <= DEEPEST and JSON_SO_FAR.match(content) is not None


def _next_object(text: str, end: int, code: Code) -> Part | None:
    """Read the first object that begins near the end of the part before it."""
    at = end
    while start := START.search(text, at, end + NEAR):
        if opens_object(text, start.start(), code):
            return _object(text, start.start(), code, MAX_TOKEN_CHARS)
        at = start.start() + 1
    return None


def _token(text: str, parts: list[Part], code: Code) -> Found | None:
    """Return the token that some objects are parts of; None if they are none of a token."""
    end = parts[-1].end
    dotted = text.startswith(".", end)
    compact = dotted and len(parts) == 2 and text[parts[0].end : parts[1].start] == "."
    header = next((part.value for part in parts if "alg" in part.value), None)
    if header is None and not compact and not any(CLAIMS & part.value.keys() for part in parts):
        return None
    coarse = min(COARSE, min(len(part.text) // part.pieces for part in parts))
    signature = _signature(text, end, code, _lengths(header), coarse)
    if not signature and dotted and not opens_object(text, end + 1):
        signature = [run.span()] if (run := DIGITS.match(text, end + 1)) else []
    return Found(parts, signature) if signature or len(parts) == 2 else None


def _lengths(header: dict[str, Any] | None) -> tuple[int, ...]:
    algorithm = header and header["alg"]
    return (
        SIGNATURE_LENGTHS.get(algorithm, ANY_LENGTH) if isinstance(algorithm, str) else ANY_LENGTH
    )


def _signature(
    text: str, end: int, code: Code, lengths: tuple[int, ...], coarse: int
) -> list[Span]:
    """Return the pieces of the signature after the end of a part, or after a label."""
    pieces: list[Span] = []
    joined, taken = "", 0
    for start, stop in code.runs(text, end, LONGEST_SIGNATURE, chunk=LONGEST_SIGNATURE):
        if opens_object(text, start, code):
            break
        pieces.append((start, stop))
        joined += text[start:stop]
        if len(joined) in lengths and len(joined) >= coarse * len(pieces) and _is_random(joined):
            return pieces
        long = stop - start >= LONG_PIECE and taken == len(pieces) - 1
        cut = stop == len(text) and SHORTEST_REST <= len(joined) < lengths[0]
        if (long or cut) and _is_random(joined):
            taken = len(pieces)
    return pieces[:taken] or _signature_after_words(text, end, lengths)


def _signature_after_words(text: str, end: int, lengths: tuple[int, ...]) -> list[Span]:
    at = end
    while run := DIGITS.search(text, at, end + NEAR + LONGEST_SIGNATURE):
        at = run.end()
        if run.start() > end + NEAR or opens_object(text, run.start()):
            break
        if len(run[0]) in lengths and _is_random(run[0]):
            return [run.span()]
    return []


def _is_random(text: str) -> bool:
    """Tell whether letters and digits change in a text like in a signature, not as in words."""
    kinds = text.translate(KINDS)
    return "A" in kinds and "a" in kinds and len(CHANGE.findall(kinds)) * 3 >= len(kinds)
