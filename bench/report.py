"""Write results as Markdown into docs/measurements.md. Each run replaces its own section."""

import re
from collections.abc import Mapping
from typing import Any

from bench.peers import ROOT
from bench.rounds import Result

DOC = ROOT / "docs" / "measurements.md"
HEAD = (
    "| case | conn. | ours /s | ± | stock /s | ± | ratio | ours p50 / p99 ms | stock p50 / p99 ms"
    " | CPU ms each, ours (db) | CPU ms each, stock (db) | CPU ratio | failed |\n"
    "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n"
)


def table(results: list[Result]) -> str:
    return HEAD + "\n".join(_line(result) for result in results) + "\n"


def cpu(result: Result, peer: str) -> float | None:
    server, database = result.median(peer, "server_cpu"), result.median(peer, "database_cpu")
    return None if server is None or database is None else server + database


def _line(result: Result) -> str:
    ours, stock = cpu(result, "ours"), cpu(result, "stock")
    cells = [result.case, str(result.connections)]
    for peer in ("ours", "stock"):
        spread = result.spread(peer)
        cells.append(_number(result.median(peer, "rate"), 1))
        cells.append("" if spread is None else f"{spread:.0%}")
    cells.append(_ratio(result.ratio()))
    for peer in ("ours", "stock"):
        p50, p99 = result.median(peer, "p50"), result.median(peer, "p99")
        cells.append("" if p50 is None else f"{_number(p50, 1)} / {_number(p99, 1)}")
    for peer, total in (("ours", ours), ("stock", stock)):
        database = result.median(peer, "database_cpu")
        cells.append("" if total is None else f"{total:.2f} ({database:.2f})")
    cells.append(_ratio(stock / ours if ours and stock else None))
    cells.append(str(sum(one.failed for one in [*result.ours, *result.stock])))
    return "| " + " | ".join(cells) + " |"


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _ratio(value: float | None) -> str:
    return "" if value is None else f"**{value:.2f}×**"


def rows(head: tuple[str, ...], lines: list[tuple[Any, ...]]) -> str:
    text = "| " + " | ".join(head) + " |\n|" + "---|" * len(head) + "\n"
    return text + "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def write(parts: Mapping[str, str]) -> None:
    """Replace each section between its marks. A new section goes to the end."""
    text = DOC.read_text() if DOC.exists() else "# Measurements\n"
    for name, part in parts.items():
        block = f"<!-- {name} -->\n{part.strip()}\n<!-- /{name} -->"
        marks = re.compile(f"<!-- {re.escape(name)} -->.*?<!-- /{re.escape(name)} -->", re.DOTALL)
        if marks.search(text):
            text = marks.sub(lambda _, block=block: block, text)
        else:
            text = text.rstrip() + "\n\n" + block + "\n"
    DOC.write_text(text)
