"""Compute the disk space of the distributions that each peer needs."""

import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from bench.peers import ROOT

STOCK = ("djangorestframework-simplejwt", "psycopg[binary]", "gunicorn", "django-environ")


def needed(requirements: list[str]) -> set[str]:
    """Return the named distributions and all their dependencies."""
    found: set[str] = set()
    waiting = list(requirements)
    while waiting:
        match = re.match(r"([A-Za-z0-9._-]+)\s*(?:\[([^\]]*)\])?", waiting.pop())
        if match is None:
            continue
        name = re.sub(r"[-_.]+", "-", match[1]).lower()
        extras = {extra.strip() for extra in (match[2] or "").split(",")}
        try:
            requires = distribution(name).requires or []
        except PackageNotFoundError:
            continue
        if name in found and not match[2]:
            continue
        found.add(name)
        for line in requires:
            text, _, marker = line.partition(";")
            wanted = re.search(r"extra\s*==\s*['\"]([^'\"]+)", marker)
            if wanted is None or wanted[1] in extras:
                waiting.append(text)
    return found


def mib(names: set[str]) -> float:
    total = 0
    for name in names:
        for file in distribution(name).files or []:
            path = Path(str(file.locate()))
            if path.is_file():
                total += path.stat().st_size
    return total / 2**20


def ours() -> tuple[int, float]:
    lines = (ROOT / "requirements" / "run.in").read_text().splitlines()
    names = needed([line for line in lines if line and not line.startswith(("#", "-"))])
    return len(names), mib(names)


def stock() -> tuple[int, float]:
    names = needed(list(STOCK))
    return len(names), mib(names)
