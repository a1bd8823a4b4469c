"""A page with an error, for the debug page."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from portal.urls import urlpatterns as portal_urls

# The debug page shows the lines of the source, which must not hold the words themselves.
WORDS = {name: f"{name}-{'retnuh'[::-1]}" for name in ("conninfo", "nested", "message")}


def broken(request: HttpRequest) -> HttpResponse:
    conninfo = f"host=db password={WORDS['conninfo']} user=x"
    body = request.body if request.content_type == "application/json" else b""
    attempt = {"password": WORDS["nested"], "refresh": WORDS["nested"]}
    count = len(conninfo) + len(body) + len(attempt)
    raise ValueError(f"redis://:{WORDS['message']}@cache:6379 failed after {count}")


urlpatterns = [path("broken", broken), *portal_urls]
