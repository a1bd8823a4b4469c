"""Lists: their filters, and their pages by key."""

from collections.abc import Callable
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from tokens.models import Kind
from tokens.selectors.paging import Listing
from tokens.selectors.status import Status


class Paging(serializers.Serializer[None]):
    cursor = serializers.CharField(required=False, allow_blank=True, max_length=1000)
    limit = serializers.IntegerField(required=False, default=50, min_value=1, max_value=100)


class Filters(Paging):
    """The pages' filters, by the same names."""

    q = serializers.CharField(required=False, allow_blank=True, max_length=300)
    status = serializers.ChoiceField(required=False, choices=Status.values)
    user = serializers.IntegerField(required=False, min_value=0, max_value=2**63 - 1)
    issued_after = serializers.DateTimeField(required=False)
    issued_before = serializers.DateTimeField(required=False)
    device = serializers.CharField(required=False, max_length=100)
    ip = serializers.IPAddressField(required=False)
    client = serializers.CharField(required=False, max_length=100)


class SessionFilters(Filters):
    status = serializers.ChoiceField(
        required=False, choices=[Status.ACTIVE.value, Status.REVOKED.value, Status.EXPIRED.value]
    )


class EventFilters(Paging):
    kind = serializers.ChoiceField(required=False, choices=Kind.values)
    actor = serializers.IntegerField(required=False, min_value=0, max_value=2**63 - 1)
    subject = serializers.IntegerField(required=False, min_value=0, max_value=2**63 - 1)
    session = serializers.UUIDField(required=False)
    jti = serializers.CharField(required=False, max_length=255)
    ip = serializers.IPAddressField(required=False)
    after = serializers.DateTimeField(required=False)
    before = serializers.DateTimeField(required=False)


def asked(request: Request, form: type[Paging]) -> dict[str, Any]:
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
