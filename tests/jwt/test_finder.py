"""Every token in a text is found, however it was escaped, and nothing else is."""

import random
import sys
import time

import pytest

from tests.support.hidden_tokens import ESCAPINGS, corpus, filler, token_of
from tokens.jwt.finder import find_tokens


@pytest.mark.parametrize("algorithm", ["HS256", "HS512", "RS256"])
@pytest.mark.parametrize("way", ESCAPINGS)
def test_token_is_found_in_each_escaping(way, algorithm) -> None:
    missed = []
    for number in range(40):
        chance, token = random.Random(number), token_of(number, algorithm)
        text = "\n".join([filler(chance), ESCAPINGS[way](token, chance), filler(chance)])
        if find_tokens(text) != [token]:
            missed.append((number, text))
    assert missed == []


def test_thousand_tokens_are_found_in_a_mebibyte_of_text_and_nothing_else() -> None:
    tokens = [token_of(number) for number in range(1000)]
    text = corpus(tokens, size=2**20)
    assert len(text) >= 2**20 - 200
    found = find_tokens(text)
    assert len(set(found) & set(tokens)) >= 999
    assert set(found) <= set(tokens)


def test_repeated_token_is_returned_once_and_the_order_is_that_of_the_text() -> None:
    first, second = token_of(1), token_of(2)
    assert find_tokens(f"{second} {first}\n{second}") == [second, first]


def test_search_stops_at_the_highest_number() -> None:
    tokens = [token_of(number) for number in range(5)]
    assert find_tokens("\n".join(tokens), most=3) == tokens[:3]


@pytest.mark.parametrize(
    "text",
    ["", "hello", "a.b.c", "eyJ.eyJ.", "." * 50, "eyJhbGciOiJIUzI1NiJ9", "eyJhIjox\n" * 50],
)
def test_text_without_a_token_has_none(text) -> None:
    assert find_tokens(text) == []


def test_token_without_its_signature_is_found() -> None:
    bare = token_of(1).rpartition(".")[0] + "."
    assert find_tokens(f"log: {bare}\nwith more text_text_text_text_text_text_text") == [bare]


def test_two_tokens_on_following_lines_stay_apart() -> None:
    tokens = [token_of(number) for number in range(40)]
    assert find_tokens("\n".join(tokens)) == tokens
    assert find_tokens("\n".join(f"- {token}" for token in tokens)) == tokens


def test_hash_after_a_token_is_no_part_of_it() -> None:
    token = token_of(1)
    assert find_tokens(f"{token}\n{'0a1b' * 16}\n{token_of(2)}") == [token, token_of(2)]


def steps(text: str) -> int:
    """Return how many calls of functions and methods a search makes."""
    count = 0

    def step(*_: object) -> None:
        nonlocal count
        count += 1

    sys.setprofile(step)
    try:
        find_tokens(text)
    finally:
        sys.setprofile(None)
    return count


UNITS = (
    "eyJ", "eyBz", "eyJhIjox", "eyJhIjox.", "eyJhIjox\n", "eyJhbGciOiJIUzI1NiJ9\n", "e\n", "ey\n-J",
    "\n", "eyJhIjoxfQ.eyJhIjoxfQ.\n", "=\n", "%2E", "+\n", "a" * 30 + "\n",
    "eyJhbGciOiJIUzI1NiJ9." * 2,
)  # fmt: skip


@pytest.mark.parametrize("unit", UNITS)
def test_search_takes_linear_steps(unit) -> None:
    short, long = (steps(unit * (size // len(unit))) for size in (4_000, 32_000))
    assert long <= 9 * short + 100


@pytest.mark.parametrize("unit", UNITS)
def test_search_reads_each_character_a_bounded_number_of_times(unit) -> None:
    # A match of a pattern is one step, however long it is, so that the steps don't show it.
    took = []
    for size in (16_000, 128_000):
        began = time.process_time()
        find_tokens(unit * (size // len(unit)))
        took.append(time.process_time() - began)
    # Eight times the text; a quadratic search takes 64 times as long.
    assert took[1] <= 28 * took[0] + 0.05
