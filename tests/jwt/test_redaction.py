"""A token in a text loses its signature, however it was pasted, and the rest of the text stays."""

import base64
import json
import random
import string
import unicodedata
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.hidden_tokens import ESCAPINGS, ODD_WAYS, token_of
from tokens.jwt.redaction import BASE64, HEX, SUSPECT, TOKEN_START, holds_redacted, redact_text
from tokens.jwt.spellings import ESCAPE, FORMS


def part(value, *, spaced=False):
    text = json.dumps(value, indent=2) if spaced else json.dumps(value, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


HEADER = part({"alg": "HS256", "typ": "JWT"})
PAYLOAD = part({"token_type": "refresh", "jti": "0a1b2c", "sid": "0f1e-4d", "exp": 1796000000})
SIGNATURE = "sIgN4tUrE-oF-tHe_tOkEn0123456789abcdefABCDE"[:43]
BARE = f"{HEADER}.{PAYLOAD}."
TOKEN = BARE + SIGNATURE
LONG = BARE + SIGNATURE * 8
SPACED = f"{part({'alg': 'HS256'}, spaced=True)}.{part({'jti': 'a'}, spaced=True)}.{SIGNATURE}"
JWE = f"{HEADER}.{'k' * 43}.{'i' * 16}.{'c' * 80}.{SIGNATURE}"
DIRECT_JWE = f"{HEADER}..{'i' * 16}.{'c' * 80}.{SIGNATURE}"
DETACHED = f"{HEADER}..{SIGNATURE}"


def wrapped(token, width, end="\n"):
    return end.join(token[at : at + width] for at in range(0, len(token), width))


def wide(text):
    """Return the text in full-width characters."""
    return "".join(chr(ord(c) + 0xFEE0) for c in text)


def bold(text):
    """Return the text in mathematical letters, and a dot that is not a full stop."""
    plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    styled = dict(zip(plain, map(chr, range(0x1D400, 0x1D434)), strict=True)) | {".": "\u2024"}
    return "".join(styled.get(c, c) for c in text)


def in_base64(text, width=0):
    digits = base64.b64encode(text.encode()).decode()
    return wrapped(digits, width) if width else digits


def flattened(**more):
    return {"payload": PAYLOAD, "protected": HEADER, "signature": SIGNATURE} | more


GENERAL = {"payload": PAYLOAD, "signatures": [{"protected": HEADER, "signature": SIGNATURE}] * 2}


def hidden(text, signature=SIGNATURE):
    """Return whether no part of a signature that would help is left."""
    plain = unicodedata.normalize("NFKC", text.replace("%25", "%").replace("\u200b", ""))
    parts = [signature[at : at + 20] for at in range(len(signature) - 19)]
    digits = "".join(plain.split()).lower()
    spelled = {part.encode().hex() for part in parts} | {
        # The digits of a part depend on how many characters are before it.
        in_base64("x" * shift + part)[4:-4].lower()
        for part in parts
        for shift in range(3)
    }
    return not any(part in plain for part in parts) and not any(s in digits for s in spelled)


PASTED = {
    "alone": (TOKEN, BARE),
    "in a sentence": (f"leaked: {TOKEN}, see mail", f"leaked: {BARE}, see mail"),
    "bearer": (f"Authorization: Bearer {TOKEN}", f"Authorization: Bearer {BARE}"),
    "quoted": (f"'{TOKEN}' and \"{TOKEN}\"", f"'{BARE}' and \"{BARE}\""),
    "in json": (json.dumps({"refresh": TOKEN, "a": 1}), json.dumps({"refresh": BARE, "a": 1})),
    "json in json": (json.dumps(json.dumps({"r": TOKEN})), json.dumps(json.dumps({"r": BARE}))),
    "in an address": (f"/x?token={TOKEN}&y=1", f"/x?token={BARE}&y=1"),
    "two": (f"{TOKEN} {TOKEN}", f"{BARE} {BARE}"),
    "two on lines": (f"{TOKEN}\n{TOKEN}\nok", f"{BARE}\n{BARE}\nok"),
    "a line after it": (f"{TOKEN}\nPlease look at it", f"{BARE}\nPlease look at it"),
    "words after it": (f"{TOKEN} was leaked by a colleague", f"{BARE} was leaked by a colleague"),
    "hash after it": (f"{TOKEN} {'0a1b' * 16} x", f"{BARE} {'0a1b' * 16} x"),
    "UUID after it": (
        f"{TOKEN} 0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
        f"{BARE} 0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
    ),
    "address after it": (
        f"{TOKEN} portal.staging.example.org",
        f"{BARE} portal.staging.example.org",
    ),
    "header before an address": (HEADER + " portal.staging.example.org",) * 2,
    "glued in front": (f"xyz{TOKEN}", f"xyz{BARE}"),
    "markup": (f"<b>{TOKEN}</b>", f"<b>{BARE}</b>"),
    "angle": (f"<{TOKEN}>", f"<{BARE}>"),
}


@pytest.mark.parametrize("case", PASTED)
def test_only_the_signature_is_lost(case):
    typed, left = PASTED[case]
    assert redact_text(typed) == left
    assert redact_text(left) == left


@pytest.mark.parametrize(
    "typed",
    [
        quote(TOKEN, safe=""),
        TOKEN.replace(".", "%2E"),
        TOKEN.replace(".", "%2e"),
        TOKEN.replace(".", "%252E"),
        *(e + TOKEN[1:] for e in ("%65", "\\145", "\\u{65}", "\\x65", "&#101;", "\\u0065")),
        "".join(f"%{ord(c):02x}" for c in TOKEN),
        TOKEN.replace(".", "\\u002e"),
        json.dumps(wrapped(TOKEN, 60)),
        json.dumps(json.dumps(wrapped(TOKEN, 60))),
        *(wrapped(TOKEN, width) for width in (20, 33, 64, 76, len(BARE) - 1, len(BARE))),
        *(wrapped(LONG, width) for width in (20, 64, 76)),
        *(
            wrapped(TOKEN, width, " ")
            for width in (33, 36, 64, 72, 76, 120, len(BARE) - 1, len(BARE))
        ),
        wrapped(LONG[: len(BARE) + 342], 64, " "),
        wrapped(TOKEN, 64, "\r\n"),
        wrapped(TOKEN, 64, "\n> "),
        wrapped(TOKEN, 64, "\n      "),
        wrapped(TOKEN, 64, "=\r\n"),
        wrapped(TOKEN, 64) + " was in the log",
        wrapped(TOKEN, 7, "\u200b"),
        wrapped(TOKEN, 7, "\u00ad"),
        wrapped(TOKEN, 7, "\0"),
        wrapped(TOKEN, 1, "\u2060"),
        *(wrapped(TOKEN, 7, hidden) for hidden in "\u061c\u180e\ufe0f\u034f\u3164\x07\U000e0041"),
        *(wrapped(TOKEN, 64, end) for end in "\r\v\f\x85\u2028\u2029"),
        *(TOKEN.replace(".", dot) for dot in ("&#46;", "&#x2e;", "\\x2e", "%u002e", "\\\\u002e")),
        TOKEN + TOKEN,
        f"{TOKEN}.{TOKEN}",
        f"a.b.{TOKEN}.c",
        f"eyJ{TOKEN}",
        SPACED,
        JWE,
        DIRECT_JWE,
        DETACHED,
        f"eyJ.{TOKEN}",
        wide(TOKEN),
        bold(TOKEN),
        TOKEN.replace(".", "\uff0e"),
        *(in_base64(TOKEN, width) for width in (0, 60, 64, 76)),
        in_base64(TOKEN).rstrip("="),
        quote(in_base64(TOKEN), safe=""),
        in_base64(f"{TOKEN}\n", 76),
        in_base64(SPACED),
        in_base64(TOKEN + TOKEN),
        TOKEN.encode().hex(),
        TOKEN.encode().hex().upper(),
        wrapped(TOKEN.encode().hex(), 60),
        *(TOKEN.encode(form).hex() for form in ("utf-16-le", "utf-16-be")),
        TOKEN.encode("utf-16-le").hex(" "),
        *(e + TOKEN[1:] for e in ("&#101", "&#x65", "\\U00000065")),
        "".join(f"&#x{ord(c):x}" for c in TOKEN),
        "".join(f"&#{ord(c)}" for c in TOKEN),
        "".join(f"\\U{ord(c):08x}" for c in TOKEN),
        *(wrapped(TOKEN, 1, mark) for mark in "\u0301\u0489\u1ab0\u20dd\ufe20"),
        json.dumps(flattened()),
        json.dumps(flattened(), indent=2),
        json.dumps(json.dumps(flattened())),
        quote(json.dumps(flattened()), safe=""),
        repr(flattened(header={"kid": "a"})),
        json.dumps(dict(reversed(flattened().items()))),
        json.dumps(GENERAL),
        wide(json.dumps(flattened(), separators=(",", ":"))),
        f"header: {HEADER}\npayload: {PAYLOAD}\nsignature: {SIGNATURE}",
        json.dumps(flattened()).replace('"', "&quot;"),
    ],
)
def test_no_way_of_pasting_leaves_the_signature(typed):
    left = redact_text(typed)
    assert hidden(left)
    assert redact_text(left) == left
    assert redact_text(f"it is {typed} here").startswith("it is ")
    assert redact_text(f"it is {typed} here").endswith(" here")


@pytest.mark.parametrize("glue", ["", " ", ":", ", 0x", "00"])
@pytest.mark.parametrize("size", [32, 48, 64, 256])
def test_signature_in_hexadecimal_after_a_plain_header_is_cut(size, glue):
    signature = random.Random(size).randbytes(size)
    digits = glue.join(f"{byte:02x}" for byte in signature)
    for text in (f"{HEADER}.{PAYLOAD} sig={digits} end", f"{HEADER}\n{digits} end"):
        left = redact_text(text)
        assert digits[:8] not in left
        assert digits[-8:] not in left
        assert left.endswith(" end")


@pytest.mark.parametrize(
    "text", ["cafe\u0301 de\u0301ja\u0300 vu", "AT&#38T costs &#163", "65 00 79 00", "ab" * 32]
)
def test_marks_and_numbers_without_a_token_stay(text):
    assert redact_text(text) == text


@pytest.mark.parametrize("way", ESCAPINGS | ODD_WAYS)
def test_signature_of_a_token_is_cut_in_each_spelling(way):
    kept = []
    for number in range(120):
        chance, token = random.Random(number), token_of(number)
        text = f"it is\n{(ESCAPINGS | ODD_WAYS)[way](token, chance)}\nhere"
        left = redact_text(text)
        if not (hidden(left, token.rpartition(".")[2]) and left[:6] + left[-5:] == "it is\n\nhere"):
            kept.append((number, text, left))
    assert kept == []


ALPHABET = string.ascii_letters + string.digits + "-_"
ODD = (*" \n\t.,;:|/+*~'\"`<>()=", '" "', "' + '", "<br>", "\\\n", "\u00a0", "\n 12: ")


def split(text, chance, *, least, most):
    """Return the text in pieces of random lengths."""
    pieces = []
    while len(text) >= least + most:
        length = chance.randint(least, most)
        pieces.append(text[:length])
        text = text[length:]
    return [*pieces, text]


@pytest.mark.parametrize("length", [43, 64, 86, 342])
@pytest.mark.parametrize("place", ["after a dot", "after a label", "before the token"])
def test_no_eight_characters_of_a_signature_are_left(length, place):
    kept = []
    for seed in range(600):
        chance = random.Random(f"{place}{length}{seed}")
        signature = "".join(chance.choices(ALPHABET, k=length))
        glues = [chance.choice(ODD)] if seed % 2 else ODD
        pieces = split(signature, chance, least=8, most=chance.choice((8, 12, 30, length)))
        spelled = pieces[0] + "".join(chance.choice(glues) + piece for piece in pieces[1:])
        text = {
            "after a dot": f"seen {BARE}{spelled}, then",
            "after a label": f"seen {HEADER} {PAYLOAD} signed: {spelled}, then",
            "before the token": f'"signed": "{spelled}", "of": "{BARE}"',
        }[place]
        left = redact_text(text)
        if any(signature[at : at + 8] in left for at in range(length - 7)):
            kept.append((seed, text, left))
        assert redact_text(left) == left
    assert kept == []


@pytest.mark.parametrize("glue", [" ", ".", '" "', "\n> "])
def test_short_pieces_of_a_signature_are_cut_too(glue):
    kept = []
    for seed in range(300):
        chance = random.Random(f"{glue}{seed}")
        signature = "".join(chance.choices(ALPHABET, k=chance.choice((43, 86, 342))))
        pieces = split(signature, chance, least=4, most=7)
        left = redact_text(f"seen {HEADER} {PAYLOAD} signed: {glue.join(pieces)} then")
        if sum(piece in left for piece in pieces) > 4:
            kept.append((seed, pieces, left))
    # Of so short pieces, too many can read as words by chance.
    assert len(kept) <= 3, kept


ORDINARY = (
    "token of alice, see ticket OPS-1234, session 3fa85f64-5717-4562-b3fc-2c963f66afa6, "
    "https://example.com/staff/sessions/?user=12",
    "was leaked by Bob on 2026-01-02T03:04:05Z in the chat at noon, see the mail of Tuesday",
    "commit 0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c\nAuthor: Carol <carol@example.org>",
    "https://portal.example.org/staff/tokens/0f1e2d3c4b5a69788796a5b4c3d2e1f0/?status=active",
    "django==5.2.1 PyJWT==2.10.1 sha256:" + "0a1b" * 16,
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0",
    'File "/srv/portal/tokens/web/middleware.py", line 12, in __call__\n  self.get_response(...)',
    "TokenObtainPairSerializer raised InvalidToken at 0x7f3c2a1b9d40 in JSONParser of sessionID",
    "Der Zugriffsschl\u00fcssel geh\u00f6rt zur Donaudampfschifffahrtsgesellschaft, siehe Anhang 3",
    "ROOT_URLCONF = 'portal.urls' SCRATCH = '/dev/shm/portal' SECURE_REFERRER_POLICY = None",
    '{"kind": "session_revoked", "jti": "0f1e2d3c4b5a69788796a5b4c3d2e1f0", "count": 12345678}',
)


@pytest.mark.parametrize("words", ORDINARY)
def test_ordinary_text_around_a_token_stays(words):
    for dot in (" ", "\n", ", ", ": "):
        assert redact_text(f"{words}{dot}{TOKEN}{dot}{words}") == f"{words}{dot}{BARE}{dot}{words}"
        assert redact_text(f"{BARE}{dot}{words}") == f"{BARE}{dot}{words}"


def test_name_with_an_odd_part_takes_no_other_words_away():
    text = f"{BARE} URLCONF_ROOT = 'portal'\nSCRATCH = '/tmp/token-portal-test-q6t6m5w4' whatsoever"
    assert redact_text(text) == text.replace("token-portal-test-q6t6m5w4", "")


def test_sources_and_documents_lose_nothing():
    """The project's own files are full of hashes, versions, addresses, code and prose."""
    root = Path(__file__).parents[2]
    tops = ("docs", "tokens", "portal", "bench", "requirements")
    files = [path for top in tops for path in (root / top).rglob("*.*")]
    kinds = (".md", ".py", ".po", ".json", ".html", ".css", ".js", ".txt", ".svg")
    texts = {path: path.read_text() for path in files if path.suffix in kinds}
    assert sum(map(len, texts.values())) > 1_000_000
    assert [path.name for path, text in texts.items() if redact_text(text) != text] == []


def test_words_of_the_documents_stay_beside_a_token():
    """Check each word of the project's own documents: few look like a piece of a signature."""
    words = {
        word
        for path in (Path(__file__).parents[2] / "docs").rglob("*.md")
        for word in path.read_text().split()
    }
    lost = [word for word in words if redact_text(f"{BARE} {word}") != f"{BARE} {word}"]
    assert len(words) > 3000
    assert len(lost) < len(words) / 200, lost


def test_jws_in_json_keeps_all_but_its_signature():
    assert redact_text(json.dumps(flattened())) == json.dumps(flattened(signature=""))


def test_every_form_of_an_ascii_character_is_known():
    forms = {chr(code): unicodedata.normalize("NFKC", chr(code)) for code in range(0x80, 0x110000)}
    assert {c for c, form in forms.items() if len(form) == 1 and "!" <= form <= "~"} == {*FORMS}


@pytest.mark.parametrize(
    "text",
    ["", "eyJ", "no token", "ewok.one.two", "eyed.a.b", "50%25 of 3.4.5", "v1.2.3",
     "key.example.org", "a\nb.c.d\n", "C:\\new\\readme.txt", "e30", "\u202eabc",
     "x² ½ № ｆｕｌｌ", f"signature: {SIGNATURE}", f"{PAYLOAD} signed", f"eyJ eyed {SIGNATURE}",
     "ZXlK" * 30, "65794a" * 30, f"design {HEADER} signature: ok"],
)  # fmt: skip
def test_other_text_stays(text):
    assert redact_text(text) == text
    assert not holds_redacted(text)


@pytest.mark.parametrize(
    "typed", [TOKEN, JWE, DIRECT_JWE, f"Bearer {TOKEN}", quote(TOKEN, safe="")]
)
def test_redacted_token_is_recognised(typed):
    assert holds_redacted(redact_text(typed))


PIECES = st.sampled_from(
    [
        HEADER,
        PAYLOAD,
        SIGNATURE,
        TOKEN,
        ".",
        "\n",
        "\r\n> ",
        " ",
        "%2E",
        "\\n",
        "\u200b",
        "x",
        "eyJ",
        "ä",
        wide(TOKEN),
        in_base64(TOKEN),
        TOKEN.encode().hex(),
        '"signature":"',
    ]
)


@given(st.lists(PIECES, max_size=12).map("".join))
def test_redacting_twice_changes_nothing_more(text):
    once = redact_text(text)
    assert redact_text(once) == once


STARTS = (ESCAPE, TOKEN_START, BASE64, HEX)
ESCAPES = st.one_of(
    st.from_regex(ESCAPE, fullmatch=True),
    st.from_regex(TOKEN_START),
    st.sampled_from([*FORMS]),
    st.sampled_from(["eyJ", "eyA", "ewo", "ew0"]).flatmap(
        lambda start: st.sampled_from(
            [in_base64(f"{start}hIjoxfQ.eyJ"), f"{start}hIjoxfQ".encode().hex()]
        )
    ),
)


@given(st.text(max_size=5), ESCAPES)
def test_every_token_and_escape_is_suspect(before, escape):
    text = before + escape
    starts = [found.start() for p in STARTS if (found := p.search(text))]
    found = SUSPECT.search(text)
    assert found is not None
    assert found.start() <= min(starts)


@pytest.mark.parametrize(
    "text",
    [
        "StanleyJr",
        "S.StanleyJr",
        "HarveyIvanov",
        "Laptop of StanleyJones stolen, serial C02XK0ABJGH5, ticket INC0012345",
        "keyJson of honeyJar, serial C02XK0ABJGH5",
    ],
)
def test_word_that_begins_like_a_token_is_none(text):
    assert redact_text(text) == text
