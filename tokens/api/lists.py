"""Lists: their filters, and their pages by key."""

from collections.abc import Callable
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from tokens.api.fields import (
    AddressField,
    CursorField,
    InstantField,
    NumberField,
    TextField,
)
from tokens.audit.export import FORMATS
from tokens.models import Kind
from tokens.selectors.paging import Listing
from tokens.selectors.status import Status

BIG = 2**63 - 1


class Paging(serializers.Serializer[None]):
    cursor = CursorField(
        required=False,
        allow_blank=True,
        max_length=300,
        help_text="next or previous of another page of the same list",
    )
    limit = NumberField(
        required=False, default=50, min_value=1, max_value=100, help_text="rows of a page"
    )


class Filters(Paging):
    """The pages' filters, by the same names."""

    q = TextField(
        required=False,
        allow_blank=True,
        max_length=300,
        help_text="a user name, an e-mail address, a jti or its start, a session id, an address",
    )
    status = serializers.ChoiceField(required=False, choices=Status.values)
    user = NumberField(required=False, min_value=0, max_value=BIG, help_text="id of an account")
    issued_after = InstantField(required=False, help_text="from this instant on")
    issued_before = InstantField(required=False, help_text="before this instant")
    device = TextField(required=False, max_length=100, help_text="a part of the user agent")
    ip = AddressField(required=False)
    client = TextField(required=False, max_length=100, help_text="the label of X-Client, whole")


class SessionFilters(Filters):
    status = serializers.ChoiceField(
        required=False, choices=[Status.ACTIVE.value, Status.REVOKED.value, Status.EXPIRED.value]
    )


class OfEvents(serializers.Serializer[None]):
    kind = serializers.ChoiceField(required=False, choices=Kind.values)
    actor = NumberField(
        required=False, min_value=0, max_value=BIG, help_text="id of the account that did it"
    )
    subject = NumberField(
        required=False, min_value=0, max_value=BIG, help_text="id of the account it was done to"
    )
    session = serializers.UUIDField(required=False)
    jti = TextField(required=False, max_length=255)
    ip = AddressField(required=False)
    after = InstantField(required=False, help_text="from this instant on")
    before = InstantField(required=False, help_text="before this instant")


class EventFilters(OfEvents, Paging):
    pass


class ExportFilters(OfEvents):
    format = serializers.ChoiceField(choices=list(FORMATS))


def asked(request: Request, form: type[serializers.Serializer[None]]) -> dict[str, Any]:
    """The filters of the address, checked; a 400 says which makes no sense."""
    filled = form(data=request.query_params.dict())
    filled.is_valid(raise_exception=True)
    return dict(filled.validated_data)


def page(
    listing: Listing[Any], *, cursor: str, limit: int, shown: Callable[[Any], dict[str, Any]]
) -> Response:
    """``next`` and ``previous`` are cursors, null where there is no such page. ``partial``: the
    search stopped at its limit; ``next`` goes on from there."""
    found = listing.page(cursor=cursor, size=limit)
    return Response(
        {
            "next": found.older or None,
            "previous": found.newer or None,
            "partial": found.partial,
            "results": [shown(row) for row in found.rows],
        }
    )
