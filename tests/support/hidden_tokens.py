"""Hide tokens in text, in the ways in which they turn up in logs, diffs, mails and reports."""

import html
import json
import random
import uuid
from collections.abc import Callable
from urllib.parse import quote


def _wrapped(text: str, width: int, end: str) -> str:
    return end.join(text[at : at + width] for at in range(0, len(text), width))


def _soft_wrapped(token: str, chance: random.Random) -> str:
    line = "x" * chance.randrange(60) + f" {token} seen by a colleague"
    return _wrapped(line, 75, "=\n")


def _percent(token: str, chance: random.Random) -> str:
    encoded = quote(f'{{"t":"{token}"}}', safe="").replace(".", "%2E").replace("-", "%2D")
    return f"GET /x?body={quote(encoded, safe='') if chance.random() < 0.5 else encoded}&y=1 200"


ESCAPINGS: dict[str, Callable[[str, random.Random], str]] = {
    "quoted": lambda token, chance: f"Authorization: '{token}', \"Bearer {token}\"; next",
    "JSON": lambda token, chance: json.dumps(json.dumps({"a": f"{token}\nand a word", "b": 1})),
    "JSON by number": lambda token, chance: json.dumps({"t": token}).replace(".", "\\u002e"),
    "percent": _percent,
    "HTML": lambda token, chance: (
        html.escape(f'<a href="?t={token}">').replace(".", "&#46;").replace("_", "&#x5f;")
    ),
    "lines": lambda token, chance: _wrapped(token, chance.choice((64, 76, 80)), "\r\n    "),
    "diff": lambda token, chance: _in_diff(token, chance.choice("+-")),
    "mail": _soft_wrapped,
}


def _in_diff(token: str, sign: str) -> str:
    lines = (sign + line for line in _wrapped(f'TOKEN="{token}"', 72, "\n").split("\n"))
    return "\n".join(["@@ -1,2 +1,2 @@", *lines, f"{sign}OTHER=1"])


def filler(chance: random.Random) -> str:
    """Return a line that is no token, and often resembles one."""
    blob = json.dumps({"cursor": chance.getrandbits(64)}).encode()
    return chance.choice(
        (
            f"2026-01-02T03:04:05 INFO request {uuid.UUID(int=chance.getrandbits(128))} took 3 ms",
            f"sha256 {chance.getrandbits(256):064x}",
            f"next eyJjdXJzb3Ii{blob.hex()} page",
            "portal.staging.example.org.internal resolved to 203.0.113.7",
            "-----BEGIN CERTIFICATE-----",
            "eyJhbGciOiJIUzI1NiJ9 is the header of a token; eyJ.eyJ. is nothing",
            "é" * chance.randrange(40),
        )
    )


def corpus(tokens: list[str], *, size: int, seed: int = 1) -> str:
    """Return a text of about ``size`` characters that holds each token once, in some escaping."""
    chance = random.Random(seed)
    ways = list(ESCAPINGS.values())
    parts = [ways[at % len(ways)](token, chance) for at, token in enumerate(tokens)]
    length = sum(map(len, parts))
    while length < size:
        parts.append(filler(chance))
        length += len(parts[-1]) + 1
    chance.shuffle(parts)
    return "\n".join(parts)
