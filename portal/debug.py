"""Keep secrets out of debug pages and of the reports of errors.

Django hides settings by name, and only outside of DEBUG what a view marks as sensitive. Passwords
inside addresses, cookies, tokens and posted passwords would be shown.
"""

import re
from collections.abc import ItemsView
from types import FrameType
from typing import Any

from django.http import HttpRequest, QueryDict
from django.utils.safestring import SafeString, mark_safe
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from tokens.jwt.redaction import redact_text

HIDDEN_NAMES = re.compile(
    r"API|AUTH|TOKEN|KEY|SECRET|PASS|SIGNATURE|COOKIE|WEBHOOK_URL|CREDENTIAL|PEPPER|OTP"
    r"|\A(?:refresh|access|code|pwd)\Z",
    re.IGNORECASE,
)
# The user and password of an address, and a password among the parameters of one or in JSON.
USER_INFO = re.compile(r"(://)[^/\s'\"<>]*@")
NAMED_SECRET = re.compile(
    r"""((?:(?:password|passwd|secret|refresh|token)(?:["']\s?)?|["']code["']\s?)[:=]\s?["']?)[^"'&\s,}<>]+""",
    re.IGNORECASE,
)
MASK = "********************"


def mask(text: str) -> str:
    """Mask tokens, and passwords in addresses."""
    return USER_INFO.sub(rf"\1{MASK}@", redact_text(text))


class HidingFilter(SafeExceptionReporterFilter):
    """Hide secrets in settings, requests and variables, also with DEBUG."""

    cleansed_substitute = MASK
    hidden_settings = HIDDEN_NAMES

    def cleanse_setting(self, key: int | str, value: object) -> object:
        """Return the value without secrets; ``key`` is its name in whatever holds it."""
        if isinstance(value, bytes):
            value = value.decode("latin-1")
        cleansed: object = super().cleanse_setting(key, value)
        return (
            NAMED_SECRET.sub(rf"\1{MASK}", mask(cleansed))
            if isinstance(cleansed, str)
            else cleansed
        )

    def is_active(self, request: HttpRequest | None) -> bool:
        return True

    def get_safe_cookies(self, request: HttpRequest) -> dict[str, object]:
        return dict.fromkeys(getattr(request, "COOKIES", {}), MASK)

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        given = super().get_post_parameters(request)
        shown = QueryDict(mutable=True)
        for name in given:
            shown[name] = str(self.cleanse_setting(name, given[name]))
        return shown

    def get_traceback_frame_variables(
        self, request: HttpRequest | None, tb_frame: FrameType
    ) -> ItemsView[str, Any]:
        found = super().get_traceback_frame_variables(request, tb_frame)
        return {name: self.cleanse_setting(name, value) for name, value in found}.items()


class HidingReporter(ExceptionReporter):
    """Mask what no name gives away, such as an address in a message."""

    def get_traceback_html(self) -> SafeString:
        return mark_safe(mask(super().get_traceback_html()))  # noqa: S308  (escaped before)

    def get_traceback_text(self) -> SafeString:
        return mark_safe(mask(super().get_traceback_text()))  # noqa: S308  (plain text)
