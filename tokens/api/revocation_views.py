"""The revocation feed, for services that verify access tokens themselves."""

from hashlib import blake2b
from typing import cast

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import APIException
from rest_framework.request import Request

from tokens.api import examples
from tokens.api.base import ApiView, json_response
from tokens.api.fields import TextField
from tokens.api.lists import asked
from tokens.api.openapi import OUTLIVED, SERVICES, describe
from tokens.api.serializers import ExampleSerializer
from tokens.api.service_authentication import ServiceAuthentication, ServiceMayReadFeed
from tokens.jwt.keys import key_ring
from tokens.models import Service
from tokens.services.confirmations import confirm
from tokens.services.feed import CursorOutlived, read_feed

# Tells a service that the key set is another one, so that it does not wait for its max-age.
KEY_SET = "X-Key-Set"
INSTANT = {"type": "number", "description": "seconds since 1970"}
REVOCATION = {
    "oneOf": [
        {
            "type": "object",
            "properties": properties,
            "required": sorted(properties),
            "additionalProperties": False,
        }
        for properties in (
            {"sid": {"type": "string", "format": "uuid"}},
            {"user_id": {"type": "string"}, "before": INSTANT},
            {"before": INSTANT},
        )
    ]
}


class Outlived(APIException):
    """Refuse a cursor that is unknown here, or too old."""

    status_code = 410
    default_detail = OUTLIVED


class FeedParameters(serializers.Serializer[None]):
    """The parameter that says how far the service has read."""

    after = TextField(
        required=False,
        allow_blank=True,
        max_length=6000,
        help_text="the cursor of the last answer; without it, all revocations that still matter",
    )


@extend_schema_field({"type": "array", "items": REVOCATION})
class RevocationsField(serializers.ListField):
    """A session, or what was opened before an instant: of one user, or of everybody."""


class FeedSerializer(ExampleSerializer):
    """Revocations, and the cursor to go on with.

    Ask again at once while there are revocations. ``as_of`` is the instant up to which the service
    then knows all of them.
    """

    cursor = serializers.CharField()
    as_of = serializers.FloatField(help_text="seconds since 1970")
    revocations = RevocationsField()
    example = {
        "cursor": "WzEsMTc5MzYwOTExMC4xLG51bGwsbnVsbCxbMCwwXV0",
        "as_of": 1793609110.25,
        "revocations": [
            {"sid": examples.SID},
            {"user_id": "7", "before": 1793609101.5},
            {"before": 1793609104.0},
        ],
    }


class RevocationsView(ApiView):
    """Tell a service which access tokens to refuse before they expire.

    An entry with ``before`` ends the tokens whose ``sid_at`` is earlier, and those without one. If
    nothing came since ``after``, a call with its ``ETag`` in ``If-None-Match`` gets a 304. Read the
    key set again if its ``X-Key-Set`` is not the one of this answer.
    """

    authentication_classes = [ServiceAuthentication]
    permission_classes = [ServiceMayReadFeed]
    permission = "to read the feed"
    may_throttle = True
    may_outlive = True

    @describe(
        SERVICES,
        "revocations",
        "Follow the revocations",
        FeedSerializer,
        parameters=[FeedParameters],
    )
    def get(self, request: Request) -> HttpResponse:
        after = asked(request, FeedParameters).get("after", "")
        try:
            page = read_feed(after=after)
            confirm(service=cast(Service, request.auth), after=after, page=page)
        except CursorOutlived as error:
            raise Outlived from error
        etag = f'W/"{blake2b(page.cursor.encode(), digest_size=12).hexdigest()}"'
        if not page.new and etag in request.headers.get("If-None-Match", ""):
            response = HttpResponse(status=304)
        else:
            response = json_response(
                {"cursor": page.cursor, "as_of": page.as_of, "revocations": page.revocations}
            )
        response.headers["ETag"] = etag
        response.headers["Cache-Control"] = "private, no-cache"
        response.headers[KEY_SET] = key_ring().mark
        return response
