"""Refused tokens in simplejwt's own shape."""

from rest_framework_simplejwt.exceptions import InvalidToken

from tokens.verdict import Verdict, bearer_refusal


class BearerRefused(InvalidToken):  # type: ignore[misc]  # simplejwt ships no types
    """A bearer call with a token that is not good."""

    def __init__(self, message: str) -> None:
        super().__init__(bearer_refusal(message))


def token_not_valid(verdict: Verdict) -> InvalidToken:
    return InvalidToken(verdict.message)
