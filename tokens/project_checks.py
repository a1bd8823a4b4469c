"""Check what a host project has to add to its settings and URLs, and what defeats the app there.

docs/adding.md says what a project adds. Each message is one line that says what to change.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache

import django
import rest_framework_simplejwt
from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error, Info
from django.core.checks import Warning as CheckWarning
from django.db import DEFAULT_DB_ALIAS, connections, router
from django.template import engines
from django.template.backends.django import DjangoTemplates
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.module_loading import import_string
from rest_framework.settings import api_settings
from rest_framework.views import APIView
from rest_framework_simplejwt import settings as simplejwt
from rest_framework_simplejwt.authentication import JWTAuthentication as StockAuthentication
from rest_framework_simplejwt.serializers import TokenObtainSlidingSerializer
from rest_framework_simplejwt.views import TokenRefreshView, TokenViewBase

from tokens.conf import app_settings
from tokens.models import OutstandingToken, Session
from tokens.simplejwt import JWTAuthentication
from tokens.web import PAGES, PARTS

OURS = "tokens.simplejwt.JWTAuthentication"
# allauth's classes that sign tokens without simplejwt.
HEADLESS_JWT = "allauth.headless.tokens.strategies.jwt"
# The versions that the app is tested with: from the first to before the second.
DJANGO, SIMPLEJWT = ((5, 2), (6, 1)), ((5, 4), (6, 0))
# What the pages need, with a word for it.
MIDDLEWARE = {
    "django.contrib.sessions.middleware.SessionMiddleware": "browsers stay logged in",
    "django.contrib.auth.middleware.AuthenticationMiddleware": "pages know the user",
    "django.contrib.messages.middleware.MessageMiddleware": "pages say what was done",
    "django_htmx.middleware.HtmxMiddleware": "pages answer with fragments",
}
CONTEXT_PROCESSORS = {
    "django.template.context_processors.request",
    "django.contrib.auth.context_processors.auth",
    "django.contrib.messages.context_processors.messages",
}


def check_project() -> list[CheckMessage]:
    """Run all checks of this module (W070 to E081)."""
    return [
        *_versions(),
        *_time_zones(),
        *_databases(),
        *_authentication(),
        *_token_views(),
        *_headless(),
        *_rotation(),
        *_transactions(),
        *_urls(),
        *_pages(),
    ]


def _versions() -> list[CheckMessage]:
    """Check that Django and simplejwt have versions that the app is tested with (W070)."""
    version = tuple(int(part) for part in rest_framework_simplejwt.__version__.split(".")[:2])
    found = (
        ("Django", django.VERSION[:2], DJANGO),
        ("djangorestframework-simplejwt", version, SIMPLEJWT),
    )
    return [
        CheckWarning(
            f"{name} {_text(version)} is not supported: the app is tested with {_text(first)} up "
            f"to, and without, {_text(end)}.",
            hint=f"Install a version of {name} from that range.",
            id="tokens.W070",
        )
        for name, version, (first, end) in found
        if not first <= version < end
    ]


def _text(version: Iterable[int]) -> str:
    return ".".join(map(str, version))


def _time_zones() -> list[CheckMessage]:
    """Check that Django's datetimes are aware, as all instants of the app are (E080)."""
    if settings.USE_TZ:
        return []
    message = "USE_TZ is False: every login would fail, as the app compares aware datetimes."
    return [Error(message, hint="Set it to True, which is Django's default.", id="tokens.E080")]


def _databases() -> list[CheckMessage]:
    """Check that users, simplejwt's tables and the app's are in the default database (E081)."""
    models = (get_user_model(), OutstandingToken, Session)
    elsewhere = [one for one in models if router.db_for_write(one) != DEFAULT_DB_ALIAS]
    if not elsewhere:
        return []
    names = ", ".join(one._meta.label for one in elsewhere)
    message = f"DATABASE_ROUTERS keep {names} outside the default database, where none is found."
    hint = "Keep users, token_blacklist and tokens in the default database."
    return [Error(message, hint=hint, id="tokens.E081")]


def _authentication() -> list[CheckMessage]:
    """Check that bearer tokens are validated by the app (E071, W071, E072)."""
    default: Iterable[type] = api_settings.DEFAULT_AUTHENTICATION_CLASSES  # type: ignore[assignment]
    found: list[CheckMessage] = []
    if stock := _stock(default):
        message = f"DEFAULT_AUTHENTICATION_CLASSES has {stock}, which accepts revoked tokens."
        found.append(Error(message, hint=f"Replace it with {OURS}.", id="tokens.E071"))
    elif not any(issubclass(one, JWTAuthentication) for one in default):
        message = f"DEFAULT_AUTHENTICATION_CLASSES has no {OURS}: views accept no tokens."
        found.append(CheckWarning(message, hint="Add it.", id="tokens.W071"))
    for path, view in _api_views():
        # They are those of the settings unless the view, or a class that it inherits, names others.
        named = view.authentication_classes is not APIView.authentication_classes
        if named and (stock := _stock(view.authentication_classes)):
            message = f"The view at {path} names {stock}, which accepts revoked tokens."
            found.append(Error(message, hint=f"Replace it with {OURS}.", id="tokens.E072"))
    return found


def _stock(classes: Iterable[type]) -> str:
    """Return the name of the first class that validates tokens without the app; empty if none."""
    for one in classes:
        if issubclass(one, StockAuthentication) and not issubclass(one, JWTAuthentication):
            return f"{one.__module__}.{one.__qualname__}"
    return ""


def _token_views() -> list[CheckMessage]:
    """Find views that issue tokens which the app does not know (W073)."""
    found: list[CheckMessage] = []
    for path, view in _api_views():
        if type(view).__module__ == "rest_framework.authtoken.views":
            message = f"The view at {path} issues tokens of another kind, which stay valid."
            hint = "Replace it with a view that calls RefreshToken.for_user."
            found.append(CheckWarning(message, hint=hint, id="tokens.W073"))
        elif isinstance(view, TokenViewBase) and (why := _past_the_core(view)):
            message = f"The view at {path} issues tokens past the app: {why}."
            hint = "Give it tokens.simplejwt.TokenObtainPairSerializer, or a subclass."
            found.append(CheckWarning(message, hint=hint, id="tokens.W073"))
    return found


def _headless() -> list[CheckMessage]:
    """Find allauth's headless JWTs, which allauth signs and keeps itself (W073)."""
    path = getattr(settings, "HEADLESS_TOKEN_STRATEGY", "")
    if not path or not apps.is_installed("allauth.headless"):
        return []
    if not any(one.__module__.startswith(HEADLESS_JWT) for one in import_string(path).__mro__):
        return []
    message = f"HEADLESS_TOKEN_STRATEGY is {path}, which issues tokens past the app."
    hint = "Use another strategy, and issue tokens with RefreshToken.for_user."
    return [CheckWarning(message, hint=hint, id="tokens.W073")]


def _rotation() -> list[CheckMessage]:
    """Find views that refresh without rotating: an option of a project, not a fault (I079)."""
    if simplejwt.api_settings.ROTATE_REFRESH_TOKENS or app_settings.STRICT_CHECKS:
        return []
    hint = (
        "Turn ROTATE_REFRESH_TOKENS on if your clients store the refresh token of each response; "
        "otherwise add tokens.I079 to SILENCED_SYSTEM_CHECKS."
    )
    found: list[CheckMessage] = [
        Info(
            f"The view at {path} does not rotate refresh tokens: the reuse of a stolen one is not "
            "noticed.",
            hint=hint,
            id="tokens.I079",
        )
        for path, view in _api_views()
        if isinstance(view, TokenRefreshView)
    ]
    return found[:1]


def _past_the_core(view: TokenViewBase) -> str:
    serializer = view.get_serializer_class()
    if issubclass(serializer, TokenObtainSlidingSerializer):
        return "sliding tokens belong to no session"
    ours = any(one.__module__.startswith("tokens.") for one in serializer.__mro__)
    if not ours and not app_settings.TAKE_OVER_FOR_USER:
        return f"{serializer.__qualname__} is not one of tokens.simplejwt"
    return ""


def _transactions() -> list[CheckMessage]:
    """Check that a refusal does not roll back what a view of the project wrote (W074)."""
    atomic = [name for name, one in connections.settings.items() if one["ATOMIC_REQUESTS"]]
    if not atomic:
        return []
    message = (
        f"DATABASES[{atomic[0]!r}] has ATOMIC_REQUESTS: a 401 rolls back what a view of yours "
        "wrote, and ThrottledModelBackend cannot count a failed login in it."
    )
    hint = "Give views that log in `transaction.non_atomic_requests`."
    return [CheckWarning(message, hint=hint, id="tokens.W074")]


def _urls() -> list[CheckMessage]:
    """Check that a part of the app is included in the project's URLs (W075)."""
    if _included():
        return []
    message = "The URLs include no part of the app: no page shows or revokes tokens."
    hint = 'Add path("tokens/", include("tokens.urls")).'
    return [CheckWarning(message, hint=hint, id="tokens.W075")]


def _pages() -> list[CheckMessage]:
    """Check that the pages, if they are included, find what they need (E076 to E078)."""
    if not PAGES & _included():
        return []
    found: list[CheckMessage] = [
        Error(f"MIDDLEWARE has no {name}, with which {why}.", hint="Add it.", id="tokens.E076")
        for name, why in MIDDLEWARE.items()
        if name not in settings.MIDDLEWARE
    ]
    if not apps.is_installed("django_htmx"):
        message = "INSTALLED_APPS has no django_htmx, which brings the pages' htmx."
        found.append(Error(message, hint="Add it.", id="tokens.E077"))
    given = {
        name
        for backend in engines.all()
        if isinstance(backend, DjangoTemplates)
        for name in backend.engine.context_processors
    }
    found += [
        Error(
            f"TEMPLATES has no context processor {name}.",
            hint="Add it to OPTIONS.",
            id="tokens.E078",
        )
        for name in sorted(CONTEXT_PROCESSORS - given)
    ]
    return found


def _included() -> frozenset[str]:
    return PARTS & {
        resolver.app_name or "" for resolver in _resolvers(get_resolver(settings.ROOT_URLCONF))
    }


def _resolvers(resolver: URLResolver) -> Iterator[URLResolver]:
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            yield entry
            yield from _resolvers(entry)


def _api_views() -> list[tuple[str, APIView]]:
    """Return the project's own views of REST framework, with their addresses."""
    return [
        (path, view)
        for path, view in _views(settings.ROOT_URLCONF)
        if not type(view).__module__.startswith("tokens.")
    ]


@lru_cache(maxsize=4)
def _views(urlconf: str) -> list[tuple[str, APIView]]:
    return list(_walk(get_resolver(urlconf), "/"))


def _walk(resolver: URLResolver, before: str) -> Iterator[tuple[str, APIView]]:
    """Yield the views, each with the options that the URLs or a router give it."""
    for entry in resolver.url_patterns:
        path = before + str(entry.pattern).removeprefix("^")
        if isinstance(entry, URLPattern):
            view = getattr(entry.callback, "cls", getattr(entry.callback, "view_class", None))
            if isinstance(view, type) and issubclass(view, APIView):
                yield path, view(**getattr(entry.callback, "initkwargs", {}))
        else:
            yield from _walk(entry, path)
