"""Hide tokens in text, in the ways in which they turn up in logs, diffs, mails and reports."""

import base64
import html
import json
import random
import uuid
from collections.abc import Callable
from urllib.parse import quote

import jwt

SECRET = "k" * 64
RSA_SIGNATURE = "Ab-_" * 85 + "Ab"


def token_of(number: int, algorithm: str = "HS256") -> str:
    chance = random.Random(number)
    claims = {
        "token_type": chance.choice(("access", "refresh")),
        "exp": 1_796_000_000 + number,
        "jti": f"{chance.getrandbits(128):032x}",
        "sid": f"{chance.getrandbits(128):032x}",
        "user_id": str(chance.randrange(10**6)),
        "roles": {"area": "x"} if number % 3 else ["a", "b" * chance.randrange(40)],
    }
    headers = {"kid": f"{chance.getrandbits(64):016x}"}
    if algorithm == "RS256":
        payload = jwt.encode(claims, SECRET, "HS256").split(".")[1]
        header = json.dumps({"alg": "RS256", "typ": "JWT", **headers}).encode()
        return f"{base64.urlsafe_b64encode(header).decode().rstrip('=')}.{payload}.{RSA_SIGNATURE}"
    return jwt.encode(claims, SECRET, algorithm, headers)


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


DOTS = (
    "=2E", " . ", ".\t", "\\056", "\\u{2e}", "&period;", "[.]", "(.)", "[dot]", " (dot) ", " dot ",
    "\\x{2e}", "\\2e", "&amp;period;", "&#46", "&amp;#x2e;", "\\\\056", ",", "|", " / ", ":", ";",
    "\n\n", "\n.\n", " - ", " -> ", '.", "', "</b>.<b>", "\u3002", "*.*", "%252E", "", ".\u00a0",
    "\u00b7", "~",
)  # fmt: skip
LABELS = (
    "Header: {}\nPayload: {}\nSignature: {}",
    "Header: {} Payload: {} Signature: {}",
    "HEADER\n{}\nPAYLOAD\n{}\nSIGNATURE\n{}",
    "the header is {}, then come the claims, {}, and it is signed with {}.",
    'h = "{}"; p = "{}"; s = "{}"',
    "| header | {} |\n| claims | {} |\n| signature | {} |",
    "<h>{}</h><p>{}</p><s>{}</s>",
    "- {}\n- {}\n- {}",
    "1. {}\n2. {}\n3. {}",
    '["{}","{}","{}"]',
    "`{}` `{}` `{}`",
    '"{}." "{}." "{}"',
    "'{}.' + '{}.' + '{}'",
    'strcat("{}", ".", "{}", ".", "{}")',
)
GLUES = (
    "\\\n", "<br>", "<br />\n", "&lt;br&gt;", "\u00a0", '" "', '"\n    "', '" +\n  "', "` + `",
    "\\n", "\n", "\r\n> ", "\n// ", "\n# ", "\n * ", "</span><span class='x'>", "&nbsp;", "&#10;",
    "' . '", "\n\n", " \\\n  ", "…", "\t", "|", " ",
)  # fmt: skip
NUMBERS = (
    "{:>4} ", "{}: ", "{}\t", "{} | ", "+{} ", "  {}  + ", "{:03}|", "log/app.txt:{}:", "> {} ",
)  # fmt: skip


# Ways in which the parts, or their pieces, are not joined as a token's are.
ODD_WAYS: dict[str, Callable[[str, random.Random], str]] = {
    "another dot": lambda token, chance: f"found {token.replace('.', chance.choice(DOTS))} today",
    "labels": lambda token, chance: chance.choice(LABELS).format(*token.split(".")),
    "pieces": lambda token, chance: _wrapped(
        token, chance.choice((24, 40, 64, 76)), chance.choice(GLUES)
    ),
    "numbered lines": lambda token, chance: _numbered(token, chance.choice(NUMBERS), chance),
    "bytes": lambda token, chance: _bytes(token, chance),
}


def _numbered(token: str, number: str, chance: random.Random) -> str:
    first = chance.randrange(1, 900)
    lines = _wrapped(token, chance.choice((40, 64, 80)), "\n").split("\n")
    return "\n".join(number.format(first + at) + line for at, line in enumerate(lines))


def _bytes(token: str, chance: random.Random) -> str:
    digits = token.encode().hex()
    encoded = base64.b64encode(token.encode()).decode()
    return chance.choice(
        (
            f"\\x{digits}",
            f"'\\\\x{digits}'::bytea",
            _wrapped(digits, 40, "\n"),
            _wrapped(digits, 4, " "),
            ", ".join(f"0x{byte:02x}" for byte in token.encode()),
            "".join(f"\\x{byte:02x}" for byte in token.encode()),
            ":".join(f"{byte:02X}" for byte in token.encode()),
            _wrapped(encoded, 40, "\n"),
            _wrapped(encoded, 76, '"\n "'),
        )
    )


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
