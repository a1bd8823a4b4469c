"""The classes that a project names in its REST framework and simplejwt settings.

They are imported when they are first used: this package is imported before the apps are loaded, and
the classes need the models.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokens.simplejwt.authentication import JWTAuthentication
    from tokens.simplejwt.serializers import (
        TokenBlacklistSerializer,
        TokenObtainPairSerializer,
        TokenRefreshSerializer,
        TokenVerifySerializer,
    )

__all__ = [
    "JWTAuthentication",
    "TokenBlacklistSerializer",
    "TokenObtainPairSerializer",
    "TokenRefreshSerializer",
    "TokenVerifySerializer",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "authentication" if name == "JWTAuthentication" else "serializers"
    return getattr(import_module(f"{__name__}.{module}"), name)
