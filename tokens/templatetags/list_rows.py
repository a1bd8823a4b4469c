"""Template tags for the rows of lists and the columns of charts, which a page repeats fifty times.

A list's declaration says which columns its table has, and `list_cells` renders them.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol
from urllib.parse import quote

from django import template
from django.db.models import Model
from django.http import HttpRequest
from django.template import Context
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tokens.listing.columns import PAGE, TABLE, Column
from tokens.listing.events import EventQuery
from tokens.listing.query import ListQuery
from tokens.listing.sessions import SessionQuery
from tokens.listing.status import Status
from tokens.listing.tokens import TokenQuery
from tokens.listing.users import UserQuery
from tokens.revocation import may_revoke
from tokens.templatetags.list_cells import CELLS, Viewer, css_class, td
from tokens.templatetags.tokens import short_id


class Bar(Protocol):
    """One part of a column; all positions are SVG lengths."""

    measure: str
    x: str
    y: str
    width: str
    height: str
    address: str


class ChartColumn(Protocol):
    """Describe the argument of `bars`, a `tokens.staff.charts.ChartColumn`."""

    words: str
    x: str
    width: str
    bars: Sequence[Bar]


register = template.Library()
LISTS: dict[str, type[ListQuery[Model]]] = {
    "tokens": TokenQuery,
    "sessions": SessionQuery,
    "users": UserQuery,
    "events": EventQuery,
}
# What the form of a revocation calls a row of these lists, and the labels of the checkboxes.
REVOCABLE = {
    "tokens": ("token", gettext_lazy("Select token %(id)s")),
    "sessions": ("session", gettext_lazy("Select session %(id)s")),
}
NOT_PICKED = mark_safe('<td class="pick"></td>')
# The last column of the lists whose rows can be revoked.
ENDED = "ended"
NO_ACT = mark_safe('<td class="row-act"></td>')


@register.inclusion_tag("tokens/staff/_table.html", takes_context=True)
def list_table(
    context: Context,
    name: str,
    rows: Iterable[Any],
    caption: str,
    *,
    pick: str | bool = "",
    without: str = "",
) -> dict[str, object]:
    """Show ``rows`` of the list ``name`` as a table, ``without`` the column of that name.

    Viewers who may revoke get a link to the review of each active row, and with ``pick`` a
    checkbox. The link is in the column that says how a row ended, which active rows leave empty.
    """
    rows = list(rows)
    ends = any(row.status != Status.ACTIVE for row in rows) if name in REVOCABLE else False
    left_out = {without} if ends else {without, ENDED}
    shown = [column for column in LISTS[name].columns_on(TABLE) if column.name not in left_out]
    columns = sorted(shown, key=lambda column: not column.heads)
    acts = bool(name in REVOCABLE and context["perms"]["tokens"]["revoke_token"])
    picked = bool(pick and acts)
    viewer, act = _viewer(context), _Act(context["request"]) if acts else None
    body = "".join(_row(name, row, columns, viewer, act, pick=picked) for row in rows)
    return {
        "caption": caption,
        "headings": [(column.label, CELLS[column.cell].css == "num") for column in columns],
        "pick": picked,
        "acts": acts and not ends,
        "body": mark_safe(body),  # noqa: S308  (`_row` escapes each part)
    }


@register.simple_tag(takes_context=True)
def facts(context: Context, name: str, row: object) -> SafeString:
    """Show a row of the list ``name`` on its own page, as items of a description list."""
    viewer = _viewer(context)
    found = []
    for column in LISTS[name].columns_on(PAGE):
        cell = CELLS[column.cell]
        if content := (cell.fact or cell.render)(row, column, viewer):
            found.append((column.label, css_class(cell.fact_css), content))
    return format_html_join("", "<div><dt>{}</dt><dd{}>{}</dd></div>", found)


def _viewer(context: Context) -> Viewer:
    perms = context["perms"]
    return Viewer(
        sees_sessions=bool(perms["tokens"]["view_session"]),
        sees_tokens=bool(perms["token_blacklist"]["view_outstandingtoken"]),
    )


class _Act:
    """Build the links that revoke one row, for the user of ``request``."""

    def __init__(self, request: HttpRequest) -> None:
        self.user = request.user
        self.path = reverse("tokens_staff:revoke")
        self.back = quote(request.get_full_path(), safe="/")
        self.word = _("Revoke…")

    def covers(self, row: Any) -> bool:
        """Return whether the row is active and the user may revoke it."""
        return row.status == Status.ACTIVE and may_revoke(actor=self.user, user=row.user)

    def cell(self, name: str, key: object) -> SafeString:
        """Return the cell with the link to the review of a row."""
        address = f"{self.path}?{name}={quote(str(key), safe='')}&next={self.back}"
        return format_html(
            '<td class="row-act"><a class="danger-text" href="{0}" hx-get="{0}"'
            ' hx-target="#review">{1}<span class="visually-hidden"> {2}</span></a></td>',
            address,
            self.word,
            short_id(key),
        )


def _row(
    name: str, row: Any, columns: list[Column], viewer: Viewer, act: _Act | None, *, pick: bool
) -> str:
    """Return a row of a table. The first column is its heading."""
    start, box, link = "<tr>", "", ""
    if name in REVOCABLE:
        key = LISTS[name].columns[0].value(row)
        start = format_html('<tr data-row="{}" data-state="{}">', key, row.status)
        if act is not None:
            covered = act.covers(row)
            link = act.cell(REVOCABLE[name][0], key) if covered else NO_ACT
            box = _checkbox(name, key, covered=covered) if pick else ""
    head, *others = (CELLS[column.cell].render(row, column, viewer) for column in columns)
    heading = format_html('<th scope="row" class="who-cell">{}</th>', head)
    cells = list(map(td, columns[1:], others))
    if link and columns[-1].name == ENDED:
        ended = cells.pop()
        link = ended if link == NO_ACT else link
    return "".join([start, box, heading, *cells, link, "</tr>"])


def _checkbox(name: str, key: object, *, covered: bool) -> SafeString:
    """Return the cell with the checkbox of a row; only rows that can be revoked have one."""
    if not covered:
        return NOT_PICKED
    parameter, label = REVOCABLE[name]
    return format_html(
        '<td class="pick"><label><input type="checkbox" name="{}" value="{}" data-pick'
        ' aria-label="{}"></label></td>',
        parameter,
        key,
        label % {"id": key},
    )


@register.simple_tag
def bars(column: ChartColumn) -> SafeString:
    """Draw a `tokens.staff.charts.ChartColumn` inside an SVG."""
    return format_html(
        '<g><title>{}</title><rect class="slot" x="{}" y="0" width="{}" height="100" />{}</g>',
        column.words,
        column.x,
        column.width,
        format_html_join(
            "",
            '<a href="{}" tabindex="-1">'
            '<rect class="bar-{}" x="{}" y="{}" width="{}" height="{}" /></a>',
            ((b.address, b.measure, b.x, b.y, b.width, b.height) for b in column.bars),
        ),
    )
