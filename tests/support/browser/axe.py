"""Run axe, which looks for accessibility faults, on the current page."""

from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

# axe also describes what is right, which takes longer to send than to find: only the violations
# leave the browser. The library is half a megabyte, so each document is given it once.
RUN = """async ([include, exclude, options]) => {
  const where = {include: [include || "html"], exclude: exclude ? [exclude] : []};
  const found = await axe.run(where, {...options, resultTypes: ["violations"]});
  return found.violations.map(({id, nodes}) => ({id, nodes: nodes.map(({html}) => html)}));
}"""


CONTRAST = "color-contrast"
# The contrast of a row takes as long as all other rules together. All rows of a list look alike.
MORE_ROWS = "tr:nth-child(n+11)"


def violations(page: Page, *, within: str | None = None) -> dict[str, list[str]]:
    """Return the violated rules, each with the HTML of the elements at fault.

    ``within`` is a selector of the part to look at. Only the first ten rows of a table are measured
    for contrast.
    """
    others = {"rules": {CONTRAST: {"enabled": False}}}
    return _run(page, within, None, others) | contrast_violations(page, within=within)


def contrast_violations(page: Page, *, within: str | None = None) -> dict[str, list[str]]:
    """Like `violations`, but only of the rule about contrast, which another theme can break."""
    return _run(page, within, MORE_ROWS, {"runOnly": [CONTRAST]})


def _run(
    page: Page, include: str | None, exclude: str | None, options: dict[str, Any]
) -> dict[str, list[str]]:
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(AXE_SCRIPT)
    found = page.evaluate(RUN, [include, exclude, options])
    return {rule["id"]: rule["nodes"] for rule in found}
