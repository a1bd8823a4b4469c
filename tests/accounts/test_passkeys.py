"""Passkeys: the origins that may use them. tests/browser/test_factors.py has real ones."""

import pytest

from tokens.accounts.passkeys import _is_of


@pytest.mark.parametrize(
    ("origin", "right"),
    [
        ("https://portal.example.org", True),
        ("https://portal.example.org:8443", True),
        ("http://portal.example.org", False),
        ("https://evil.portal.example.org", False),
        ("https://example.org", False),
        ("https://portal.example.org.evil.example", False),
        ("https://portal.example.org@evil.example", False),
        ("null", False),
        ("", False),
    ],
)
def test_only_the_host_itself_may_use_its_passkeys(origin, right):
    assert _is_of("portal.example.org", origin) is right
