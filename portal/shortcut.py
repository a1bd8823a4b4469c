"""API calls past the middleware that only pages need.

A bearer call has no session, no CSRF token, no messages, no htmx and no policy for scripts; going
through the middleware for them costs as much as everything else that the call does. The two here
stand around that block in MIDDLEWARE: the first hands an API call to where the second is.
"""

import re
from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

Handler = Callable[[HttpRequest], HttpResponseBase]
# The documentation of the API is a page.
CALL = re.compile(r"/(api/(?!docs|schema)|\.well-known/)")


class PagesEnd:
    """Behind the pages' middleware: where the shortcut comes out."""

    latest: Handler

    def __init__(self, get_response: Handler) -> None:
        # Django builds the chain from its inner end, so the start is made after this.
        self.get_response = PagesEnd.latest = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)


class PagesStart:
    """Before the pages' middleware: where the shortcut goes in."""

    def __init__(self, get_response: Handler) -> None:
        self.through_pages = get_response
        self.past_pages = PagesEnd.latest

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if CALL.match(request.path_info) is None:
            return self.through_pages(request)
        response = self.past_pages(request)
        if not response.streaming and not response.has_header("Content-Length"):
            # CommonMiddleware's one service to an API call: no chunked answers.
            response.headers["Content-Length"] = str(len(response.content))  # type: ignore[attr-defined]
        return response
