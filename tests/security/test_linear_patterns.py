"""No text from outside makes a regular expression, or the redaction of tokens, slow.

`re` does not count its steps, so these tests compare the CPU time for one text with that for a
text that is eight times as long. Linear work takes 8 times as long, quadratic work 64 times.
"""

import ast
import importlib
import pkgutil
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.urls import URLResolver, get_resolver

import portal
import tokens
from tokens.audit.record import clean_text
from tokens.jwt.redaction import redact_text
from tokens.templatetags.tokens import device

SHORT, FACTOR = 1024, 8
LINEAR_AT_MOST = 24
# Each is repeated to the wanted length. The ends make a match fail as late as possible.
UNITS = (
    "eyJ", "eyJa.", "eyJ.eyJ", "eyJ-", "a", "1", "-", ".", "_", " ", "\t", "/", "(", "%00", "é",
    "a.b", "\\n", "=\n", "%2E", "\\u002e", "eyJhIjoxfQ.eyJhIjoxfQ.\n",
    "ZXlK", "65794a", "\uff45\uff59\uff2a", 'signature":"',
    "eyJhIjoxfQ aB3-xY9_ ", "eyJhIjoxfQ.aB3dE5fG7h\n", "Ab-_", "Abc", "6\n5\n7\n9\n4\n1\n",
    "ZXlKaA", "\\145", "\\u{65}", "0x65, ", "2026-01-01T00:00:00.1", "00000000-", "127.0.0.1,",
    "x@", "\ud800",
)  # fmt: skip
ENDS = ("", "!", "\0", ".")


def modules() -> Iterator[ModuleType]:
    """Import every module of the product, except migrations and gunicorn's settings."""
    for package in (tokens, portal):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".migrations" not in found.name and found.name != "portal.gunicorn":
                yield importlib.import_module(found.name)


def patterns() -> dict[str, re.Pattern[str]]:
    """Find the compiled patterns of all modules, and those of all addresses."""
    found = {
        f"{module.__name__}.{name}": value
        for module in modules()
        for name, value in vars(module).items()
        if isinstance(value, re.Pattern)
    }
    found |= _routes(get_resolver(), "")
    # Many addresses share their parts.
    once = {pattern.pattern: name for name, pattern in found.items()}
    return {name: found[name] for name in once.values()}


def _routes(resolver: URLResolver, prefix: str) -> Iterator[tuple[str, re.Pattern[str]]]:
    for entry in resolver.url_patterns:
        name = f"{prefix}{entry.pattern}"
        yield f"address {name}", entry.pattern.regex
        if isinstance(entry, URLResolver):
            yield from _routes(entry, name)


def growth(work: Callable[[str], object], unit: str, end: str) -> float:
    """Return how much longer ``work`` takes for a text that is ``FACTOR`` times as long."""

    def cost(length: int, rounds: int) -> float:
        text = (unit * (length // len(unit) + 1))[:length] + end
        best = float("inf")
        for _ in range(3):
            began = time.thread_time()
            for _ in range(rounds):
                work(text)
            best = min(best, (time.thread_time() - began) / rounds)
        return best

    # The clock is coarse: the short text is worked on often enough to be measured.
    return cost(SHORT * FACTOR, 2) / max(cost(SHORT, 10), 2e-6)


def slow(work: Callable[[str], object]) -> list[tuple[str, str, float]]:
    """Return the texts for which the work grows faster than linearly, twice in a row."""
    return [
        (unit, end, ratio)
        for unit in UNITS
        for end in ENDS
        if growth(work, unit, end) > LINEAR_AT_MOST
        and (ratio := growth(work, unit, end)) > LINEAR_AT_MOST
    ]


@pytest.mark.parametrize("name", sorted(patterns()))
def test_pattern_takes_linear_time(name: str) -> None:
    pattern = patterns()[name]
    of_bytes = isinstance(pattern.pattern, bytes)

    def everywhere(text: str) -> object:
        searched: Any = text.encode(errors="surrogatepass") if of_bytes else text
        return pattern.fullmatch(searched), pattern.sub(searched[:0], searched)

    assert slow(everywhere) == []


@pytest.mark.parametrize("work", [redact_text, clean_text, device.__wrapped__])
def test_cleaning_text_takes_linear_time(work: Callable[[str], object]) -> None:
    assert slow(work) == []


def test_measure_finds_a_quadratic_pattern() -> None:
    quadratic = re.compile(r"(eyJ[\w-]+\.[\w-]+\.)[\w-]+")

    assert growth(quadratic.search, "eyJ", "") > LINEAR_AT_MOST


def test_every_pattern_is_compiled_at_module_level() -> None:
    """A pattern inside a function would escape the tests above."""
    hidden = []
    for module in modules():
        tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
        top = {id(node.value) for node in tree.body if isinstance(node, ast.Assign)}
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="re"), attr=name)):
                    if name not in {"escape"} and not (name == "compile" and id(node) in top):
                        hidden.append(f"{module.__name__}:{node.lineno}")
    assert hidden == []


TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJqdGkiOiIxIn0."


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        (f"{TOKEN}sig", TOKEN),
        (f"x{TOKEN}sig", f"x{TOKEN}"),
        (f"a.b.{TOKEN}sig/next", f"a.b.{TOKEN}/next"),
        (f"/{TOKEN}sig/{TOKEN}sig", f"/{TOKEN}/{TOKEN}"),
        (f"eyJa.b.{TOKEN}sig", f"eyJa.b.{TOKEN}"),
        (f"{TOKEN} sig", f"{TOKEN} sig"),
        ("eyJ", "eyJ"),
        ("no token", "no token"),
    ],
)
def test_redaction_drops_signatures_only(text: str, redacted: str) -> None:
    assert redact_text(text) == redacted
    assert redact_text(redacted) == redacted


def test_dropping_nul_does_not_complete_a_token() -> None:
    assert clean_text(f"{TOKEN}\0sig") == TOKEN
