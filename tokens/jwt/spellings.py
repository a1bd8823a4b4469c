"""Undo spellings: escapes, other forms of ASCII characters, base64 and hexadecimal digits."""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from unicodedata import normalize

from tokens.jwt.invisible import CONTROLS, INVISIBLE, character_class

BREAKS = "\n\v\f\r\x85\u2028\u2029"
# Other forms of the printable ASCII characters, such as full-width letters (NFKC).
FORMS = {
    chr(code): plain
    for code in chain(
        range(0xA0, 0x3400),
        range(0xA770, 0xA800),
        range(0xFB00, 0x10000),
        range(0x10780, 0x107C0),
        range(0x1CCD6, 0x1CCFA),
        range(0x1D400, 0x1D800),
        range(0x1F100, 0x1F200),
        range(0x1FBF0, 0x1FBFA),
    )
    if len(plain := normalize("NFKC", chr(code))) == 1 and "!" <= plain <= "~"
}
UNUSUAL = {*CONTROLS, *INVISIBLE, *map(ord, FORMS)} - {ord(end) for end in BREAKS}
# An encoded character, an invisible one, or another form of one.
ESCAPE = re.compile(
    r"%(?:25)*+([0-9A-Fa-f]{2})|(?:\\{1,4}+u|%u)00([0-9A-Fa-f]{2})|\\{1,4}+x([0-9A-Fa-f]{2})"
    rf"|&#0{{0,5}}+([0-9]{{2,3}});|&#[xX]0{{0,5}}+([0-9A-Fa-f]{{2}});|{character_class(UNUSUAL)}"
)
# How a token begins in base64 and in hexadecimal, and the run of digits, also over several lines.
BASE64_AFTER_Z = "X(?:l[B-EJ-M]|d[r-y]|c[w-z])"
HEX_AFTER_6 = "5(?:794[1-49A-Ca-c]|776[B-Fb-f]|777[0-2]|773[0-3])"
BASE64 = re.compile(rf"(?=Z{BASE64_AFTER_Z})(?:[A-Za-z0-9]{{60,}}+(?:\r\n?|\n))*+[A-Za-z0-9]++")
HEX = re.compile(rf"(?=6{HEX_AFTER_6})(?:[0-9A-Fa-f]{{60,}}+(?:\r\n?|\n))*+[0-9A-Fa-f]++")
LINE_BREAKS = re.compile(r"[\r\n]")


def unescape(text: str) -> tuple[str, "range | list[int]"]:
    """Return the text without escapes, and where each of its characters begins in ``text``.

    One more place, for the end, is the last.
    """
    if ESCAPE.search(text) is None:
        return text, range(len(text) + 1)
    plain: list[str] = []
    at: list[int] = []
    done = 0
    for found in ESCAPE.finditer(text):
        plain.append(text[done : found.start()])
        at.extend(range(done, found.start()))
        if one := _character(found):
            plain.append(one)
            at.append(found.start())
        done = found.end()
    plain.append(text[done:])
    at.extend(range(done, len(text) + 1))
    return "".join(plain), at


def _character(escape: re.Match[str]) -> str:
    """Return the character that is meant; none for an invisible one."""
    if code := escape[1] or escape[2] or escape[3] or escape[5]:
        return chr(int(code, 16))
    if escape[4]:
        return chr(int(escape[4]))
    return FORMS.get(escape[0], "")


@dataclass(frozen=True, slots=True)
class Encoded:
    """Hold what a run of digits says, and the place of each digit and of the end of the run."""

    content: str
    places: list[int]
    digits_in_three_bytes: int

    def place(self, at: int, *, after: bool = False) -> int:
        """Return where the digits of the character ``at`` begin, or those before it end."""
        digit = (at * self.digits_in_three_bytes + (2 if after else 0)) // 3
        return self.places[min(digit, len(self.places) - 1)]


def encoded_runs(text: str) -> Iterator[Encoded]:
    """Yield the runs of base64 or hexadecimal digits that begin like a token."""
    for found in BASE64.finditer(text):
        digits, places = _digits(found)
        whole = digits[: len(digits) - (len(digits) % 4 == 1)]
        content = base64.b64decode(whole + "=" * (-len(whole) % 4))
        yield Encoded(content.decode("latin-1"), places, 4)
    for found in HEX.finditer(text):
        digits, places = _digits(found)
        content = bytes.fromhex(digits[: len(digits) // 2 * 2])
        yield Encoded(content.decode("latin-1"), places, 6)


def _digits(run: re.Match[str]) -> tuple[str, list[int]]:
    places = [at for at, sign in enumerate(run[0], run.start()) if sign not in "\r\n"]
    return LINE_BREAKS.sub("", run[0]), [*places, run.end()]
