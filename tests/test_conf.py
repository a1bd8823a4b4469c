"""The app's settings are declared once, and read when they are used."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings as django_settings

from tokens.conf import AppSettings, app_settings

ROOT = Path(__file__).resolve().parents[1]
DECLARED = AppSettings.declared()


@pytest.mark.parametrize("setting", DECLARED, ids=lambda setting: setting.name)
def test_setting_says_in_a_sentence_what_it_means(setting):
    assert re.fullmatch(r"[A-Z0-9].+\.", setting.doc)


@pytest.mark.parametrize("setting", DECLARED, ids=lambda setting: setting.name)
def test_setting_that_the_project_leaves_out_has_its_default(settings, setting):
    delattr(settings, setting.name)
    expected = setting.fallback() if setting.fallback else setting.default
    assert getattr(app_settings, setting.name) == expected


def test_setting_is_read_again_when_a_test_overrides_it(settings):
    settings.SESSION_DAYS = 3
    assert app_settings.SESSION_DAYS == 3


def test_signing_key_that_is_not_set_is_the_one_of_simplejwt(settings):
    del settings.JWT_SIGNING_KEY
    settings.SIMPLE_JWT = settings.SIMPLE_JWT | {"SIGNING_KEY": "the host project's key"}
    assert app_settings.JWT_SIGNING_KEY == "the host project's key"


def test_declarations_can_be_read_before_django_is_configured():
    code = "from tokens.conf import AppSettings; print(AppSettings.SESSION_DAYS.default)"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={}, capture_output=True, text=True, check=True
    )
    assert ran.stdout == "30\n"


def test_portal_takes_the_defaults_from_the_declarations():
    names = {setting.name for setting in DECLARED}
    assert names <= set(dir(django_settings))
    # The portal derives the first two from its cores, requires the key, has no legacy tokens, has a
    # name, and switches the last two on: they would change what a host project logs, and its admin.
    names -= {"LOGIN_HASHES", "LOGIN_WAITING", "JWT_SIGNING_KEY", "LEGACY_UNTIL", "SITE_TITLE"}
    names -= {"ACCESS_LOG", "ADMIN_USER_SECTION"}
    portal = (ROOT / "portal" / "settings.py").read_text()
    for name in names:
        assert f"AppSettings.{name}.default" in portal


def test_only_conf_reads_the_settings_of_the_app_from_django():
    names = "|".join(setting.name for setting in DECLARED)
    reading = re.compile(rf"(?<!app_)\bsettings\.({names})\b")
    for path in (ROOT / "tokens").rglob("*.py"):
        assert not reading.search(path.read_text()), path
