"""`manage.py check` says in one line what a host project lacks, or what defeats the app there."""

import django
import pytest
import rest_framework_simplejwt
from django.core.checks import run_checks
from django.db import connection, connections
from django.db.migrations.loader import MigrationLoader
from django.urls import include, path
from rest_framework.authtoken.views import ObtainAuthToken
from rest_framework.decorators import api_view, authentication_classes
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.views import (
    TokenObtainPairView,
    TokenObtainSlidingView,
    TokenRefreshView,
)

from tokens.project_checks import MIDDLEWARE, _views


class StockView(APIView):
    authentication_classes = (JWTAuthentication,)

    def get(self, request):
        return Response()


class InheritingView(StockView):
    pass


class OtherView(APIView):
    pass


def function_view(request):
    return Response()


class Urls:
    """The URLs of one project."""

    def __init__(self, *patterns):
        self.urlpatterns = [path("tokens/", include("tokens.urls")), *patterns]


@pytest.fixture
def urls(settings):
    def use(*patterns):
        _views.cache_clear()
        settings.ROOT_URLCONF = Urls(*patterns)

    yield use
    _views.cache_clear()


def found():
    messages = run_checks(tags=["tokens_project"])
    assert all("\n" not in message.msg for message in messages)
    return {message.id for message in messages}


def defaults(settings, *classes):
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {
        "DEFAULT_AUTHENTICATION_CLASSES": list(classes)
    }


STOCK = "rest_framework_simplejwt.authentication.JWTAuthentication"
OURS = "tokens.simplejwt.JWTAuthentication"
SESSION = "rest_framework.authentication.SessionAuthentication"


def test_portal_lacks_nothing():
    assert found() == set()


def test_project_as_the_guide_says_lacks_nothing(urls):
    urls(path("token", TokenObtainPairView.as_view()))
    assert found() == set()


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        ([STOCK], {"tokens.E071"}),
        ([STOCK, OURS], {"tokens.E071"}),
        ([OURS, STOCK], {"tokens.E071"}),
        ([SESSION], {"tokens.W071"}),
        ([OURS, SESSION], set()),
    ],
)
def test_stock_authentication_beside_ours_is_found(settings, classes, expected):
    defaults(settings, *classes)
    assert found() == expected


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (StockView, {"tokens.E072"}),
        (TokenObtainSlidingView, {"tokens.W073"}),
        (ObtainAuthToken, {"tokens.W073"}),
    ],
)
def test_view_that_knows_nothing_of_the_app_is_found(urls, view, expected):
    urls(path("of-the-host", view.as_view()))
    assert found() == expected


@pytest.mark.parametrize(
    "view",
    [
        InheritingView.as_view(),
        OtherView.as_view(authentication_classes=[JWTAuthentication]),
        api_view()(authentication_classes([JWTAuthentication])(function_view)),
    ],
    ids=["inherited", "in the URLs", "decorated"],
)
def test_stock_authentication_is_found_wherever_a_view_takes_it_from(urls, view):
    urls(path("of-the-host", view))
    assert found() == {"tokens.E072"}


def test_serializer_in_the_urls_is_found(urls):
    serializer = TokenObtainSlidingView().get_serializer_class()
    urls(path("token", TokenObtainPairView.as_view(serializer_class=serializer)))
    assert found() == {"tokens.W073"}


def test_naive_datetimes_are_an_error(settings):
    settings.USE_TZ = False
    assert found() == {"tokens.E080"}


class UsersElsewhere:
    """Route the users to another database."""

    def db_for_write(self, model, **hints):
        return "people" if model._meta.model_name == "user" else None


def test_users_in_another_database_are_an_error(settings):
    settings.DATABASE_ROUTERS = [f"{__name__}.UsersElsewhere"]
    assert found() == {"tokens.E081"}


class NoTables:
    """Keep all tables out of the database."""

    def allow_migrate(self, db, app_label, **hints):
        return False


@pytest.mark.django_db(transaction=True)
def test_migrations_write_nothing_where_the_router_forbids_it(settings):
    settings.DATABASE_ROUTERS = [f"{__name__}.NoTables"]
    loader = MigrationLoader(connection)
    (leaf,) = loader.graph.leaf_nodes("tokens")
    state = loader.project_state(leaf)
    for key in loader.graph.forwards_plan(leaf):
        if key[0] == "tokens":
            for operation in loader.get_migration(*key).operations:
                with connection.schema_editor(collect_sql=True, atomic=False) as editor:
                    operation.database_forwards("tokens", editor, state, state)
                assert editor.collected_sql == [], (key, operation)


def test_stock_serializer_is_found_where_nothing_is_taken_over(settings, urls):
    settings.TAKE_OVER_FOR_USER = False
    urls(path("token", TokenObtainPairView.as_view()))
    assert found() == {"tokens.W073"}


def test_refresh_view_that_does_not_rotate_is_told_what_it_misses(urls, settings):
    settings.STRICT_CHECKS = False
    settings.SIMPLE_JWT = settings.SIMPLE_JWT | {"ROTATE_REFRESH_TOKENS": False}
    assert found() == set()
    urls(path("refresh", TokenRefreshView.as_view()))
    assert found() == {"tokens.I079"}


def test_requests_in_transactions_are_found(monkeypatch):
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    assert found() == {"tokens.W074"}


def test_missing_include_is_found(settings):
    settings.ROOT_URLCONF = "tests.simplejwt.host"
    assert "tokens.W075" in found()


@pytest.mark.parametrize("name", MIDDLEWARE)
def test_missing_middleware_is_found(settings, name):
    settings.MIDDLEWARE = [one for one in settings.MIDDLEWARE if one != name]
    assert found() == {"tokens.E076"}


def test_missing_app_and_context_processor_are_found(settings, monkeypatch):
    from django.apps import apps

    monkeypatch.setattr(apps, "is_installed", lambda name: name != "django_htmx")
    options = settings.TEMPLATES[0]["OPTIONS"] | {"context_processors": []}
    settings.TEMPLATES = [settings.TEMPLATES[0] | {"OPTIONS": options}]
    assert found() == {"tokens.E077", "tokens.E078"}


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        (django, "VERSION", (5, 1, 0, "final", 0)),
        (django, "VERSION", (6, 1, 0, "final", 0)),
        (rest_framework_simplejwt, "__version__", "5.3.1"),
        (rest_framework_simplejwt, "__version__", "6.0"),
    ],
)
def test_unsupported_version_is_found(monkeypatch, module, name, value):
    monkeypatch.setattr(module, name, value)
    assert found() == {"tokens.W070"}
