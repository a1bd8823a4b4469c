"""Write docs/settings.md: ``python -m tests.support.settings_page``. A test compares the page."""

import inspect
import re
from pathlib import Path

from tokens.conf import AppSettings, Setting

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/settings.md"
START = """# Settings

The app reads these names from the Django settings of your project. Each has a default, so a project
sets only what it changes. The portal reads most of them from its environment; see
[Operating](operating.md#settings).

This page is generated from `tokens/conf.py`: `python -m tests.support.settings_page`.
"""


def page() -> str:
    """Return the page, with a table for each group of `AppSettings`."""
    declared = {setting.name: setting for setting in AppSettings.declared()}
    parts = [START]
    for line in inspect.getsource(AppSettings).splitlines():
        if heading := re.fullmatch(r"    # (.+)", line):
            parts.append(f"\n## {heading[1]}\n\n| setting | default | meaning |\n|---|---|---|\n")
        elif name := re.match(r"    ([A-Z][A-Z_]+) = Setting", line):
            parts.append(_row(declared[name[1]]))
    return "".join(parts)


def _row(setting: Setting[object]) -> str:
    default = "" if setting.default in ("", (), None) else f"`{setting.default}`"
    unit = f" {setting.unit}" if setting.unit and default else ""
    doc = setting.doc.replace("|", "\\|")
    return f"| `{setting.name}` | {default}{unit} | {doc} |\n"


if __name__ == "__main__":
    PAGE.write_text(page())
