"""Bodies. Both parsers read UTF-8 whatever ``charset`` a client names (RFC 8259, section 8.1):
some of the names that Python knows are no text encodings, and reading with one is a crash."""

from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.http import QueryDict, UnreadablePostError
from rest_framework.exceptions import ParseError
from rest_framework.parsers import FormParser, JSONParser


class BoundedJSONParser(JSONParser):
    """JSON whose nesting the interpreter can bear; deeper is a 400, not a crash."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        context = {**(parser_context or {}), "encoding": "utf-8"}
        try:
            return super().parse(stream, media_type, context)
        except RecursionError as error:
            raise ParseError("JSON parse error - nested too deeply") from error
        except UnreadablePostError as error:
            raise ParseError("The body ended early") from error


class BoundedFormParser(FormParser):
    """A form, as RFC 7009 and RFC 7662 ask for; with too many fields it is a 400."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        try:
            return QueryDict(stream.read(), encoding="utf-8")
        except (SuspiciousOperation, ValueError) as error:
            raise ParseError("Form parse error") from error
        except UnreadablePostError as error:
            raise ParseError("The body ended early") from error
