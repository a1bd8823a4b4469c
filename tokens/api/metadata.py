"""The metadata of an OAuth authorization server (RFC 8414)."""

from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from tokens.jwt.signing import issuer
from tokens.web.login import address_of


@cache_control(public=True, max_age=300)
@require_safe
def metadata(request: HttpRequest) -> JsonResponse:
    """Return the issuer and the addresses of the calls for services.

    The portal has no token endpoint: clients log in with ``POST api/login``. A project without an
    issuer has no metadata, as RFC 8414 requires one.
    """
    if not issuer():
        return JsonResponse({"detail": "No issuer is configured."}, status=404)
    endpoints = {
        "jwks_uri": address_of("tokens_jwks:jwks"),
        "introspection_endpoint": address_of("tokens_api:introspect"),
        "revocation_endpoint": address_of("tokens_api:revoke"),
    }
    known = {name: request.build_absolute_uri(path) for name, path in endpoints.items() if path}
    return JsonResponse(
        {
            "issuer": issuer(),
            **known,
            "introspection_endpoint_auth_methods_supported": ["client_secret_basic"],
            "revocation_endpoint_auth_methods_supported": ["none"],
            "grant_types_supported": [],
            "response_types_supported": [],
        }
    )


# As in `ApiView`: this call needs no session, CSRF token or content policy.
metadata.skips_page_middleware = True  # type: ignore[attr-defined]
