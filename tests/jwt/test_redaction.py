"""A token in a text loses its signature, however it was pasted, and the rest of the text stays."""

import base64
import json
import unicodedata
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokens.jwt.redaction import SUSPECT, TOKEN_START, holds_redacted, redact_text
from tokens.jwt.spellings import BASE64, ESCAPE, FORMS, HEX


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


def hidden(text):
    """Return whether no part of a signature that would help is left."""
    plain = unicodedata.normalize("NFKC", text.replace("%25", "%").replace("\u200b", ""))
    parts = [SIGNATURE[at : at + 20] for at in range(len(SIGNATURE) - 19)]
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
        "%65yJ" + TOKEN[3:],
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


def test_jws_in_json_keeps_all_but_its_signature():
    assert redact_text(json.dumps(flattened())) == json.dumps(flattened(signature=""))


def test_every_form_of_an_ascii_character_is_known():
    forms = {chr(code): unicodedata.normalize("NFKC", chr(code)) for code in range(0x80, 0x110000)}
    assert {c for c, form in forms.items() if len(form) == 1 and "!" <= form <= "~"} == {*FORMS}


@pytest.mark.parametrize(
    "text",
    ["", "eyJ", "no token", "ewok.one.two", "eyed.a.b", "50%25 of 3.4.5", "v1.2.3",
     "key.example.org", "a\nb.c.d\n", "C:\\new\\readme.txt", "e30", "\u202eabc",
     "x² ½ № ｆｕｌｌ", f"signature: {SIGNATURE}", f"{PAYLOAD} signed",
     "ZXlK" * 30, "65794a" * 30, in_base64(PAYLOAD), f"design {HEADER} signature: ok"],
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
            [in_base64(start), start.encode().hex(), start.encode().hex().upper()]
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
