"""Change the portal's settings for tests: own secrets, database and collected static files.

``DATABASE_URL`` chooses PostgreSQL.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

# One scratch folder for the whole run: xdist's workers inherit it from the first process. It is in
# memory if there is enough, because the served portal waits for the disk at each commit.
MEMORY = Path("/dev/shm")
if "PORTAL_TEST_DIR" not in os.environ:
    enough = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 2**30
    os.environ["PORTAL_TEST_DIR"] = tempfile.mkdtemp(
        prefix="token-portal-test-", dir=MEMORY if enough else None
    )
    atexit.register(shutil.rmtree, os.environ["PORTAL_TEST_DIR"], ignore_errors=True)
SCRATCH = Path(os.environ["PORTAL_TEST_DIR"])
(SCRATCH / "static").mkdir(exist_ok=True)

# A developer's own .env, and what their shell exports, must not change what is tested.
os.environ |= {
    "ENV_FILE": os.devnull,
    "SECRET_KEY": "django-key-of-the-tests-opening-nothing-anywhere-0123456789",
    "JWT_SIGNING_KEY": "signing-key-of-the-tests-opening-nothing-anywhere-012345678",
    "AUDIT_KEY": "audit-key-of-the-tests-opening-nothing-anywhere-0123456789",
    "DEBUG": "off",
    "HTTPS": "off",
    "STATIC_ROOT": str(SCRATCH / "static"),
    "LOG_LEVEL": "WARNING",
}
os.environ.setdefault("DATABASE_URL", f"sqlite:///{SCRATCH / 'unused.sqlite3'}")
for name in (
    "ALLOWED_HOSTS", "AUDIT_RETIRED_KEYS", "CACHE_URL", "CORS_ALLOWED_ORIGINS",
    "CSRF_TRUSTED_ORIGINS",
    "DEFAULT_FROM_EMAIL", "EMAIL_URL", "NOTICES_PER_DAY", "NOTICE_LANGUAGE", "PORTAL_URL",
    "ACCESS_TOKEN_MINUTES", "BROWSER_HOURS", "BROWSER_IDLE_MINUTES",
    "JWT_ALGORITHM", "JWT_AUDIENCE", "JWT_ISSUER", "JWT_RETIRED_KEYS",
    "LOGIN_ATTEMPTS", "LOGIN_WINDOW_SECONDS", "MAX_SESSIONS", "REFRESH_GRACE_SECONDS",
    "REFRESH_TOKEN_DAYS", "SESSION_DAYS", "SIGNING_KEYS", "SIGNING_KEYS_RETIRED_SECRETS",
    "SIGNING_KEYS_SECRET", "TARGET_DATABASE_URL", "TRUSTED_PROXIES",
):  # fmt: skip
    os.environ.pop(name, None)

from portal.settings import *  # noqa: E402, F403
from portal.settings import DATABASES, PASSWORD_HASHERS, STORAGES  # noqa: E402

# A file, not memory: threads and the served portal must see the same database, with the locks
# of the real thing. The process id keeps runs on one server apart.
DATABASES["default"]["TEST"] = {"NAME": f"test_portal_{os.getpid()}"}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["TEST"]["NAME"] = str(SCRATCH / f"test-{os.getpid()}.sqlite3")
    DATABASES["default"]["OPTIONS"]["init_command"] += "PRAGMA synchronous=OFF;"

# The same algorithm at a cost that lets every test log in.
PASSWORD_HASHERS = ["tests.support.hashers.CheapArgon2PasswordHasher", *PASSWORD_HASHERS]
# Templates are rendered without collecting files first; the served portal has the manifest, in a
# folder of its own: another process may just be filling it.
STATIC_ROOT = SCRATCH / "none"
STATIC_ROOT.mkdir(exist_ok=True)
STORAGES["staticfiles"] = {
    "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage",
}
