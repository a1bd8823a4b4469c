"""Somebody at a browser, and how they work it: with a mouse, by keyboard alone, without scripts,
on a phone, or over a network that is slow and loses what each click sends. A test says what is
done; each way does it as such a person would."""

import re
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.support.network import losing, slow_down

# More presses than the longest page of a test has things to stop at.
TABS = 250
TOLD = re.compile("cannot be reached|No answer came back")


@dataclass(frozen=True)
class Way:
    """How the browser is set up, whether hands are on the keyboard only, and whether the first
    request of each click is lost."""

    name: str
    width: int = 1280
    scripts: bool = True
    keys: bool = False
    touch: bool = False
    cut: bool = False

    @property
    def context(self) -> dict[str, Any]:
        return {
            "viewport": {"width": self.width, "height": 860},
            "java_script_enabled": self.scripts,
            "has_touch": self.touch,
        }


WAYS = (
    Way("mouse"),
    Way("keyboard", keys=True),
    Way("no scripts", scripts=False),
    Way("phone", width=360, touch=True),
    Way("bad network", cut=True),
)


class Person:
    def __init__(self, page: Page, way: Way) -> None:
        self.page = page
        self.way = way
        if way.cut:
            slow_down(page)

    def open(self, address: str) -> None:
        self.page.goto(address)
        self.fits()

    def press(self, what: Locator, *, from_the_end: bool = False) -> None:
        """A link or a button. By keyboard, what stands after a long list is reached backwards.
        Where the network is bad the first try is lost; then it is done again."""
        if self.way.cut and what.evaluate(ASKS) and self._in_vain(what):
            return
        if self.way.keys:
            self.reach(what, backwards=from_the_end)
            self.page.keyboard.press("Enter")
        elif self.way.touch:
            what.tap()
        else:
            what.click()

    def _in_vain(self, what: Locator) -> bool:
        """Press, and nothing comes of it but words that say so. Where they are the browser's own,
        on a page in place of the portal's, that is asked for again, and True says it is there."""
        with losing(self.page) as lost:
            what.click()
        if not lost[0].is_navigation_request():
            told = self.page.get_by_role("status")
            expect(told).to_contain_text(TOLD)
            told.get_by_role("button").click()
            return False
        self.page.wait_for_url(lambda url: url.startswith("chrome-error:"), wait_until="commit")
        if "/export" in lost[0].url:
            # A file would come without a page to go on from.
            self.page.go_back()
            return False
        self.page.reload()
        return True

    def write(self, what: Locator, text: str) -> None:
        if self.way.keys:
            self.reach(what)
            self.page.keyboard.press("Control+A")
            self.page.keyboard.type(text)
        else:
            what.fill(text)

    def send(self, what: Locator) -> None:
        """Enter, in the field that was written to."""
        what.press("Enter")

    def tick(self, what: Locator) -> None:
        """A box or a choice."""
        if self.way.keys:
            self.reach(what)
            self.page.keyboard.press("Space")
        else:
            what.check()

    def choose(self, what: Locator, label: str) -> None:
        """One of a list; by keyboard its first letters are typed."""
        if self.way.keys:
            self.reach(what)
            self.page.keyboard.type(label)
        else:
            what.select_option(label=label)

    def reach(self, what: Locator, *, backwards: bool = False) -> None:
        """Tab, from wherever the person is, until the focus is there. One of a group of radio
        buttons is one stop: the arrows go on from it."""
        what.wait_for()
        step = "Shift+Tab" if backwards else "Tab"
        for _ in range(TABS):
            at = what.evaluate(WHERE)
            if at == "here":
                return
            self.page.keyboard.press("ArrowDown" if at == "same group" else step)
        raise AssertionError(f"Tab never comes to {what}")

    def fits(self) -> None:
        """Nothing to scroll sideways; without scripts the browser cannot be asked."""
        if self.way.scripts:
            wide = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, f"{self.page.url} is {wide} px wider than {self.way.width}"


# What sends something when it is pressed, and not only changes what is seen.
ASKS = """it => it.matches("a[href], button:not([type=button])")
  && !it.closest("dialog [data-close], form[method=dialog]")"""
WHERE = """it => {
  const at = document.activeElement;
  if (it === at) return "here";
  const group = it.type === "radio" && at.type === "radio" && it.name === at.name;
  return group && it.form === at.form ? "same group" : "elsewhere";
}"""
