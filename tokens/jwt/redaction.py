r"""Cut the signatures off tokens in a text, such as a reason, a search, an address or a log line.

People paste tokens as they find them: quoted, escaped, wrapped over lines with numbers, part by
part with a label, as a JWS in JSON, in base64, in hexadecimal. `redact_text` reads only the clean
forms: the parts with dots between them, also escaped or over several lines. It doesn't guess the
others. Once a text holds the beginning of a token, everything in it that could be a piece of a
signature is cut, wherever it is. Only a header, claims, and what reads as plain language stay.

A text without such a beginning stays as it is. So does a token inside something larger that is
encoded as a whole, such as base64 of a JSON document, and one that is encoded twice in this way.
`redact_text` takes linear time for any text.
"""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from tokens.jwt.invisible import character_class
from tokens.jwt.spellings import LINE_END, UNUSUAL, unescape

# How base64url text of a JSON object begins: "{", perhaps white space, and a quote.
AFTER_E = "(?:y[A-DI-L]|w[k-r0-3])"
TOKEN_START = re.compile(f"e{AFTER_E}")
# The characters of a name in JSON, and those around it, tell a token from a word like "StanleyJr".
OBJECT_START = re.compile(r'\{[\t\r\n ]*+(?:"(?:[\w"@$][\w":.,/@$+*#~ {}\[\]-]*+)?)?', re.ASCII)
DIGITS = re.compile(r"[A-Za-z0-9_-]++")
# How many digits of base64url are looked at, and how many it takes.
MOST_DIGITS, LEAST_DIGITS = 12, 8
# The same text in base64, and in hexadecimal, also byte by byte. A pattern that consumes nothing
# is tried at each place.
BASE64_AFTER_Z = "X(?:l[B-EJ-M]|d[r-y]|c[w-z])"
BASE64 = re.compile(rf"(?=(Z{BASE64_AFTER_Z}[A-Za-z0-9+/]{{12,28}}))")
# Two zeros are the other half of a character in UTF-16.
BYTE_END = r"(?:\W{0,2}+(?:0x)?+00)?+\W{0,2}+(?:0x)?+"
HEX_AFTER_6 = rf"5{BYTE_END}7(?:9{BYTE_END}4[1-49A-Ca-c]|7{BYTE_END}(?:6[B-Fb-f]|7[0-2]|3[0-3]))"
HEX = re.compile(rf"(?=(6{HEX_AFTER_6}(?:{BYTE_END}[0-9A-Fa-f]{{2}}){{5,13}}))")
BYTE_ENDS = re.compile(r"0x|[^0-9A-Fa-f]++")
# Text without a match holds no token: wherever `TOKEN_START`, `BASE64`, `HEX` or `ESCAPE` matches,
# this one does. Callers on hot paths look for it first. It begins with one class of characters,
# because `re` skips all others fast, and after the class it looks back at which of them it found.
SUSPECT = re.compile(
    character_class({*UNUSUAL, *map(ord, "e%&\\Z6")})
    + rf"(?:(?<=e){AFTER_E}|(?<=%)[0-9A-Fa-fu]|(?<=&)#|(?<=\\)[\\uUx01]"
    + rf"|(?<=Z){BASE64_AFTER_Z}|(?<=6){HEX_AFTER_6}|(?<![e%&\\Z6]))"
)
# A part of a token, also over several lines, and what follows its dot.
NEXT_LINE = rf"{LINE_END}(?!{TOKEN_START.pattern})"
PART = re.compile(rf"(?:[A-Za-z0-9_-]++(?:{NEXT_LINE})?+)++")
WRAP = re.compile(LINE_END)
COMPACT = re.compile(r"[\w.-]*+")
SIGNATURE_LINE = re.compile(rf"{NEXT_LINE}([\w-]++)")
# The characters of whole signatures: HS256, HS384, HS512 and ES256, ES384, ES512, RSA.
WHOLE = (43, 64, 86, 128, 176, 342, 512, 683)
# Runs of these characters are a header, claims, a piece of a signature, or plain language: words
# and numbers, also joined by hyphens, underscores or capitals, dates, and ids in hexadecimal.
# Below, a run that is none of these is called a stray.
RUN = re.compile(r"[A-Za-z0-9_-]{2,}+")
HEX_ID = r"(?:[0-9a-f]{4,}+|[0-9A-F]{4,}+|0x[0-9A-Fa-f]++)(?![0-9A-Za-z])"
NUMBER = r"[0-9]++(?:T[0-9]++)?+(?:Z|[a-z]{1,2}(?![a-z]))?+"
LOWER = r"[a-z]++(?:[0-9]{1,3}+[a-z]{0,3}+)?+"
UPPER = r"[A-Z]++(?:[0-9]{1,3}+)?+"
CAMEL = (
    r"(?:[A-Z]{2,5}[a-z]{2,}+|[A-Z]?[a-z]++)(?:[A-Z][a-z]{2,}+)*+"
    r"(?:I[Dd]|UR[IL]|SQL|API|At|By)?+(?:[0-9]{1,3}+[a-z]{0,2}+)?+"
)


def _joined(*words: str) -> str:
    """Return the pattern for words with hyphens or underscores between them."""
    return rf"(?:(?>{'|'.join([HEX_ID, NUMBER, *words])})(?:-++|_++|\Z))*+"


PLAIN = re.compile(rf"\A[_-]*+(?:{_joined(LOWER)}|{_joined(UPPER)}|{_joined(CAMEL, UPPER)})\Z")
# Bytes in hexadecimal, as many as the shortest signature has.
HEX_SIGNATURE = re.compile(
    rf"(?<![0-9A-Za-z])(?:0x)?+[0-9A-Fa-f]{{2}}(?:{BYTE_END}[0-9A-Fa-f]{{2}}){{31,}}+"
)
HEX_RUN = re.compile(r"(?:0x)?+[0-9A-Fa-f]++")
# The shortest piece that is cut when it is alone, and when it is one of several that are at most
# `NEAR` characters apart and have `LONG` characters together.
SHORTEST, SHORT, NEAR, LONG = 8, 4, 40, 16
# The longest piece that reads as plain language by chance, and the most of them in a row.
LUCKY, IN_A_ROW = 20, 3
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
    return any(token.signature == token.end for token in _tokens(unescape(text)[0]))


def _redact_once(text: str) -> str:
    """Return ``text`` without what could be a signature in it.

    Without that, the text around it may read as a further token.
    """
    if SUSPECT.search(text) is None:
        return text
    plain, at = unescape(text)
    kept, done = [], 0
    for start, end in _signatures(plain):
        kept.append(text[done : at[start]])
        done = max(done, at[end])
    return "".join([*kept, text[done:]])


def _signatures(text: str) -> list[Span]:
    """Return the places of the signatures, and of what could be a piece of one, in order."""
    in_hex = any(_opens_in_hex(found[1]) for found in HEX.finditer(text))
    if not in_hex and not _holds_start(text):
        return []
    tokens = list(_tokens(text))
    signed = [(token.signature, token.end) for token in tokens]
    rest = _without(text, tokens)
    runs = list(_runs(rest, in_hex=in_hex))
    if not in_hex and not (tokens and all(token.complete for token in tokens)):
        # After a whole token, such digits are a checksum.
        runs += [Run(*found.span(), len(found[0])) for found in HEX_SIGNATURE.finditer(rest)]
    # The first piece of a signature whose other pieces may be anywhere.
    runs += [
        Run(token.signature, token.end, token.end - token.signature)
        for token in tokens
        if not token.complete
    ]
    runs.sort(key=lambda run: run.start)
    return sorted([*signed, *((run.start, run.end) for run in _pieces(runs))])


def _without(text: str, tokens: "list[Token]") -> str:
    """Return a text with white space in the place of tokens."""
    rest, done = [], 0
    for token in tokens:
        rest += [text[done : token.start], " " * (token.end - token.start)]
        done = token.end
    return "".join([*rest, text[done:]])


@dataclass(frozen=True, slots=True)
class Token:
    """Hold where a cleanly written token begins, where its signature does, and where it ends.

    It is not ``complete`` if other pieces of the signature may be anywhere.
    """

    start: int
    signature: int
    end: int
    complete: bool


def _tokens(text: str) -> Iterator[Token]:
    at = 0
    while found := TOKEN_START.search(text, at):
        start, at = found.start(), _end(PART, text, found.start())
        if text.startswith(".", at) and _is_object(text[start:at]):
            token = _read_token(text, start, at + 1)
            at = _end(COMPACT, text, at) if token is None else token.end
            if token is not None:
                yield token


def _read_token(text: str, start: int, second: int) -> Token | None:
    """Read a token whose second part begins at a place; return None for other text."""
    payload = _end(WRAP, text, second)
    signature = _end(PART, text, payload)
    if not text.startswith(".", signature) or not _is_object(text[payload:signature]):
        end = _end(COMPACT, text, second)
        if second < end and "." not in text[second:end]:
            return None
        return Token(start, second, end, complete=True)
    signature += 1
    end = _end(COMPACT, text, signature)
    length = end - signature
    while 0 < length < WHOLE[-1] and length not in WHOLE:
        line = SIGNATURE_LINE.match(text, end)
        if line is None:
            break
        end = line.end()
        length += len(line[1])
    return Token(start, signature, end, complete=not length or length in WHOLE)


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    """Return where the match at a place ends, or the place if there is none."""
    found = pattern.match(text, at)
    return at if found is None else found.end()


@dataclass(frozen=True, slots=True)
class Run:
    """Hold the place of some characters of a signature's alphabet.

    ``odd`` is how many of them are no plain language.
    """

    start: int
    end: int
    odd: int

    def __len__(self) -> int:
        return self.end - self.start


def _runs(text: str, *, in_hex: bool) -> Iterator[Run]:
    """Yield the runs in a text, except those that are a whole header or claims."""
    for found in RUN.finditer(text):
        start, end = found.span()
        opening = TOKEN_START.search(text, start, end)
        if opening is not None and _is_object(text[opening.start() : end]):
            end = opening.start()
        yield Run(start, end, _count_odd(text[start:end], in_hex=in_hex))


def _count_odd(text: str, *, in_hex: bool) -> int:
    if in_hex and HEX_RUN.fullmatch(text):
        return len(text)
    if len(text) < SHORT or PLAIN.match(text):
        return 0
    words = text.replace("_", "-").split("-")
    return sum(len(word) for word in words if not PLAIN.match(word)) or len(text)


def _pieces(runs: list[Run]) -> Iterator[Run]:
    """Yield the runs that could be pieces of a signature.

    By chance, a piece can read as a word. It is noticed by the strays around it: it is between
    them, or next to them while they are not a whole signature.
    """
    for group in _groups(runs):
        first, last = group[0], group[-1]
        if sum(runs[at].odd for at in group) < LONG:
            yield from (runs[at] for at in group if len(runs[at]) >= SHORTEST)
            continue
        found = [run for run in runs[first : last + 1] if run.odd or SHORT <= len(run) <= LUCKY]
        yield from found
        length = sum(map(len, found))
        if length not in WHOLE:
            short = SHORT < length / len(found) < SHORTEST
            for at, step in ((first, -1), (last, 1)):
                near = _neighbours(runs, at, step, SHORT if short else SHORTEST)
                yield from islice(near, IN_A_ROW)


def _groups(runs: list[Run]) -> Iterator[list[int]]:
    """Yield the numbers of the strays that are together."""
    group: list[int] = []
    for at, run in enumerate(runs):
        if not run.odd:
            continue
        if group and run.start - runs[group[-1]].end > NEAR:
            yield group
            group = []
        group.append(at)
    if group:
        yield group


def _neighbours(runs: list[Run], at: int, step: int, least: int) -> Iterator[Run]:
    """Yield the runs on one side of a stray that could be pieces too."""
    edge = runs[at]
    at += step
    while 0 <= at < len(runs) and _distance(edge, runs[at]) <= NEAR:
        if len(runs[at]) >= least:
            edge = runs[at]
            if len(edge) > LUCKY:
                return
            yield edge
        at += step


def _distance(one: Run, other: Run) -> int:
    return max(other.start - one.end, one.start - other.end)


def _holds_start(text: str) -> bool:
    """Tell whether a token begins in a text, in base64url or once more in base64."""
    if any(_opens_object(text, found.start()) for found in TOKEN_START.finditer(text)):
        return True
    return any(_opens_object(_decoded(found[1]), 0) for found in BASE64.finditer(text))


def _opens_in_hex(digits: str) -> bool:
    digits = BYTE_ENDS.sub("", digits)
    return _opens_object(
        bytes.fromhex(digits[: len(digits) // 2 * 2]).decode("latin-1").replace("\0", ""), 0
    )


def _opens_object(text: str, at: int) -> bool:
    """Tell whether the base64url text at a place begins like a JSON object.

    If it is short, the next pieces count too.
    """
    found = DIGITS.match(text, at, at + MOST_DIGITS)
    digits = "" if found is None else found[0]
    if len(digits) < LEAST_DIGITS:
        digits = "".join(DIGITS.findall(text, at, at + NEAR))[:MOST_DIGITS]
    if len(digits) < LEAST_DIGITS:
        return False
    return OBJECT_START.fullmatch(_decoded(digits)) is not None


def _decoded(digits: str) -> str:
    whole = digits[: len(digits) // 4 * 4]
    return base64.b64decode(whole, altchars=b"-_").decode("latin-1")


def _is_object(part: str) -> bool:
    """Tell whether a part of a token is a whole JSON object."""
    digits = WRAP.sub("", part)
    try:
        content = base64.urlsafe_b64decode(digits + "=" * (-len(digits) % 4))
        return isinstance(json.loads(content.decode()), dict)
    except (ValueError, RecursionError):
        return False
