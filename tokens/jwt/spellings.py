"""Undo spellings: escapes, other forms of ASCII characters, digits that are in pieces."""

import base64
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html.entities import html5
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
# What HTML calls the ASCII characters that may be part of a token, or around one.
NAMED = {
    name[:-1]: plain
    for name, meant in html5.items()
    if name.endswith(";") and len(plain := normalize("NFKC", meant)) == 1 and plain <= "~"
}
NAMES = "|".join(sorted(NAMED, key=lambda name: (-len(name), name)))
# An encoded character, an invisible one, or another form of one.
ESCAPE = re.compile(
    r"%(?:25)*+(?P<percent>[0-9A-Fa-f]{2})|=(?P<printable>2[DEde]|3[Dd]|5[Ff])"
    r"|(?:\\{1,4}+u|%u)00(?P<unicode>[0-9A-Fa-f]{2})"
    r"|\\{1,4}+[ux]\{0{0,6}(?P<braces>[0-9A-Fa-f]{2})\}"
    # More digits are bytes as PostgreSQL writes them.
    r"|\\{1,4}+x(?P<byte>[0-9A-Fa-f]{2})(?![0-9A-Fa-f]{16})"
    r"|\\{1,4}+(?:0{0,4}(?P<css>2[DEde]|5[Ff])|(?P<octal>0[4-7][0-7]|1[0-7]{2}))"
    r"|&(?:amp;)*(?:#0{0,5}+(?P<decimal>[0-9]{2,3})(?:;|(?![0-9]))"
    r"|#[xX]0{0,5}+(?P<hex>[0-9A-Fa-f]{2})(?:;|(?![0-9A-Fa-f]))"
    rf"|(?P<name>{NAMES});)"
    rf"|{character_class(UNUSUAL)}"
)
BASES = {"octal": 8, "decimal": 10}
# The end of a line, also as JSON writes it, and what editors, `grep`, diffs and mail programs put
# before the next one.
BREAK = rf"(?:\r\n?|[{BREAKS}]|\\{{1,4}}+[rn])"
PREFIX = r"[ \t>|+*#/]{0,80}+"
NUMBER = r"(?:[\w./-]{1,80}?:)?\d{1,6}+(?=[ \t:|)\]]|\.[ \t])"
MARKUP = r"<[^<>]{0,80}+>"
DASH = r"(?<![\w-])-{1,3}+(?![\w-])"
LABEL = r"(?<![\w-])[A-Za-z]\w{0,15}+[\"'`\]\s]{0,4}+(?::|=(?![=\r\n.]|\Z))"


def _glue(*, sign: str = "", number: str = "") -> str:
    """Return the pattern for what may be between two pieces of one part of a token."""
    line = f"{BREAK}{sign}{PREFIX}{number}"
    return f"(?:{line}|{MARKUP}|{DASH}|{LABEL}|[^A-Za-z0-9_-]){{1,40}}+"


# A minus and a number are also digits of base64url. They are the sign of a diff and the number of
# a line only if the first line, or that after it, has one too.
SIGN, MAYBE_NUMBER = "-?", f"(?:{NUMBER})?"
ANY_GLUE = _glue(sign=SIGN, number=MAYBE_NUMBER)
BASE64_GLUE = rf"(?:{BREAK}{PREFIX}{MAYBE_NUMBER}|{MARKUP}|[^A-Za-z0-9=]){{1,40}}+"
HEX_GLUE = r"(?:0x|\\{1,4}+x|\W){1,40}+"
# How base64url text of a JSON object goes on after its first digit, "e": "{", perhaps white space,
# and a quote; and how the text of a token does after its first digit in base64 and in hexadecimal.
AFTER_E = f"(?:{ANY_GLUE})?(?:y(?:{ANY_GLUE})?[A-DI-L]|w(?:{ANY_GLUE})?[k-r0-3])"
AFTER_Z = "X(?:l[B-EJ-M]|d[r-y]|c[w-z])"
AFTER_6 = (
    rf"5(?:{HEX_GLUE})?7(?:9(?:{HEX_GLUE})?4[1-49A-Ca-c]"
    rf"|7(?:{HEX_GLUE})?(?:6[B-Fb-f]|7[0-2]|3[0-3]))"
)
# The digits that are read at once: what doesn't belong together is noticed soon.
CHUNK = 64
# The characters of a line among which its end is looked for.
LONGEST_LINE = 400


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
    way = escape.lastgroup
    if way is None:
        return FORMS.get(escape[0], "")
    return NAMED[escape[way]] if way == "name" else chr(int(escape[way], BASES.get(way, 16)))


@dataclass(frozen=True, slots=True)
class Code:
    """Describe a way to write bytes: ``unit`` digits make ``size`` bytes.

    ``glue`` is what may be between two digits, ``strange`` a byte that isn't part of a text.
    """

    start: re.Pattern[str]
    digits: re.Pattern[str]
    glue: re.Pattern[str]
    unit: int
    size: int
    read: Callable[[str], bytes]
    strange: re.Pattern[str]

    def runs(self, text: str, at: int, most: int, *, chunk: int) -> Iterator[tuple[int, int]]:
        """Yield the runs of digits from a place on, up to ``most`` digits in all."""
        while most > 0:
            if glue := self.glue.match(text, at):
                at = glue.end()
            run = self.digits.match(text, at, at + min(most, chunk))
            if run is None:
                return
            yield run.span()
            most -= run.end() - at
            at = run.end()

    def decode(self, text: str, at: int, most: int) -> "Decoded":
        """Read the digits from a place on, up to the first that make no text."""
        content, digits, waiting = "", "", ""
        places: list[int] = []
        for start, end in self.runs(text, at, most, chunk=CHUNK):
            places.extend(range(start, end))
            digits += text[start:end]
            waiting += text[start:end]
            whole = len(waiting) // self.unit * self.unit
            content += self.read(waiting[:whole]).decode("latin-1")
            waiting = waiting[whole:]
            if self.strange.search(content, len(content) - whole * self.size // self.unit):
                break
        else:
            content += self.read(waiting).decode("latin-1")
        if strange := self.strange.search(content):
            content = content[: strange.start()]
        return Decoded(content, digits, places, self)


@dataclass(frozen=True, slots=True)
class Decoded:
    """Hold what digits say, these digits, and the place of each."""

    content: str
    digits: str
    places: list[int]
    code: Code

    def digits_of(self, length: int) -> int:
        """Return how many digits the first characters of the content have."""
        return -(-length * self.code.unit // self.code.size)

    def digits_with_space(self, length: int) -> int:
        """Return the same, with those of white space that is all that is left of their run."""
        rest = self.content[length:]
        least, most = (
            self.digits_of(length),
            self.digits_of(length + len(rest) - len(rest.lstrip())),
        )
        ends = most == len(self.places) or self.places[most] > self.places[most - 1] + 1
        joined = self.places[most - 1] - self.places[least - 1] == most - least
        return most if ends and joined else least

    def place(self, at: int) -> int:
        """Return where the digits of the character ``at`` begin."""
        return self.places[at * self.code.unit // self.code.size]

    def end(self, at: int) -> int:
        """Return where the digits of the characters before ``at`` end."""
        return self.places[self.digits_of(at) - 1] + 1


def _read_base64(digits: str) -> bytes:
    whole = digits[: len(digits) - (len(digits) % 4 == 1)]
    return base64.urlsafe_b64decode(whole + "=" * (-len(whole) % 4))


def _read_hex(digits: str) -> bytes:
    return bytes.fromhex(digits[: len(digits) // 2 * 2])


STRANGE = re.compile(r"[^\t\n\r -~\x80-\xff]")
NO_ASCII = re.compile(r"[^\t\n\r -~]")
START = re.compile(f"e{AFTER_E}")
DIGITS = re.compile(r"[A-Za-z0-9_-]++")
NUMBERED = re.compile(f"-?{PREFIX}{NUMBER}")
BASE64URL, NUMBERED_LINES, REMOVED_LINES, NUMBERED_REMOVED_LINES = (
    Code(START, DIGITS, re.compile(glue), 4, 3, _read_base64, STRANGE)
    for glue in (_glue(), _glue(number=MAYBE_NUMBER), _glue(sign=SIGN), ANY_GLUE)
)
BASE64 = Code(
    re.compile(f"Z{AFTER_Z}"), re.compile("[A-Za-z0-9]++"), re.compile(BASE64_GLUE), 4, 3,
    _read_base64, NO_ASCII,
)  # fmt: skip
HEX = Code(
    re.compile(f"6{AFTER_6}"), re.compile("[A-Fa-f0-9]++"), re.compile(HEX_GLUE), 2, 1, _read_hex,
    NO_ASCII,
)  # fmt: skip


def encoded_texts(text: str) -> Iterator[Decoded]:
    """Yield what base64 or hexadecimal digits say that begin like a token."""
    for code in (BASE64, HEX):
        at = 0
        while found := code.start.search(text, at):
            read = code.decode(text, found.start(), len(text))
            yield read
            at = read.end(len(read.content)) if read.content else found.end()


def code_of_line(text: str, line: int, at: int) -> Code:
    """Return how to read base64url digits at a place, in the line that begins at ``line``."""
    following = text.find("\n", at, at + LONGEST_LINE) + 1
    numbered = NUMBERED.match(text, line) or (following and NUMBERED.match(text, following))
    if text.startswith("-", line):
        return NUMBERED_REMOVED_LINES if numbered else REMOVED_LINES
    return NUMBERED_LINES if numbered else BASE64URL
