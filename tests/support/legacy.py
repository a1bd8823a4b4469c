"""Make the tokens that simplejwt issues without the app."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import RefreshToken
from rest_framework_simplejwt.utils import datetime_to_epoch

from tokens.models import OutstandingToken


@dataclass(frozen=True)
class LegacyPair:
    refresh: str
    access: str
    jti: str


def legacy_pair(
    user: Any, *, recorded: bool = True, issued: datetime | None = None, **claims: object
) -> LegacyPair:
    """Issue a pair, a minute ago unless ``issued`` says when.

    A claim that is None is left out. ``recorded`` writes the row of simplejwt's blacklist app, with
    the whole token as it does.
    """
    began = issued or timezone.now() - timedelta(minutes=1)
    token = RefreshToken()
    token.current_time = began
    token.set_iat(at_time=began)
    token.set_exp(from_time=began)
    token.payload |= {api_settings.USER_ID_CLAIM: str(user.pk), **claims}
    backend = token.get_token_backend()
    access = RefreshToken.access_token_class()
    own = {"exp", "iat", api_settings.JTI_CLAIM, api_settings.TOKEN_TYPE_CLAIM}
    access.payload |= {k: v for k, v in token.payload.items() if k not in own}
    access.payload["iat"] = claims.get("iat", datetime_to_epoch(began))
    for payload in (token.payload, access.payload):
        for name in [name for name, value in payload.items() if value is None]:
            del payload[name]
    refresh = backend.encode(token.payload)
    jti = token.payload[api_settings.JTI_CLAIM]
    if recorded:
        OutstandingToken.objects.create(
            user=user,
            jti=jti,
            token=refresh,
            created_at=began,
            expires_at=began + token.lifetime,
        )
    return LegacyPair(refresh, backend.encode(access.payload), jti)
