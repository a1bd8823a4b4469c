"""The code points that show nothing, or that change how the text around them looks."""

import re
from collections.abc import Iterable

# Control characters except tab and line feed.
CONTROLS = (*range(9), *range(0xB, 0x20), *range(0x7F, 0xA0))
# Unicode's default-ignorable code points, which include bidirectional controls, zero-width
# characters and variation selectors; the separators of lines and paragraphs; the blank of Braille.
INVISIBLE = (
    *(0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFEFF, 0xFFA0),
    *range(0x180B, 0x1810),
    *range(0x200B, 0x2010),
    *range(0x2028, 0x202F),
    *range(0x2060, 0x2070),
    *range(0xFE00, 0xFE10),
    *range(0xFFF0, 0xFFFC),
    *range(0x1BCA0, 0x1BCA4),
    *range(0x1D173, 0x1D17B),
    *range(0xE0000, 0xE1000),
)


def character_class(codes: Iterable[int]) -> str:
    """Return a pattern for one of the code points. Ranges keep it fast: `re` tries each entry."""
    runs: list[list[int]] = []
    for code in sorted(codes):
        if runs and runs[-1][1] == code - 1:
            runs[-1][1] = code
        else:
            runs.append([code, code])
    return f"[{''.join('-'.join(re.escape(chr(code)) for code in run) for run in runs)}]"
