"""Take screenshots of every page of a served portal: light and dark, wide and narrow.

``python -m tests.support.browser.screenshots README_FOLDER [FOLDER_FOR_ALL]``
writes the few pictures of the README, and with a second folder also one of every page.
"""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.support.browser.screens import Screen, screens

PASSWORD = "a picture needs 1 login"
STAFF = "mira.okafor"
SCHEMES = ("light", "dark")
SIZES = {"wide": (1280, 760), "narrow": (360, 740)}


def main(readme: Path, everything: Path | None) -> None:
    with tempfile.TemporaryDirectory(prefix="token-portal-pictures-") as scratch:
        os.environ["DATABASE_URL"] = f"sqlite:///{scratch}/db.sqlite3"
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
        import django

        django.setup()
        from django.core.management import call_command

        from tests.support.server.portal import serving

        call_command("migrate", verbosity=0)
        call_command("seed_demo", password=PASSWORD)
        found = screens(staff=STAFF)
        with serving(Path(scratch)) as server:
            shoot(server.url, found, readme, everything)


def shoot(url: str, found: list[Screen], readme: Path, everything: Path | None) -> None:
    from tests.support.browser.chromium import launched
    from tests.support.services import chromium

    executable = chromium()
    if executable is None:
        sys.exit("There is no Chromium on the PATH.")
    with launched(executable) as browser:
        for scheme in SCHEMES:
            for size, (width, height) in SIZES.items():
                page = browser.new_page(
                    base_url=url,
                    viewport={"width": width, "height": height},
                    color_scheme=scheme,  # type: ignore[arg-type]
                    reduced_motion="reduce",
                )
                for screen in found:
                    if scheme in screen.readme and size == "wide":
                        take(page, screen, readme / f"{screen.name}-{scheme}.png", whole=False)
                    elif everything is not None:
                        name = f"{screen.name}-{size}-{scheme}.png"
                        take(page, screen, everything / name, whole=True)
                page.close()


def take(page: Any, screen: Screen, target: Path, *, whole: bool) -> None:
    page.goto(screen.path)
    if not screen.public and "/login/" in page.url:
        page.fill("[name=username]", STAFF)
        page.fill("[name=password]", PASSWORD)
        page.press("[name=password]", "Enter")
        page.wait_for_url(lambda url: "/login/" not in url)
    if screen.click:
        page.get_by_text(screen.click).first.click()
    if screen.paste:
        page.fill("#id_token", screen.paste)
        page.get_by_role("button", name="Validate").click()
    page.wait_for_load_state("networkidle")
    page.screenshot(path=target, full_page=whole)
    print(target)


if __name__ == "__main__":
    folders = [Path(folder) for folder in sys.argv[1:3]]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    main(folders[0], folders[1] if len(folders) > 1 else None)
