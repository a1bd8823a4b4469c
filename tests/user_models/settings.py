"""The settings of the tests, with the user model that ``TEST_USER_MODEL`` names."""

import os

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES, INSTALLED_APPS, SCRATCH, SIMPLE_JWT

INSTALLED_APPS = [*INSTALLED_APPS, "tests.user_models"]
AUTH_USER_MODEL = f"user_models.{os.environ['TEST_USER_MODEL']}"
# simplejwt has to know the key, too.
SIMPLE_JWT["USER_ID_FIELD"] = {"Person": "uid", "Device": "serial"}[os.environ["TEST_USER_MODEL"]]
if AUTH_USER_MODEL == "user_models.Device":
    # Django's admin needs permissions and staff.
    INSTALLED_APPS.remove("django.contrib.admin")
    ROOT_URLCONF = "tests.user_models.urls_without_admin"
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["TEST"]["NAME"] = str(SCRATCH / f"users-{os.getpid()}.sqlite3")
