"""Redact tokens in what people type into pages, before a view sees it.

A token in the query string, the path or a form field loses its signature at the door. So nothing
behind the door can store it, show it, log it or put it into another address.
"""

from http import HTTPStatus
from urllib.parse import parse_qsl, urlencode, urlsplit

from django.core.exceptions import SuspiciousOperation
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    QueryDict,
    UnreadablePostError,
)

from tokens.jwt.redaction import SUSPECT, redact_text
from tokens.web.errors import wants_json

# The variables of a request that hold its address, or the address of the page before it.
ADDRESSES = (
    "QUERY_STRING",
    "PATH_INFO",
    "RAW_URI",
    "REQUEST_URI",
    "HTTP_REFERER",
    "HTTP_HX_CURRENT_URL",
)
# The fields whose content is never stored as it is. The inspector needs the whole token, and what a
# passkey answers looks like one.
SECRET_FIELDS = ("token", "password", "secret", "code", "passkey")
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


def redact_address(request: HttpRequest) -> bool:
    """Redact tokens in the address; return whether the query string held one."""
    meta = request.META
    cleaned = {name: _clean(str(meta[name])) for name in ADDRESSES if name in meta}
    cleaned["QUERY_STRING"] = redact_query(meta.get("QUERY_STRING", ""))
    path = _clean(request.path_info)
    changed = {name for name, text in cleaned.items() if text != meta.get(name, "")}
    if not changed and path == request.path_info:
        return False
    meta.update(cleaned)
    request.path_info, request.path = path, _clean(request.path)
    # Another middleware may have read the parameters before this one.
    request.__dict__.pop("GET", None)
    return "QUERY_STRING" in changed


def redact_query(query: str) -> str:
    """Return a query string without signatures; others are returned as they are."""
    if not query:
        return query
    pairs = parse_qsl(query, keep_blank_values=True, errors="replace")
    kept = [(_clean(name), _clean(value)) for name, value in pairs]
    return query if kept == pairs else urlencode(kept)


def redact_form(request: HttpRequest) -> None:
    """Redact tokens in the fields of a form, except in `SECRET_FIELDS`."""
    if request.method != "POST" or request.content_type not in FORMS:
        return
    try:
        fields = list(request.POST.lists())
    except (UnreadablePostError, SuspiciousOperation):
        return  # The view, or the CSRF check before it, meets the same error and answers it.
    kept = [
        (_clean(name), [value if _is_secret(name) else _clean(value) for value in values])
        for name, values in fields
    ]
    if kept != fields:
        form = QueryDict(mutable=True)
        for name, values in kept:
            form.setlist(name, values)
        request.POST = form  # type: ignore[assignment]


def redirect_to_redacted(request: HttpRequest) -> HttpResponse | None:
    """Redirect a page whose address held a token, so that the browser shows and keeps another."""
    if request.method not in ("GET", "HEAD") or wants_json(request) or _is_fragment(request):
        return None
    response = HttpResponseRedirect(request.get_full_path(), status=HTTPStatus.SEE_OTHER)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def correct_history(request: HttpRequest, response: HttpResponseBase) -> None:
    """Have htmx push the address without the token, if it pushes the address of a fragment."""
    page = urlsplit(request.headers.get("HX-Current-URL", "")).path
    if request.method == "GET" and _is_fragment(request) and page == request.path:
        response.headers["HX-Push-Url"] = request.get_full_path()


def _is_fragment(request: HttpRequest) -> bool:
    return "HX-Request" in request.headers


def _is_secret(name: str) -> bool:
    return name.rstrip("0123456789").endswith(SECRET_FIELDS)


def _clean(text: str) -> str:
    # Most text needs no look at the tokens in it.
    return redact_text(text) if SUSPECT.search(text) else text
