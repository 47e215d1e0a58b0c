"""The tables that the tools print."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from ..pipeline import PassTiming


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
