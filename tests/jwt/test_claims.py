"""A token is taken apart without being believed, and nothing makes it raise anything else."""

import base64
import json

import pytest

from tokens.jwt.claims import MAX_TOKEN_CHARS, Malformed, meaning, parse, redact


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


TOKEN = f"{part({'alg': 'HS256'})}.{part({'jti': 'a', 'email': 'a@example.com'})}.c2ln"


def test_parse_returns_header_and_claims():
    parts = parse(TOKEN)
    assert parts.header == {"alg": "HS256"}
    assert parts.payload == {"jti": "a", "email": "a@example.com"}
    assert parts.signed


def test_redacted_token_parses_and_holds_no_signature():
    assert redact(TOKEN) == TOKEN.removesuffix("c2ln")
    assert parse(redact(TOKEN)).payload == parse(TOKEN).payload
    assert not parse(redact(TOKEN)).signed


def test_repr_of_parts_shows_neither_signature_nor_values():
    assert "c2ln" not in repr(parse(TOKEN))
    assert "a@example.com" not in repr(parse(TOKEN))


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "abc",
        "a.b",
        "a.b.c.d",
        "..",
        "ü.ü.ü",
        f" {TOKEN}",
        f"{part([1])}.{part({})}.x",
        f"{part({})}.{part('text')}.x",
        f"{part({})}.!!!!.x",
        "e30.e3.x",
        f"{part({})}.{'W' * 12000}.x",
        base64.b64encode(b"[" * 9000).decode() + f".{part({})}.x",
        base64.b64encode(b'{"n":' + b"9" * 5000 + b"}").decode() + f".{part({})}.x",
        base64.b64encode(b"\xff\xfe{}").decode() + f".{part({})}.x",
        "e30.e30." + "x" * MAX_TOKEN_CHARS,
        "e30.e30.\ud800",
        "e30.e30\0.x",
    ],
)
def test_text_that_is_not_a_token_raises_malformed(text):
    with pytest.raises(Malformed):
        parse(text)


@pytest.mark.parametrize(("text", "kept"), [("", ""), ("abc", ""), ("a.b", "a."), ("a.b.", "a.b.")])
def test_redact_removes_all_after_the_last_dot(text, kept):
    assert redact(text) == kept


def test_only_registered_claims_have_a_meaning():
    assert meaning("exp").startswith("Expires")
    assert meaning("favourite_colour") == ""
