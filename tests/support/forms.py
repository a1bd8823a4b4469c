"""Read the links and forms of a page, to use a site as a person with a browser does."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

TYPED = {"text", "search", "email", "url", "tel", "datetime-local", "number", "date", "time", ""}


@dataclass
class Form:
    """``fields`` has the value that a browser would send, ``typed`` the names of text fields."""

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    typed: set[str] = field(default_factory=set)

    def filled(self, text: str) -> list[tuple[str, str]]:
        """Return what is sent if ``text`` is typed into each text field."""
        return [(name, text if name in self.typed else value) for name, value in self.fields]


class Page(HTMLParser):
    """Collect the links and forms of a page."""

    def __init__(self, address: str, html: str) -> None:
        super().__init__()
        self.address = address
        self.links: list[str] = []
        self.forms: list[Form] = []
        self._form: Form | None = None
        self._select = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        for name in ("href", "hx-get"):
            if given.get(name) and tag != "link":
                self.links.append(urljoin(self.address, given[name]))
        if tag == "form":
            action = urljoin(self.address, given.get("action") or self.address)
            self._form = Form(action, given.get("method", "get").lower())
            self.forms.append(self._form)
        if self._form is not None and given.get("name"):
            self._add(self._form, tag, given)
        if tag == "option" and self._select and self._form is not None:
            self._choose(self._form, given)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        if tag == "select":
            self._select = ""

    def _add(self, form: Form, tag: str, given: dict[str, str]) -> None:
        name, kind = given["name"], given.get("type", "")
        if tag == "select":
            self._select = name
        elif tag == "textarea" or (tag == "input" and kind in TYPED):
            form.typed.add(name)
            form.fields.append((name, given.get("value", "")))
        elif tag == "input" and kind == "radio":
            if name not in dict(form.fields):
                form.fields.append((name, given.get("value", "on")))
        elif tag == "input" and kind == "checkbox":
            if "checked" in given:
                form.fields.append((name, given.get("value", "on")))
        elif tag in ("input", "button") and name not in dict(form.fields):
            form.fields.append((name, given.get("value", "")))

    def _choose(self, form: Form, given: dict[str, str]) -> None:
        if given.get("value") and self._select not in dict(form.fields):
            form.fields.append((self._select, given["value"]))
