"""Template tags for the rows of lists and the columns of charts, which a page repeats fifty times.

A list's declaration says which columns its table has, and `list_cells` renders them.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from django import template
from django.db.models import Model
from django.template import Context
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy

from tokens.listing.columns import PAGE, TABLE, Column
from tokens.listing.events import EventQuery
from tokens.listing.query import ListQuery
from tokens.listing.sessions import SessionQuery
from tokens.listing.status import Status
from tokens.listing.tokens import TokenQuery
from tokens.listing.users import UserQuery
from tokens.templatetags.list_cells import CELLS, Viewer, css_class, td


class Bar(Protocol):
    """One part of a column; all positions are SVG lengths."""

    measure: str
    x: str
    y: str
    width: str
    height: str


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


@register.inclusion_tag("tokens/staff/_table.html", takes_context=True)
def list_table(
    context: Context,
    name: str,
    rows: Iterable[Model],
    caption: str,
    *,
    pick: str | bool = "",
    without: str = "",
) -> dict[str, object]:
    """Show ``rows`` of the list ``name`` as a table, ``without`` the column of that name.

    ``pick`` gives viewers who may revoke a checkbox for each row.
    """
    shown = [column for column in LISTS[name].columns_on(TABLE) if column.name != without]
    columns = sorted(shown, key=lambda column: not column.heads)
    picked = bool(pick and context["perms"]["tokens"]["revoke_token"])
    viewer = _viewer(context)
    body = "".join(_row(name, row, columns, viewer, pick=picked) for row in rows)
    return {
        "caption": caption,
        "headings": [(column.label, CELLS[column.cell].css == "num") for column in columns],
        "pick": picked,
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


def _row(name: str, row: Any, columns: list[Column], viewer: Viewer, *, pick: bool) -> str:
    """Return a row of a table. The first column is its heading."""
    start, box = "<tr>", ""
    if name in REVOCABLE:
        key = LISTS[name].columns[0].value(row)
        start = format_html('<tr data-row="{}" data-state="{}">', key, row.status)
        box = _checkbox(name, key, row.status) if pick else ""
    head, *others = (CELLS[column.cell].render(row, column, viewer) for column in columns)
    heading = format_html('<th scope="row" class="who-cell">{}</th>', head)
    return "".join([start, box, heading, *map(td, columns[1:], others), "</tr>"])


def _checkbox(name: str, key: object, status: str) -> SafeString:
    """Return the cell with the checkbox of a row; only active rows can be selected."""
    if status != Status.ACTIVE:
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
            '<rect class="bar-{}" x="{}" y="{}" width="{}" height="{}" />',
            ((bar.measure, bar.x, bar.y, bar.width, bar.height) for bar in column.bars),
        ),
    )
