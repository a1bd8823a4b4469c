"""Find the tokens in a text, such as a log, a diff, a mail or a report.

`find_tokens` undoes escapes and joins what is in pieces like `tokens.jwt.redaction`, so it finds
the tokens that are redacted elsewhere.
"""

from itertools import chain

from tokens.jwt.claims import Malformed, parse
from tokens.jwt.pieces import Found, tokens_in
from tokens.jwt.spellings import encoded_texts, unescape


def find_tokens(text: str, *, most: int | None = None) -> list[str]:
    """Return the different tokens in ``text`` in their compact form, in the order of the text.

    A token here is a header and claims that can be read, with a signature that may be wrong or
    missing. ``most`` is the highest number of tokens to return.
    """
    plain = unescape(text)[0]
    texts = chain([plain], (read.content for read in encoded_texts(plain)))
    found: dict[str, None] = {}
    for compact in (_compact(one, token) for one in texts for token in tokens_in(one)):
        if compact not in found and is_readable(compact):
            found[compact] = None
            if most is not None and len(found) >= most:
                break
    return list(found)


def _compact(text: str, token: Found) -> str:
    """Return a token in its compact form; "" if a part is missing."""
    if len(token.parts) < 2:
        return ""
    header, claims = sorted(token.parts, key=lambda part: "alg" not in part.value)
    signature = "".join(text[start:end] for start, end in token.signature)
    return f"{header.text}.{claims.text}.{signature}"


def is_readable(token: str) -> bool:
    """Tell whether the header and the claims of a token can be read."""
    try:
        parse(token)
    except Malformed:
        return False
    return True
