"""Read the project's Markdown: code, links and tables."""

import re
from pathlib import Path

from tests.support.words import ROOT, tracked_files

FENCE = re.compile(r"^[ ]*```(\w*)\n(.*?)^[ ]*```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")


def documents() -> list[Path]:
    """List the Markdown files at the top and in docs/, without the generated measurements."""
    found = [path for path in tracked_files() if path.suffix == ".md"]
    return [
        path
        for path in found
        if path.parent in {Path(), Path("docs")} and path.name != "measurements.md"
    ]


def text_of(path: Path) -> str:
    return (ROOT / path).read_text()


def fences(text: str, language: str) -> list[str]:
    """Return the code blocks in one language, without their indentation."""
    blocks = [body for name, body in FENCE.findall(text) if name == language]
    return [re.sub(r"^[ ]{3}", "", block, flags=re.MULTILINE) for block in blocks]


def spans(text: str) -> list[str]:
    """Return the inline code, with line breaks as spaces."""
    return [" ".join(span.split()) for span in SPAN.findall(FENCE.sub("", text))]


def command_lines(text: str) -> list[str]:
    """Return inline code and the lines of shell blocks, continuation lines joined."""
    lines = spans(text)
    for block in fences(text, "sh"):
        lines += block.replace("\\\n", " ").splitlines()
    return lines


def first_column(text: str) -> list[str]:
    """Return the first cell of each row of each table."""
    rows = re.findall(r"^\| (.*?) \|", text, re.MULTILINE)
    return [row for row in rows if not set(row) <= set("-|: ")]
