"""The README's pictures, from the real portal in a real Chromium:
``python -m tests.support.screenshots FOLDER``."""

import os
import sys
import tempfile
from pathlib import Path

PAGES = {"tokens": "/staff/tokens/"}
WIDTH, HEIGHT = 1280, 800
PASSWORD = "a picture needs 1 login"


def main(target: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="token-portal-pictures-") as scratch:
        os.environ["DATABASE_URL"] = f"sqlite:///{scratch}/db.sqlite3"
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
        import django

        django.setup()
        from django.core.management import call_command

        from tests.support.server import serving

        call_command("migrate", verbosity=0)
        call_command("seed_demo", password=PASSWORD)
        with serving(Path(scratch)) as server:
            for scheme in ("light", "dark"):
                shoot(server.url, scheme, target)


def shoot(base_url: str, scheme: str, target: Path) -> None:
    from tests.support.browser import launched
    from tests.support.services import chromium

    executable = chromium()
    if executable is None:
        sys.exit("There is no Chromium on the PATH.")
    with launched(executable) as browser:
        page = browser.new_page(
            base_url=base_url,
            viewport={"width": WIDTH, "height": HEIGHT},
            color_scheme="dark" if scheme == "dark" else "light",
            reduced_motion="reduce",
        )
        page.goto("/staff/tokens/")
        page.fill("[name=username]", "mira.okafor")
        page.fill("[name=password]", PASSWORD)
        page.press("[name=password]", "Enter")
        for name, path in PAGES.items():
            page.goto(path)
            page.wait_for_load_state("networkidle")
            page.screenshot(path=target / f"{name}-{scheme}.png")
            print(target / f"{name}-{scheme}.png")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    main(folder)
