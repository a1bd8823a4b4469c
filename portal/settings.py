"""Everything comes from the environment or from ``.env`` beside manage.py; docs/operating.md
lists each setting. Nothing here decides behaviour beyond reading it."""

from datetime import timedelta
from pathlib import Path

import environ
from csp.constants import NONCE, NONE, SELF

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
environ.Env.read_env(env.str("ENV_FILE", str(BASE_DIR / ".env")))

# --- Secrets and hosts. Empty secrets start nothing: `manage.py check` names them (tokens.E001…).
DEBUG = env.bool("DEBUG", False)
SECRET_KEY = env.str("SECRET_KEY", "")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
CORS_ALLOWED_ORIGINS = env.list("CORS_ALLOWED_ORIGINS", default=[])
CORS_URLS_REGEX = r"^/(api/|\.well-known/)"
# Addresses or networks whose X-Forwarded-For and X-Forwarded-Proto are believed.
TRUSTED_PROXIES = env.list("TRUSTED_PROXIES", default=[])

# --- Tokens.
JWT_SIGNING_KEY = env.str("JWT_SIGNING_KEY", "", multiline=True)
# Keys that signed once and still verify, newest first; `rotate_signing_key` moves them here.
JWT_RETIRED_KEYS = env.list("JWT_RETIRED_KEYS", default=[])
# Seals the audit trail; derived from JWT_SIGNING_KEY where there is none of its own. Kept apart,
# and out of the database's reach.
AUDIT_KEY = env.str("AUDIT_KEY", "")
AUDIT_RETIRED_KEYS = env.list("AUDIT_RETIRED_KEYS", default=[])
# Where `deliver_events` sends the trail: every event ("events"), or revocations as security
# event tokens ("caep").
WEBHOOK_URL = env.str("WEBHOOK_URL", "")
WEBHOOK_SECRET = env.str("WEBHOOK_SECRET", "")
WEBHOOK_FORMAT = env.str("WEBHOOK_FORMAT", "events")
WEBHOOK_ISSUER = env.str("WEBHOOK_ISSUER", env.str("JWT_ISSUER", "") or "token-portal")
REFRESH_GRACE_SECONDS = env.int("REFRESH_GRACE_SECONDS", 10)
SESSION_DAYS = env.int("SESSION_DAYS", 30)
LOGIN_ATTEMPTS = env.int("LOGIN_ATTEMPTS", 10)
LOGIN_WINDOW_SECONDS = env.int("LOGIN_WINDOW_SECONDS", 300)

SIMPLE_JWT = {
    "ALGORITHM": env.str("JWT_ALGORITHM", "HS256"),
    "SIGNING_KEY": JWT_SIGNING_KEY,
    "ISSUER": env.str("JWT_ISSUER", "") or None,
    "AUDIENCE": env.str("JWT_AUDIENCE", "") or None,
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=env.int("ACCESS_TOKEN_MINUTES", 5)),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=env.int("REFRESH_TOKEN_DAYS", 7)),
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
]

MIDDLEWARE = [
    "tokens.middleware.RequestContextMiddleware",
    "tokens.metrics.MetricsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "tokens.middleware.FaultMiddleware",
    # Only pages need what stands between these two; API calls go past it.
    "portal.shortcut.PagesStart",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "tokens.middleware.ViewerLocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "tokens.middleware.ViewerMiddleware",
    "portal.shortcut.PagesEnd",
]
if CORS_ALLOWED_ORIGINS:
    # Where no other origin is allowed there is nothing that it could add to an answer.
    MIDDLEWARE.insert(
        MIDDLEWARE.index("portal.shortcut.PagesStart"), "corsheaders.middleware.CorsMiddleware"
    )

ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
APPEND_SLASH = False
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
    "default": env.db_url("DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'db.sqlite3'}"),
}
_database = DATABASES["default"]
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
    _database["OPTIONS"] |= {
        # Statements that tokens.selectors.statement binds on the server are prepared when they
        # come up again. Off behind a pooler that hands each transaction another connection.
        "prepare_threshold": 2 if env.bool("DATABASE_PREPARE", True) else None,
        "connect_timeout": 5,
        "options": "-c statement_timeout=30s -c lock_timeout=10s "
        "-c idle_in_transaction_session_timeout=60s",
    }
    if pool_size := env.int("DATABASE_POOL_SIZE", 4):
        # The pool gives up on a database that is away after a second: the next request then asks
        # anew, and does not wait for a back-off that has grown in the meantime.
        _database["OPTIONS"]["pool"] = {
            "min_size": 1,
            "max_size": pool_size,
            "timeout": 5,
            "reconnect_timeout": 1,
        }
        _database["POOL_SERVES_ALL"] = pool_size >= env.int("WEB_THREADS", 4)
    else:
        # One connection for each thread, kept, and looked at before it is used.
        _database["CONN_MAX_AGE"] = None
        _database["CONN_HEALTH_CHECKS"] = True

CACHES = {"default": env.cache_url("CACHE_URL", default="locmemcache://")}

# --- People.
AUTHENTICATION_BACKENDS = ["tokens.backends.ThrottledModelBackend"]
PASSWORD_HASHERS = [
    "tokens.hashers.OwaspArgon2PasswordHasher",
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
LOGIN_URL = "staff:login"
LOGIN_REDIRECT_URL = "staff:overview"
LOGOUT_REDIRECT_URL = "staff:login"

# --- API.
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["tokens.api.authentication.SessionJWTAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["tokens.api.parsers.BoundedJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "tokens.api.errors.handler",
    # There is one format; looking for another in the query string costs each call its parsing.
    "URL_FORMAT_OVERRIDE": None,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024

# --- Pages.
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "static/"
STATIC_ROOT = env.str("STATIC_ROOT", str(BASE_DIR / "staticfiles"))
STATICFILES_DIRS = [BASE_DIR / "static"]
# Tests and a fresh checkout have no manifest; `make run` and a deployment collect one.
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
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
HTTPS = env.bool("HTTPS", not DEBUG)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
# Believed from TRUSTED_PROXIES alone: the middleware drops the header of anybody else.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$"]
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SILENCED_SYSTEM_CHECKS: list[str] = []

SPECTACULAR_SETTINGS = {
    "TITLE": "Token Portal",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "SORT_OPERATIONS": False,
}

ACCESS_LOG = env.bool("ACCESS_LOG", True)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"},
        "bare": {"format": "{message}", "style": "{"},
    },
    "filters": {"tokens": {"()": "tokens.logs.RedactTokens"}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["tokens"]},
        # The audit trail as JSON lines. manage.py says stderr: a command's own output is there.
        "events": {
            "class": "logging.StreamHandler",
            "formatter": "bare",
            "stream": f"ext://sys.{env.str('EVENT_LOG', 'stdout')}",
        },
    },
    "loggers": {
        "tokens.events": {"handlers": ["events"], "level": "INFO", "propagate": False},
    },
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", "INFO")},
}
