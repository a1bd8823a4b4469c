"""The JSON Web Key Set (RFC 7517), and the URLs of both well-known documents."""

from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from tokens.api.metadata import metadata
from tokens.api.revocation_views import KEY_SET
from tokens.jwt.keys import JWKS_SECONDS, key_ring


@cache_control(public=True, max_age=JWKS_SECONDS)
@require_safe
def jwks(request: HttpRequest) -> JsonResponse:
    """Return the public keys, the signing key first; none for a shared secret."""
    ring = key_ring()
    return JsonResponse({"keys": ring.public}, headers={KEY_SET: ring.mark})


# As in `ApiView`: this call needs no session, CSRF token or content policy.
jwks.skips_page_middleware = True  # type: ignore[attr-defined]

app_name = "tokens_jwks"
urlpatterns = [
    path(".well-known/jwks.json", jwks, name="jwks"),
    path(".well-known/oauth-authorization-server", metadata, name="metadata"),
]
