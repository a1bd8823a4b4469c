"""Drive a browser as a person would.

A person uses a mouse, the keyboard alone, no scripts, a phone or a slow network. A test says what
to do, and each kind of person does it in their way. Tests of networks that lose requests or
responses are in `test_bad_network.py` (revocations), `test_cut_asking.py` (lists, reviews and
links), `test_cut_acts.py` (forms) and `test_cut_after.py` (what follows them).
"""

from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Locator, Page

from tests.support.browser.network import slow_down

# More presses than the longest page of a test has things to stop at.
TABS = 250


@dataclass(frozen=True)
class Way:
    """Describe the browser and its network, and whether the person uses only the keyboard."""

    name: str
    width: int = 1280
    scripts: bool = True
    keys: bool = False
    touch: bool = False
    slow: bool = False

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
    Way("slow network", slow=True),
)
# Mouse or keyboard, wide or narrow, with or without scripts: each pair of these is in one of four.
PAIRS = (
    WAYS[0],
    Way("keyboard without scripts", keys=True, scripts=False),
    Way("keyboard on a narrow page", keys=True, width=360),
    Way("phone without scripts", width=360, scripts=False, touch=True),
)
OTHER_PAIRS = (
    WAYS[1],
    WAYS[2],
    WAYS[3],
    Way("keyboard on a narrow page without scripts", keys=True, width=360, scripts=False),
)


class Person:
    """Act on a page as a person in their ``way`` would.

    ``clicks`` counts the links and buttons that were pressed and the choices that were made, by
    mouse or by key. Going to a field and typing into it is no click.
    """

    def __init__(self, page: Page, way: Way) -> None:
        self.page = page
        self.way = way
        self.clicks = 0
        if way.slow:
            slow_down(page)

    def open(self, address: str) -> None:
        self.page.goto(address)
        self.fits()

    def press(self, what: Locator, *, from_the_end: bool = False) -> None:
        """Press a link or button. By keyboard, `from_the_end` reaches it backwards."""
        self.clicks += 1
        if self.way.keys:
            self.reach(what, backwards=from_the_end)
            self.page.keyboard.press("Enter")
        elif self.way.touch:
            what.tap()
        else:
            what.click()

    def write(self, what: Locator, text: str) -> None:
        if self.way.keys:
            self.reach(what)
            self.page.keyboard.press("Control+A")
            self.page.keyboard.type(text)
        else:
            what.fill(text)

    def find(self, text: str) -> None:
        """Search for ``text`` in the box that every staff page has."""
        box = self.page.get_by_role("searchbox", name="Find anything")
        if self.way.keys:
            if self.way.scripts:
                self.page.keyboard.press("/")
            else:
                self.reach(box)
            self.page.keyboard.insert_text(text)
            self.page.keyboard.press("Enter")
        else:
            box.fill(text)
            box.press("Enter")

    def send(self, what: Locator) -> None:
        """Enter, in the field that was written to."""
        what.press("Enter")

    def tick(self, what: Locator) -> None:
        """Set a checkbox or a radio button."""
        self.clicks += 1
        if self.way.keys:
            self.reach(what)
            self.page.keyboard.press("Space")
        else:
            what.check()

    def choose(self, what: Locator, label: str) -> None:
        """One of a list; by keyboard its first letters are typed."""
        self.clicks += 1
        if self.way.keys:
            self.reach(what)
            self.page.keyboard.type(label)
        else:
            what.select_option(label=label)

    def reach(self, what: Locator, *, backwards: bool = False) -> None:
        """Press Tab until the element has the focus.

        A group of radio buttons is one stop, and the arrow keys move within it.
        """
        what.wait_for()
        step = "Shift+Tab" if backwards else "Tab"
        for _ in range(TABS):
            at = what.evaluate(WHERE)
            if at == "here":
                return
            self.page.keyboard.press("ArrowDown" if at == "same group" else step)
        raise AssertionError(f"Tab never comes to {what}")

    def fits(self) -> None:
        """Nothing to scroll sideways."""
        wide = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{self.page.url} is {wide} px wider than {self.way.width}"


WHERE = """it => {
  const at = document.activeElement;
  if (it === at) return "here";
  const group = it.type === "radio" && at.type === "radio" && it.name === at.name;
  return group && it.form === at.form ? "same group" : "elsewhere";
}"""
