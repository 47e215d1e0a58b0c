"""The tables that the tools print."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

    from ..pipeline import PassTiming

_GAP = 2
_LEAST_WIDTH = 24


def print_facts(console: Console, rows: Iterable[Sequence[str]]) -> None:
    """Prints rows of markup in columns without lines, the last one wrapped to the terminal's width.

    What is piped is not wrapped: one fact a line. No line ends in spaces.
    """
    texts = [[Text.from_markup(cell) for cell in row] for row in rows]
    widths = [max(cell.cell_len for cell in column) + _GAP for column in list(zip(*texts, strict=True))[:-1]]
    indent = sum(widths)
    for *cells, fact in texts:
        for cell, width in zip(cells, widths, strict=True):
            cell.pad_right(width - cell.cell_len)
        head = Text.assemble(*cells)
        lines = fact.wrap(console, max(console.width - indent, _LEAST_WIDTH)) if console.is_terminal else [fact]
        for line in lines:
            line.rstrip()
            console.print(head + line, soft_wrap=True, highlight=False)
            head = Text(" " * indent)


def timings_table(timings: Iterable[PassTiming]) -> Table:
    """Time by pass in the order run, with each one's share."""
    timings = list(timings)
    total = sum(timing.seconds for timing in timings)
    table = Table("phase", "pass", title="time by pass", show_footer=True)
    table.columns[1].footer = "total"
    table.add_column("ms", justify="right", footer=f"{total * 1e3:.1f}")
    table.add_column("share", justify="right")
    for timing in timings:
        share = timing.seconds / total if total else 0.0
        table.add_row(timing.phase, timing.name, f"{timing.seconds * 1e3:.1f}", f"{share:.0%}")
    return table
