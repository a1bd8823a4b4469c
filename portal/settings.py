"""Read the settings from the environment, or from ``.env`` beside manage.py.

docs/operating.md lists them.
"""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from corsheaders.defaults import default_headers
from csp.constants import NONCE, NONE, SELF

from portal.environment import Environment
from tokens.conf import AppSettings

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment()
env.read_file(Path(env.text("ENV_FILE") or BASE_DIR / ".env"))

# --- Secrets and hosts. `manage.py check` reports empty secrets (tokens.E001…).
DEBUG = env.boolean("DEBUG", False)
SECRET_KEY = env.text("SECRET_KEY", required=True)
ALLOWED_HOSTS = env.hosts("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
# The path under which the portal is served. gunicorn reads the same variable.
SCRIPT_NAME = env.path("SCRIPT_NAME")
FORCE_SCRIPT_NAME = SCRIPT_NAME or None
CSRF_TRUSTED_ORIGINS = env.origins("CSRF_TRUSTED_ORIGINS", wildcards=True)
CORS_ALLOWED_ORIGINS = env.origins("CORS_ALLOWED_ORIGINS")
# The label that a client gives itself.
CORS_ALLOW_HEADERS = (*default_headers, "x-client", "x-token-transport")
# Pages of the trusted origins may use the cookie of the refresh token.
CORS_ALLOW_CREDENTIALS = bool(CSRF_TRUSTED_ORIGINS)
CORS_EXPOSE_HEADERS = ("retry-after", "x-request-id")
CORS_URLS_REGEX = r"^/(api/|\.well-known/)"
TRUSTED_PROXIES = env.items("TRUSTED_PROXIES", default=AppSettings.TRUSTED_PROXIES.default)

# --- Tokens. tokens/conf.py declares what each of the app's settings means, and its default.
JWT_SIGNING_KEY = env.text("JWT_SIGNING_KEY", required=True, multiline=True)
JWT_AUDIENCE = env.text("JWT_AUDIENCE", AppSettings.JWT_AUDIENCE.default)
JWT_RETIRED_KEYS = env.items("JWT_RETIRED_KEYS", default=AppSettings.JWT_RETIRED_KEYS.default)
SIGNING_KEYS = env.text(
    "SIGNING_KEYS", AppSettings.SIGNING_KEYS.default, choices=("environment", "database")
)
SIGNING_KEYS_SECRET = env.text("SIGNING_KEYS_SECRET", AppSettings.SIGNING_KEYS_SECRET.default)
SIGNING_KEYS_RETIRED_SECRETS = env.items(
    "SIGNING_KEYS_RETIRED_SECRETS", default=AppSettings.SIGNING_KEYS_RETIRED_SECRETS.default
)
AUDIT_KEY = env.text("AUDIT_KEY", AppSettings.AUDIT_KEY.default)
AUDIT_KEY_REQUIRED = AppSettings.AUDIT_KEY_REQUIRED.default or not DEBUG
AUDIT_RETIRED_KEYS = env.items("AUDIT_RETIRED_KEYS", default=AppSettings.AUDIT_RETIRED_KEYS.default)
WEBHOOK_URL = env.text("WEBHOOK_URL", AppSettings.WEBHOOK_URL.default)
WEBHOOK_SECRET = env.text("WEBHOOK_SECRET", AppSettings.WEBHOOK_SECRET.default)
WEBHOOK_FORMAT = env.text("WEBHOOK_FORMAT", AppSettings.WEBHOOK_FORMAT.default)
WEBHOOK_ISSUER = env.text("WEBHOOK_ISSUER", AppSettings.WEBHOOK_ISSUER.default)
MAX_DAYS = 36_500
# NIST SP 800-63B-4 recommends a login after an idle hour and after a day (AAL2). A working day with
# its breaks fits into both.
BROWSER_HOURS = env.integer("BROWSER_HOURS", AppSettings.BROWSER_HOURS.default or 12, 1, 876_000)
BROWSER_IDLE_MINUTES = env.integer(
    "BROWSER_IDLE_MINUTES", AppSettings.BROWSER_IDLE_MINUTES.default or 60
)
MAX_SESSIONS = env.integer("MAX_SESSIONS", AppSettings.MAX_SESSIONS.default, 0)
STAFF_MFA = env.text(
    "STAFF_MFA", AppSettings.STAFF_MFA.default, choices=("off", "optional", "required")
)
STEP_UP_OVER = env.integer("STEP_UP_OVER", AppSettings.STEP_UP_OVER.default, 0)
STEP_UP_MINUTES = env.integer("STEP_UP_MINUTES", AppSettings.STEP_UP_MINUTES.default, 0)
TWO_PERSON_OVER = env.integer("TWO_PERSON_OVER", AppSettings.TWO_PERSON_OVER.default, 0)
REFRESH_GRACE_SECONDS = env.integer(
    "REFRESH_GRACE_SECONDS", AppSettings.REFRESH_GRACE_SECONDS.default
)
# The portal has had sessions from its first day, so it has no legacy tokens.
LEGACY_UNTIL = env.text("LEGACY_UNTIL", "1970-01-01")
CLAIMS = env.text("CLAIMS", AppSettings.CLAIMS.default)
SITE_TITLE = "Token Portal"
TAKE_OVER_FOR_USER = AppSettings.TAKE_OVER_FOR_USER.default
STRICT_CHECKS = AppSettings.STRICT_CHECKS.default or True
SESSION_DAYS = env.integer("SESSION_DAYS", AppSettings.SESSION_DAYS.default, 1, MAX_DAYS)
LOGIN_ATTEMPTS = env.integer("LOGIN_ATTEMPTS", AppSettings.LOGIN_ATTEMPTS.default)
LOGIN_WINDOW_SECONDS = env.integer("LOGIN_WINDOW_SECONDS", AppSettings.LOGIN_WINDOW_SECONDS.default)
# The cores are shared by all workers, and a thread of each worker is left to other calls.
_threads = env.integer("WEB_THREADS", 4, 1)
_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
_share = min(_cores // env.integer("WEB_CONCURRENCY", 2, 1), _threads - 1)
LOGIN_HASHES = env.integer("LOGIN_HASHES", max(1, _share), 1)
LOGIN_WAITING = env.integer("LOGIN_WAITING", max(0, _threads - 1 - LOGIN_HASHES))
# Strangers take all of these but one, which lets known addresses wait and refuses the others.
LOGIN_THREADS = LOGIN_HASHES + max(1, LOGIN_WAITING)

SIMPLE_JWT: dict[str, Any] = {
    "ALGORITHM": env.text("JWT_ALGORITHM", "HS256"),
    "SIGNING_KEY": JWT_SIGNING_KEY,
    "ISSUER": env.text("JWT_ISSUER", "") or None,
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=env.integer("ACCESS_TOKEN_MINUTES", 5, 1)),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=env.integer("REFRESH_TOKEN_DAYS", 7, 1, MAX_DAYS)),
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
    "UPDATE_LAST_LOGIN": False,
}

# --- Application.
INSTALLED_APPS = [
    "tokens.apps.TokensConfig",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "rest_framework_simplejwt.token_blacklist",
    "django_htmx",
    "corsheaders",
    "csp",
    "drf_spectacular",
    "portal",
]

MIDDLEWARE = [
    "tokens.web.middleware.RequestContextMiddleware",
    "tokens.web.middleware.MetricsMiddleware",
    "tokens.web.middleware.UntrustedRequestMiddleware",
    "tokens.web.middleware.RedactTokensMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "tokens.web.middleware.FaultMiddleware",
    # API calls skip everything below this line.
    "tokens.web.middleware.ApiSkipsPageMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "tokens.web.middleware.ViewerLocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "tokens.web.middleware.ViewerMiddleware",
    "tokens.web.middleware.VisibleTextMiddleware",
]
if CORS_ALLOWED_ORIGINS:
    # Without other origins there is nothing that it could add to a response. Before the middleware
    # that refuses requests: a page of another origin can read no response without its headers.
    MIDDLEWARE.insert(
        MIDDLEWARE.index("tokens.web.middleware.UntrustedRequestMiddleware"),
        "corsheaders.middleware.CorsMiddleware",
    )

ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
DEFAULT_EXCEPTION_REPORTER = "portal.debug.HidingReporter"
DEFAULT_EXCEPTION_REPORTER_FILTER = "portal.debug.HidingFilter"
CSRF_FAILURE_VIEW = "tokens.web.errors.csrf_failure"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Database: SQLite unless DATABASE_URL says otherwise.
DATABASES = {
    "default": env.database("DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'db.sqlite3'}"),
}
if env.text("TARGET_DATABASE_URL"):
    # `move_database` moves everything there.
    DATABASES["target"] = env.database("TARGET_DATABASE_URL", default="sqlite://:memory:")
for _alias, _database in DATABASES.items():
    _database.setdefault("OPTIONS", {})
    if _database["ENGINE"] == "django.db.backends.sqlite3":
        _database["OPTIONS"] |= {
            # IMMEDIATE takes the write lock at BEGIN: a transaction that reads first and writes
            # later can then never fail half-way with SQLITE_BUSY.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        }
    else:
        _database["ENGINE"] = "portal.postgres"
        # A transaction pooler hands each transaction another connection, so nothing may be kept on
        # it, and takes no start-up options. The role then has the timeouts: see docs/deploying.md.
        _pooler = env.boolean("DATABASE_POOLER", False)
        _database["DISABLE_SERVER_SIDE_CURSORS"] = _pooler
        _prepares = env.boolean("DATABASE_PREPARE", not _pooler)
        # What DATABASE_URL says comes first.
        _database["OPTIONS"] = {
            # Statements that tokens.db.statements binds on the server are prepared when they
            # come up again.
            "prepare_threshold": 2 if _prepares else None,
            # For each of several hosts.
            "connect_timeout": 3,
            # A host that is cut off is given up after 10 seconds. The kernel would take 15 minutes.
            "tcp_user_timeout": 10_000,
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            **_database["OPTIONS"],
        }
        _timeout = env.integer("DATABASE_TIMEOUT", 30, 1, 3600)
        # The server's own error says more, so the portal gives up a little later.
        _database["WAIT_SECONDS"] = _timeout + 2
        if not _pooler:
            _database["OPTIONS"].setdefault(
                "options",
                f"-c statement_timeout={_timeout}s -c lock_timeout=10s "
                "-c idle_in_transaction_session_timeout=60s",
            )
        _pool_size = env.integer("DATABASE_POOL_SIZE", _threads + LOGIN_THREADS)
        if _pool_size and _alias == "default":
            # The pool stops reconnecting after a second. The next request then tries again, and
            # does not wait for a back-off that has grown in the meantime.
            _database["OPTIONS"]["pool"] = {
                "min_size": 1,
                "max_size": _pool_size,
                "timeout": 5,
                "reconnect_timeout": 1,
            }
            _database["POOL_SERVES_ALL"] = _pool_size >= _threads + LOGIN_THREADS
        else:
            # One connection for each thread, kept, and looked at before it is used.
            _database["CONN_MAX_AGE"] = None
            _database["CONN_HEALTH_CHECKS"] = True

CACHES = {"default": env.cache("CACHE_URL", default="locmemcache://")}

# --- Mail: on the console unless EMAIL_URL says otherwise.
_email = env.email("EMAIL_URL", default="consolemail://")
EMAIL_BACKEND = _email["EMAIL_BACKEND"]
# The path of an address has lost its slash.
EMAIL_FILE_PATH = f"/{_email['EMAIL_FILE_PATH']}"
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _email["EMAIL_HOST_USER"], _email["EMAIL_HOST_PASSWORD"]
EMAIL_USE_TLS, EMAIL_USE_SSL = (
    _email.get("EMAIL_USE_TLS", False),
    _email.get("EMAIL_USE_SSL", False),
)
EMAIL_HOST = _email["EMAIL_HOST"] or "localhost"
EMAIL_PORT = _email["EMAIL_PORT"] or (587 if EMAIL_USE_TLS else 465 if EMAIL_USE_SSL else 25)
# Seconds for each step.
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.sender("DEFAULT_FROM_EMAIL", "portal@localhost")
PORTAL_URL = env.text("PORTAL_URL", AppSettings.PORTAL_URL.default)
NOTICES_PER_DAY = env.integer("NOTICES_PER_DAY", AppSettings.NOTICES_PER_DAY.default)
NOTICE_LANGUAGE = env.text("NOTICE_LANGUAGE", AppSettings.NOTICE_LANGUAGE.default)

# --- People.
AUTHENTICATION_BACKENDS = ["tokens.accounts.backend.ThrottledModelBackend"]
PASSWORD_HASHERS = [
    "tokens.accounts.hashers.OwaspArgon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2SHA1PasswordHasher",
    "django.contrib.auth.hashers.BCryptSHA256PasswordHasher",
    "django.contrib.auth.hashers.ScryptPasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "tokens_staff:login"
LOGIN_REDIRECT_URL = "tokens_staff:overview"
LOGOUT_REDIRECT_URL = "tokens_staff:login"

# --- API.
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["tokens.simplejwt.JWTAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    # There is one format, so no call needs to look for another in its query string.
    "URL_FORMAT_OVERRIDE": None,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
# A body with a text of 1 MiB for the inspector. `UntrustedRequestMiddleware` refuses any other body
# of more than 64 KiB.
DATA_UPLOAD_MAX_MEMORY_SIZE = 3 * 1024 * 1024

# --- Pages.
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [BASE_DIR / "tokens" / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = f"{SCRIPT_NAME}/static/"
STATIC_ROOT: str | Path = env.folder("STATIC_ROOT", str(BASE_DIR / "staticfiles"))
STATICFILES_DIRS = [BASE_DIR / "static"]
# Tests and a fresh checkout have no manifest; `make run` and a deployment collect one.
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "portal.staticfiles.ModuleManifestStorage"},
}
WHITENOISE_USE_FINDERS = DEBUG

# --- Browsers.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    },
}
HTTPS = env.boolean("HTTPS", not DEBUG)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
if HTTPS:
    # Browsers take such a cookie from this host alone, and over HTTPS.
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
# The middleware drops this header unless a trusted proxy sent it.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_REDIRECT_EXEMPT = [rf"^{f'{SCRIPT_NAME}/'.lstrip('/')}(healthz|readyz|metrics)$"]
SESSION_ENGINE = "tokens.web.session_store"
SESSION_COOKIE_AGE = BROWSER_HOURS * 3600
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SILENCED_SYSTEM_CHECKS: list[str] = []

# `manage.py spectacular` prints what /api/schema answers.
SPECTACULAR_SETTINGS = {
    "DEFAULT_GENERATOR_CLASS": "tokens.api.openapi.DocumentGenerator",
    "OAS_VERSION": "3.1.1",
}

STREAMS = ("stdout", "stderr")
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
ACCESS_LOG = env.boolean("ACCESS_LOG", True)
LOG_FORMAT = env.text("LOG_FORMAT", AppSettings.LOG_FORMAT.default, choices=("text", "json"))
ADMIN_USER_SECTION = True
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"format": "{asctime} {levelname} {name} {request_id} {message}", "style": "{"},
        "json": {"()": "tokens.web.logging.JsonLines"},
        "bare": {"format": "{message}", "style": "{"},
    },
    "filters": {
        "denials": {"()": "tokens.web.logging.ShortDenials"},
        "tokens": {"()": "tokens.web.logging.RedactTokens"},
        "request": {"()": "tokens.web.logging.NameRequest"},
        "outage": {"()": "portal.postgres.outage.OneLineAnOutage"},
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": LOG_FORMAT,
            "filters": ["denials", "tokens", "request"],
        },
        # The audit trail as JSON lines. manage.py says stderr: a command's own output is there.
        "events": {
            "class": "logging.StreamHandler",
            "formatter": "bare",
            "stream": f"ext://sys.{env.text('EVENT_LOG', 'stdout', choices=STREAMS)}",
        },
    },
    "loggers": {
        "tokens.events": {"handlers": ["events"], "level": "INFO", "propagate": False},
        "psycopg.pool": {"filters": ["outage"]},
    },
    "root": {"handlers": ["stderr"], "level": env.text("LOG_LEVEL", "INFO", choices=LEVELS)},
}

env.finish()
