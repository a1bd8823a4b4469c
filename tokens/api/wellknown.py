"""Public keys, where the algorithm has any (RFC 7517)."""

from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from tokens.keys import key_ring


@cache_control(public=True, max_age=300)
@require_safe
def jwks(request: HttpRequest) -> JsonResponse:
    """The verifying keys, the current one first; empty for a shared secret."""
    ring = key_ring()
    keys = [ring.current, *(k for k in ring.by_kid.values() if k.kid != ring.current.kid)]
    return JsonResponse({"keys": [key.jwk for key in keys if key.jwk is not None]})


urlpatterns = [path(".well-known/jwks.json", jwks, name="jwks")]
