"""The two endpoints that OAuth's RFCs describe: revocation (7009) and introspection (7662)."""

from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from tokens.api.base import AnonymousView, ApiView, answer
from tokens.api.ending import end_session_of
from tokens.api.guards import MayIntrospect
from tokens.api.parsers import BoundedFormParser, BoundedJSONParser
from tokens.api.serializers import TokenSerializer
from tokens.verdict import Verdict, explain


class RevokeView(AnonymousView):
    """Ends the session of a refresh or access token. RFC 7009, section 2.2: an unknown token is
    answered as a known one, or the answer would tell them apart."""

    tolerant = True
    parser_classes: Any = [BoundedJSONParser, BoundedFormParser]

    def post(self, request: Request) -> HttpResponse:
        form = TokenSerializer(data=request.data)
        if form.is_valid():
            end_session_of(token=form.validated_data["token"], reason="revoked by its holder")
        return answer({})


class IntrospectView(ApiView):
    """What a resource server may know of a token; of a refused one nothing at all."""

    permission = "tokens.introspect_token"
    permission_classes: Any = [MayIntrospect]
    parser_classes: Any = [BoundedJSONParser, BoundedFormParser]

    def post(self, request: Request) -> Response:
        form = TokenSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        return Response(introspection(explain(token=form.validated_data["token"])))


def introspection(verdict: Verdict) -> dict[str, Any]:
    """The body of RFC 7662, section 2.2. The claims stay as they were issued; what they lack of
    the RFC's members is added."""
    if not verdict.active or verdict.user is None:
        return {"active": False}
    claims = verdict.claims
    known = {"sub": str(verdict.user.pk), "username": verdict.user.get_username()}
    return {**known, **claims, "active": True}
