"""simplejwt's two tables, whose rows other programs write too."""

from typing import TYPE_CHECKING, Any

from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from tokens.models.readable import ReadableCharField, ReadableTextField, ReadableTimeField

__all__ = ["BlacklistedToken", "OutstandingToken", "read_any_row"]

if TYPE_CHECKING:
    from django.db.models import Field, Model

READABLE: "dict[type[Model], dict[str, type[Field[Any, Any]]]]" = {
    OutstandingToken: {
        "jti": ReadableCharField,
        "token": ReadableTextField,
        "created_at": ReadableTimeField,
        "expires_at": ReadableTimeField,
    },
    BlacklistedToken: {"blacklisted_at": ReadableTimeField},
}


def read_any_row() -> None:
    """Have simplejwt's models read whatever is stored, see `tokens.models.readable`.

    One row that Python can't hold would otherwise be an error on each page that lists it. The
    fields keep their columns and their migrations. Repeating it does no harm.
    """
    for model, classes in READABLE.items():
        for name, readable in classes.items():
            model._meta.get_field(name).__class__ = readable
