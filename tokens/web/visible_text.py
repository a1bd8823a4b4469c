"""Show characters that are invisible, or that change how the text around them looks.

Names, devices and reasons come from outside. A bidirectional control, a zero-width space or an
escape sequence in one of them could make a page say what is not so.
"""

import re

from tokens.jwt.invisible import CONTROLS, INVISIBLE, character_class

HIDDEN = re.compile(character_class((*CONTROLS, *INVISIBLE)))
# A form sends the content of its fields back, so it stays as it is.
IN_HTML = re.compile(rf"(<input\b[^>]*+>|<textarea\b[^<]*+<)|({HIDDEN.pattern})")
# Many emoji are typed with a selector, which shows them in colour.
EMOJI = re.compile(
    "[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u27bf\u2900-\u297f"
    "\u2b00-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]\ufe0f"
)
PICTURES, DELETE_PICTURE = 0x2400, "\u2421"


def visible(text: str) -> str:
    """Return ``text`` with each hidden character as a symbol or as its code point in ‹›."""
    return HIDDEN.sub(_symbol, text)


def visible_html(html: str) -> str:
    """Do the same for HTML, except inside ``input`` and ``textarea`` elements."""
    return IN_HTML.sub(lambda found: found[1] or _symbol(found), html)


def _symbol(found: re.Match[str]) -> str:
    if EMOJI.match(found.string, max(found.start() - 1, 0)) is not None:
        return found[0]
    code = ord(found[0])
    if code < 0x20:
        return chr(PICTURES + code)
    return DELETE_PICTURE if code == 0x7F else f"\u2039U+{code:04X}\u203a"
