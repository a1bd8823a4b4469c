"""Every setting is documented, and every documented setting exists."""

import re

import pytest
from django.conf import settings
from rest_framework_simplejwt.settings import DEFAULTS

from tests.docs.markdown import documents, first_column, spans, text_of
from tests.support.settings_page import page
from tests.support.words import ROOT
from tokens.conf import AppSettings

# A span that is a setting, with or without a value.
SETTING = re.compile(r"([A-Z][A-Z_]{3,})(?:=.*)?")
# Variables of the tests, the README, gunicorn, libpq and the image; statements of SQL; a log level;
# an option of a database. simplejwt's settings are known too.
OTHERS = {
    "PG_TEST_URL", "REDIS_TEST_URL", "TEST_EFFORT", "FRONT", "PASSWORD", "COMMIT", "INSERT",
    "UPDATE", "DELETE", "HEAD", "TRUNCATE", "INFO", "SCRIPT_NAME", "PGOPTIONS", "BASE",
    "BUILD_PACKAGES", "ATOMIC_REQUESTS", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_",
    *DEFAULTS,
}  # fmt: skip


def read_from_environment():
    """Return the names that the portal reads from its environment."""
    names = set()
    for name in ("settings", "gunicorn", "startup", "dotenv"):
        source = (ROOT / "portal" / f"{name}.py").read_text()
        names |= set(re.findall(r"(?:env\.\w+|os\.environ\.get)\(\s*[\"'](\w+)", source))
    quickstart = ROOT / "portal" / "management" / "commands" / "quickstart.py"
    return names | set(re.findall(r'os\.environ\.get\("(\w+)"', quickstart.read_text()))


def documented():
    """Return the names in the settings tables of the operating and deploying guides."""
    cells = [cell for name in ("operating", "deploying") for cell in first_column(guide(name))]
    return {name for cell in cells for name in spans(cell) if SETTING.fullmatch(name)}


def guide(name):
    return text_of(f"docs/{name}.md")


def test_every_setting_that_the_portal_reads_is_documented():
    text = guide("operating") + guide("deploying")
    assert {name for name in read_from_environment() if f"`{name}`" not in text} == set()


@pytest.mark.parametrize("setting", AppSettings.declared(), ids=lambda setting: setting.name)
def test_every_setting_of_the_app_is_documented(setting):
    assert setting.name in documented()


def test_every_setting_in_the_tables_is_read():
    declared = {setting.name for setting in AppSettings.declared()}
    assert documented() <= read_from_environment() | declared


@pytest.mark.parametrize("path", documents(), ids=str)
def test_every_setting_named_in_a_document_exists(path):
    named = {found[1] for span in spans(text_of(path)) if (found := SETTING.fullmatch(span))}
    known = read_from_environment() | OTHERS | {setting.name for setting in AppSettings.declared()}
    unknown = {name for name in named - known if not hasattr(settings, name)}
    assert unknown == set()


def test_documented_numbers_are_the_defaults_of_the_portal():
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \|", guide("operating"), re.MULTILINE)
    declared = {setting.name for setting in AppSettings.declared()}
    assert {name: int(value) for name, value in rows if name in declared} == {
        name: getattr(settings, name) for name, _ in rows if name in declared
    }


def test_page_of_settings_is_the_declaration():
    assert text_of("docs/settings.md") == page(), "run python -m tests.support.settings_page"
