"""Each message of `manage.py check` is provoked in a generated project that has added the app."""

import ast
import json
import re
from typing import NamedTuple

import pytest
from django.core.management.utils import get_random_secret_key

from tests.adoption.environments import combinations
from tests.adoption.host import SETTINGS, START, URLS, VIEWS, Host
from tests.docs.markdown import fences
from tests.support.words import ROOT, tracked_files

pytestmark = pytest.mark.slow
DATABASES = ["sqlite"]  # The project's has no tables.
COMBINATIONS = combinations()[:1]
ID = re.compile(r"tokens\.[EWI]\d{3}")
# What a message or its hint tells the reader to do.
ADVICE = re.compile(
    r"\b(must be|Add|Choose|Give|Install|Keep|Name|Remove|Replace|Set|Sign|Turn|Use|Write)\b"
)
KEY = "Zr8vQ2mX9kLw4TnB7cHy5JpD1sFg6AeUo3RiVtNxKb0MqWzS"
STOCK = "rest_framework_simplejwt.authentication.JWTAuthentication"


class Row(NamedTuple):
    """Changes that provoke a message: a setting's name, or what to patch, with an expression."""

    id: str
    names: str
    changes: dict[str, str]


def strict(**changes: str) -> dict[str, str]:
    return {"STRICT_CHECKS": "True", **changes}


def jwt(**changes: object) -> dict[str, str]:
    return {"SIMPLE_JWT": f"settings.SIMPLE_JWT | {changes!r}"}


def without(setting: str, name: str) -> dict[str, str]:
    return {setting: f"[one for one in settings.{setting} if one != {name!r}]"}


def authentication(*classes: str) -> dict[str, str]:
    changed = {"DEFAULT_AUTHENTICATION_CLASSES": list(classes)}
    return {"REST_FRAMEWORK": f"settings.REST_FRAMEWORK | {changed!r}"}


def shared_key() -> dict[str, str]:
    return {"SIMPLE_JWT": "settings.SIMPLE_JWT | {'SIGNING_KEY': settings.SECRET_KEY}"}


def ring(*states: str, **changes: str) -> dict[str, str]:
    """Keep the keys in the database, which has one in each of the states."""
    rows = f"lambda: [__import__('tokens').models.SigningKey(kid=s, state=s) for s in {states!r}]"
    settings = {"SIGNING_KEYS": "'database'", "SIGNING_KEYS_SECRET": repr(KEY.swapcase())}
    read = {"keys_in_use": rows, "retired_in_trail": "frozenset"}
    stubs = {f"tokens.keyring.checks.{name}": value for name, value in read.items()}
    return {**settings, **stubs, **changes}


SHORT, PUBLISHED = "short-Zr8vQ2mX9kLw", "a-string-secret-at-least-256-bits-long"
SLIDING = "rest_framework_simplejwt.tokens.SlidingToken"
MIDDLEWARE = {
    "W060": "tokens.web.middleware.RequestContextMiddleware",
    "E076": "django_htmx.middleware.HtmxMiddleware",
}
ROWS = [
    Row("E001", "JWT_SIGNING_KEY", jwt(SIGNING_KEY="")),
    Row("E002", "ALGORITHM", jwt(ALGORITHM="HS1")),
    Row("E003", "SIGNING_KEY", strict(**shared_key())),
    Row("W003", "SIGNING_KEY", shared_key()),
    Row("E004", "SIGNING_KEY", strict(**jwt(SIGNING_KEY=SHORT))),
    Row("W004", "SIGNING_KEY", jwt(SIGNING_KEY=SHORT)),
    Row("E005", "SIGNING_KEY", strict(**jwt(SIGNING_KEY=PUBLISHED))),
    Row("W005", "SIGNING_KEY", jwt(SIGNING_KEY=PUBLISHED)),
    Row("E006", "SIGNING_KEY", jwt(ALGORITHM="ES256")),
    Row("E006", "SIGNING_KEY", jwt(SIGNING_KEY=f"-----BEGIN KEY-----{KEY}")),
    Row("E007", "SECRET_KEY", strict(SECRET_KEY=repr("django-insecure-" + KEY))),
    Row("E008", "AUDIT_KEY", {"AUDIT_KEY": "'x'"}),
    Row("E009", "SIGNING_KEY", jwt(SIGNING_KEY=f"ssh-rsa {KEY}")),
    Row("E010", "AUDIT_KEY", {"AUDIT_KEY": "''", "AUDIT_KEY_REQUIRED": "True"}),
    Row("W010", "AUDIT_KEY", {"AUDIT_KEY": "''"}),
    Row("E011", "SIGNING_KEYS", {"SIGNING_KEYS": "'vault'"}),
    Row("E012", "SIGNING_KEYS_SECRET", ring(SIGNING_KEYS_SECRET="''")),
    Row("E013", "no key of the ring signs", ring()),
    Row("E014", "SIGNING_KEYS_SECRET", ring("signing")),
    Row("W014", "verifying key", ring("signing", "verifying", **{
        "tokens.keyring.checks.is_usable": "lambda row: row.state == 'signing'"})),
    Row("E020", "TOKEN_TYPE_CLAIM", jwt(TOKEN_TYPE_CLAIM=None)),
    Row("E020", "SIGNING_KEY", {"JWT_SIGNING_KEY": repr(KEY.swapcase())}),
    Row("E020", "ROTATE_REFRESH_TOKENS", strict(**jwt(ROTATE_REFRESH_TOKENS=False))),
    Row("W020", "CHECK_USER_IS_ACTIVE", jwt(CHECK_USER_IS_ACTIVE=False)),
    Row("W020", "JWK_URL", jwt(JWK_URL="https://example.com/jwks")),
    Row("E021", "AUTH_TOKEN_CLASSES", strict(**jwt(AUTH_TOKEN_CLASSES=[SLIDING]))),
    Row("W021", "AUTH_TOKEN_CLASSES", jwt(AUTH_TOKEN_CLASSES=[SLIDING])),
    Row("E030", "REFRESH_TOKEN_LIFETIME", {
        "SIMPLE_JWT": "settings.SIMPLE_JWT | {'REFRESH_TOKEN_LIFETIME': timedelta(minutes=1)}"}),
    Row("W030", "SESSION_DAYS", {
        "SESSION_DAYS": "1",
        "SIMPLE_JWT": "settings.SIMPLE_JWT | {'REFRESH_TOKEN_LIFETIME': timedelta(days=7)}"}),
    Row("E031", "REFRESH_GRACE_SECONDS", {"REFRESH_GRACE_SECONDS": "61"}),
    Row("E032", "LOGIN_ATTEMPTS", {"LOGIN_ATTEMPTS": "0"}),
    Row("E035", "MAX_SESSIONS", {"MAX_SESSIONS": "-1"}),
    Row("E036", "STAFF_MFA", {"STAFF_MFA": "'always'"}),
    Row("E037", "STEP_UP_OVER", {"STEP_UP_OVER": "-1"}),
    Row("E038", "TWO_PERSON_OVER", {"TWO_PERSON_OVER": "-1"}),
    Row("E033", "LEGACY_UNTIL", {"LEGACY_UNTIL": "'soon'"}),
    Row("E034", "CLAIMS", {"CLAIMS": "'shop.missing'"}),
    Row("E040", "WEBHOOK_URL", {"WEBHOOK_URL": "'ftp://x'"}),
    Row("E041", "WEBHOOK_SECRET", {"WEBHOOK_SECRET": "'whsec_x'"}),
    Row("E042", "WEBHOOK_FORMAT", {"WEBHOOK_FORMAT": "'xml'"}),
    Row("E043", "PORTAL_URL", {"PORTAL_URL": "'https://shop.example/path'"}),
    Row("E044", "NOTICES_PER_DAY", {"NOTICES_PER_DAY": "-1"}),
    Row("E045", "NOTICE_LANGUAGE", {"NOTICE_LANGUAGE": "'shop.missing'"}),
    Row("W046", "EMAIL_BACKEND", {
        "PORTAL_URL": "'https://shop.example'",
        "EMAIL_BACKEND": "'django.core.mail.backends.console.EmailBackend'"}),
    Row("E050", "TRUSTED_PROXIES", {"TRUSTED_PROXIES": "['proxy.example']"}),
    Row("W060", "MIDDLEWARE", without("MIDDLEWARE", MIDDLEWARE["W060"])),
    Row("I061", "SESSION_ENGINE", {"SESSION_ENGINE": "'django.contrib.sessions.backends.db'"}),
    Row("W070", "Django", {"django.VERSION": "(5, 1, 0, 'final', 0)"}),
    Row("W070", "simplejwt", {"rest_framework_simplejwt.__version__": "'5.3.1'"}),
    Row("E071", "DEFAULT_AUTHENTICATION_CLASSES", authentication(STOCK)),
    Row("W071", "DEFAULT_AUTHENTICATION_CLASSES", authentication()),
    Row("E072", "/stock", {"ROOT_URLCONF": "'host.stock'"}),
    Row("W073", "/sliding", {"ROOT_URLCONF": "'host.sliding'"}),
    Row("W073", "/authtoken", {"ROOT_URLCONF": "'host.authtoken'"}),
    Row("W073", "/pair", {"ROOT_URLCONF": "'host.pair'", "TAKE_OVER_FOR_USER": "False"}),
    Row("E072", "/inherited", {"ROOT_URLCONF": "'host.inherited'"}),
    Row("W074", "DATABASES", {
        "DATABASES": "{'default': settings.DATABASES['default'] | {'ATOMIC_REQUESTS': True}}"}),
    Row("W075", "URLs", {"ROOT_URLCONF": "'host.before'"}),
    Row("I079", "/refresh", {
        "ROOT_URLCONF": "'host.refresh'", **jwt(ROTATE_REFRESH_TOKENS=False)}),
    Row("E076", "MIDDLEWARE", without("MIDDLEWARE", MIDDLEWARE["E076"])),
    Row("E077", "INSTALLED_APPS", without("INSTALLED_APPS", "django_htmx")),
    Row("E080", "USE_TZ", {"USE_TZ": "False"}),
    Row("E081", "DATABASE_ROUTERS", {"DATABASE_ROUTERS": "['host.routers.Elsewhere']"}),
    Row("E082", "target of a move", {"tokens.checks.is_unfinished": "lambda connection: True"}),
    Row("E078", "TEMPLATES", {
        "TEMPLATES": "[settings.TEMPLATES[0] | {'OPTIONS': {'context_processors': []}}]"}),
]  # fmt: skip
ROUTERS = """
class Elsewhere:
    def db_for_write(self, model, **hints):
        return "people" if model._meta.app_label == "auth" else None
"""
# The URLs of the rows above, after those that the guide adds.
MORE_URLS = {
    "stock": """
class Stock(views.Me):
    from rest_framework_simplejwt.authentication import JWTAuthentication

    authentication_classes = [JWTAuthentication]


urlpatterns += [path("stock", Stock.as_view())]
""",
    "inherited": """
class Base(views.Me):
    from rest_framework_simplejwt.authentication import JWTAuthentication

    authentication_classes = [JWTAuthentication]


class Inherited(Base):
    pass


urlpatterns += [path("inherited", Inherited.as_view())]
""",
    "pair": """
from rest_framework_simplejwt.serializers import TokenObtainPairSerializer
from rest_framework_simplejwt.views import TokenObtainPairView

pair = TokenObtainPairView.as_view(serializer_class=TokenObtainPairSerializer)
urlpatterns += [path("pair", pair)]
""",
    "sliding": """
from rest_framework_simplejwt.views import TokenObtainSlidingView

urlpatterns += [path("sliding", TokenObtainSlidingView.as_view())]
""",
    "refresh": """
from rest_framework_simplejwt.views import TokenRefreshView

urlpatterns += [path("refresh", TokenRefreshView.as_view())]
""",
    "authtoken": """
from rest_framework.authtoken.views import ObtainAuthToken

urlpatterns += [path("authtoken", ObtainAuthToken.as_view())]
""",
}
RUNNER = """
import json
from contextlib import ExitStack
from datetime import timedelta
from unittest.mock import patch

from django.conf import settings
from django.core.checks import run_checks
from django.db import connections
from django.test import override_settings


def messages(changes):
    with ExitStack() as stack:
        for name, value in changes.items():
            value = eval(value)
            if "." in name:
                stack.enter_context(patch(name, value))
            else:
                stack.enter_context(override_settings(**{name: value}))
        connections._settings = None
        connections.__dict__.pop("settings", None)
        found = run_checks(tags=["tokens", "tokens_project"], databases=["default"])
    return [[message.id, message.msg, message.hint or ""] for message in found]


rows = json.loads(%r)
print("FOUND", json.dumps([messages(changes) for changes in rows]))
"""
# What a host sets for production, and what answers the app's own warnings.
PRODUCTION = f"""
SECRET_KEY = {get_random_secret_key()!r}
SIMPLE_JWT |= {{"SIGNING_KEY": {KEY!r}, "ROTATE_REFRESH_TOKENS": True}}
SIMPLE_JWT["BLACKLIST_AFTER_ROTATION"] = True
AUDIT_KEY = {KEY[::-1]!r}
SESSION_ENGINE = "tokens.web.session_store"
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = True
SECURE_HSTS_SECONDS = 31_536_000
"""


class Project(Host):
    """A project that has added the app by the guide, and answered every message."""

    def create(self) -> None:
        self.folder.mkdir()
        self.run("-m", "django", "startproject", "host", ".")
        self.environment.install_app(self.python)
        (self.folder / "shop").mkdir()
        (self.folder / "shop/__init__.py").touch()
        (self.folder / "shop/views.py").write_text(VIEWS)
        self._append("settings.py", SETTINGS.format(database=self._database()))
        for name in ("before", "urls"):
            (self.folder / f"host/{name}.py").write_text(URLS)
        for block in fences(self._section(START), "python"):
            title, _, body = block.partition("\n")
            self._append(title.removeprefix("# "), body)
        self._append("settings.py", PRODUCTION)
        self._append("routers.py", ROUTERS)
        urls = (self.folder / "host/urls.py").read_text()
        for name, more in MORE_URLS.items():
            (self.folder / f"host/{name}.py").write_text(urls + more)

    def _append(self, name: str, text: str) -> None:
        path = self.folder / "host" / name
        path.write_text((path.read_text() if path.exists() else "") + text)

    def login(self) -> dict[str, str]:
        """Return no tokens: the checks run without a login."""
        return {}


def declared() -> set[str]:
    """Return the id of each message in the code of the app."""
    found = set()
    for path in tracked_files():
        if path.parts[0] != "tokens" or path.suffix != ".py":
            continue
        for node in ast.walk(ast.parse((ROOT / path).read_text())):
            if isinstance(node, ast.keyword) and node.arg == "id":
                if ID.fullmatch(name := str(getattr(node.value, "value", ""))):
                    found.add(name)
            elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "_weakness":
                number = ast.literal_eval(node.args[1])
                found |= {f"tokens.E{number:03}", f"tokens.W{number:03}"}
    return found


def test_each_message_has_a_row():
    assert {f"tokens.{row.id}" for row in ROWS} == declared()


def test_project_by_the_guide_gets_each_message_and_no_other(host):
    assert "no issues" in host.manage("check", "--deploy")

    rows = [{}, *(row.changes for row in ROWS)]
    said = host.shell(RUNNER % json.dumps(rows))
    (line,) = re.findall(r"^FOUND (.*)", said, re.MULTILINE)
    clean, *answers = json.loads(line)
    assert clean == []
    for row, found in zip(ROWS, answers, strict=True):
        assert {name for name, _, _ in found} == {f"tokens.{row.id}"}, row
        for _, message, hint in found:
            assert row.names in message
            assert ADVICE.search(f"{message} {hint}"), (message, hint)
            assert "\n" not in message + hint
            assert message.endswith(".")
            assert not hint or hint.endswith(".")
