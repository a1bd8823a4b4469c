"""Undo spellings: escapes, and other forms of ASCII characters."""

import re
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
# Marks over or under a character, which keep its code.
MARKS = {
    *range(0x300, 0x370),
    *range(0x483, 0x48A),
    *range(0x1AB0, 0x1B00),
    *range(0x1DC0, 0x1E00),
    *range(0x20D0, 0x2100),
    *range(0xFE20, 0xFE30),
}
UNUSUAL = {*MARKS, *CONTROLS, *INVISIBLE, *map(ord, FORMS)} - {ord(end) for end in BREAKS}
# An encoded character, an invisible one, or another form of one.
ESCAPE = re.compile(
    r"%(?:25)*+(?P<percent>[0-9A-Fa-f]{2})|(?:\\{1,4}+(?:u|U0000)|%u)00(?P<unicode>[0-9A-Fa-f]{2})"
    r"|\\{1,4}+[ux]\{0{0,6}+(?P<braces>[0-9A-Fa-f]{2})\}"
    # More digits are bytes as PostgreSQL writes them.
    r"|\\{1,4}+x(?P<byte>[0-9A-Fa-f]{2})(?![0-9A-Fa-f]{16})"
    r"|\\{1,4}+(?P<octal>0[4-7][0-7]|1[0-7]{2})"
    r"|&#0{0,5}+(?P<decimal>[0-9]{2,3})(?![0-9]);?+"
    r"|&#[xX]0{0,5}+(?P<hex>[0-9A-Fa-f]{2})(?![0-9A-Fa-f]);?+"
    rf"|{character_class(UNUSUAL)}"
)
# The end of a line, also as quoted-printable, JSON or a quoting mail program write it.
LINE_END = rf"[ \t]{{0,8}}+(?:=?(?:\r\n|[{BREAKS}])|(?:\\{{1,4}}+[rn]){{1,2}}+)[ \t>|]{{0,80}}+"
BASES = {"octal": 8, "decimal": 10}


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
    return chr(int(escape[way], BASES.get(way, 16)))
