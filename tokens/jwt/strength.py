"""Estimate how many bits of entropy a secret has, from what an attacker would try first."""

import itertools
import math
import re
from functools import lru_cache

from django.contrib.auth.password_validation import CommonPasswordValidator

MINIMUM_BITS = 128
# How much of the bits that its length allows a random secret loses at most to words by chance.
CHANCE = 0.22
# Examples are made of the commonest words, and of one separator.
WORD_BITS, SEPARATOR_BITS = 9.0, 2.0
# Secrets that were published whole. They are random, so only a list can tell.
PUBLISHED = frozenset(
    {
        # RFC 7515, appendix A.1.1, and RFC 7520, section 3.5
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
        "hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg",
        # The default keys of jwt.io
        "your-256-bit-secret",
        "your-384-bit-secret",
        "your-512-bit-secret",
        "a-string-secret-at-least-256-bits-long",
        "a-valid-string-secret-that-is-at-least-384-bits-long",
        "a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long",
    }
)
# `django-admin startproject` writes such keys into a file that is meant to be committed.
PUBLISHED_PREFIX = "django-insecure-"
SEPARATORS = frozenset("-_ .")
LONGEST_WORD = 16
SHORTEST_WORD = 4
# Everyday words of examples that are in no list of passwords, because they are too short or long.
EXAMPLE_WORDS = frozenset(
    {
        *("key", "sign", "signing", "token", "jwt", "django", "bit", "bits", "long", "least"),
        *("your", "the", "for", "that", "this", "very", "which", "please", "example", "valid"),
        *("random", "string", "insecure", "change", "changeme", "production", "development"),
    }
)
DIGITS = re.compile(r"[0-9]+")
HEXADECIMAL = re.compile(r"[0-9a-f]+|[0-9A-F]+")
LOWER = re.compile("[a-z]")
UPPER = re.compile("[A-Z]")
DIGIT = re.compile("[0-9]")
BASE64_SIGN = re.compile("[-_+/=]")
OTHER_SIGN = re.compile(r"[^\w+/=-]")
ALPHABETS = ((DIGITS, 10), (HEXADECIMAL, 16))
CLASSES = ((LOWER, 26), (UPPER, 26), (DIGIT, 10), (BASE64_SIGN, 2), (OTHER_SIGN, 30))


def is_published(secret: str) -> bool:
    """Tell whether a secret is, repeats or begins like one that everybody can read."""
    whole = any(secret.replace(known, "").strip(" -_") == "" for known in PUBLISHED)
    return bool(secret) and (whole or secret.startswith(PUBLISHED_PREFIX))


def is_weak(secret: str) -> bool:
    """Tell whether a secret is published, or has fewer bits than a strong random one."""
    longest = len(secret) * math.log2(_alphabet(secret))
    enough = min(MINIMUM_BITS, (1 - CHANCE) * longest)
    return is_published(secret) or longest < MINIMUM_BITS or estimate_bits(secret) < enough


def estimate_bits(secret: str) -> float:
    """Return the bits of the cheapest way to spell a secret.

    A spelling is made of single characters, common words, repetitions of an earlier part, and runs
    such as ``aaaa`` and ``1234``. The time is linear in the length of the secret.
    """
    text = secret.lower()
    words, beginnings = _words()
    of_character = math.log2(_alphabet(secret))
    of_repeat = 2 * math.log2(len(secret) + 1)
    first_seen: dict[str, int] = {}
    # The bits of the cheapest spelling of the text before each place.
    cheapest = [0.0] + [math.inf] * len(text)
    for start, character in enumerate(text):
        spent = cheapest[start]
        single = SEPARATOR_BITS if character in SEPARATORS else of_character
        cheapest[start + 1] = min(cheapest[start + 1], spent + single)
        first = text[start : start + 3]
        repeats = first_seen.setdefault(first, start) < start
        # Few places of a random secret begin anything cheaper than a character.
        if not (repeats or first in beginnings or _is_run(first)):
            continue
        for end in range(start + 3, min(len(text), start + LONGEST_WORD) + 1):
            part = text[start:end]
            if part in words:
                cost = WORD_BITS
            elif repeats and part in text[: end - 1]:
                cost = of_repeat
            elif _is_run(part):
                cost = of_character + 2 * math.log2(len(part))
            else:
                continue
            cheapest[end] = min(cheapest[end], spent + cost)
    return cheapest[-1]


def _alphabet(secret: str) -> int:
    for pattern, size in ALPHABETS:
        if pattern.fullmatch(secret):
            return size
    return max(2, sum(size for pattern, size in CLASSES if pattern.search(secret)))


def _is_run(part: str) -> bool:
    if len(part) < 3 or 2 * ord(part[1]) != ord(part[0]) + ord(part[2]):
        return False
    steps = {ord(after) - ord(before) for before, after in itertools.pairwise(part)}
    return len(steps) == 1 and steps <= {-1, 0, 1}


@lru_cache(maxsize=1)
def _words() -> tuple[frozenset[str], frozenset[str]]:
    """Return the common words, and the first three characters of each."""
    common = CommonPasswordValidator().passwords
    few = {word for word in common if SHORTEST_WORD <= len(word) <= LONGEST_WORD}
    words = EXAMPLE_WORDS | few
    return frozenset(words), frozenset(word[:3] for word in words)
