"""Progress of what may take longer than a second, on the error stream of a terminal.

Nothing is shown where the error stream is no terminal, unless rich's ``FORCE_COLOR`` or ``TTY_COMPATIBLE`` asks for it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

Progress = Callable[[str, str, int, int], None]
"""Takes phase, step, and how many of the step's parts are done of how many; 0 of 0 where it has none."""

# The terminal is drawn by a thread beside the compiler, which shares the interpreter with it.
_DRAWN_PER_SECOND = 5


@contextlib.contextmanager
def shown_progress(wanted: bool = True) -> Iterator[Progress | None]:
    """Shows, while it lasts, what the function that it gives is told; gives None where nobody would see it."""
    if not (wanted and _on_terminal()):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Display

    class BarWhereCounted(BarColumn):
        """Nothing that moves where there is nothing to count."""

        def render(self, task: Task) -> Any:
            return "" if task.total is None else super().render(task)

    columns = (
        SpinnerColumn(),
        TextColumn("[bold]{task.fields[phase]}[/]"),
        TextColumn("{task.description}", markup=False),
        BarWhereCounted(20),
        TextColumn("{task.fields[count]}"),
        TimeElapsedColumn(),
    )
    display = Display(
        *columns, console=Console(stderr=True), transient=True, refresh_per_second=_DRAWN_PER_SECOND, expand=False
    )
    with display:
        task = display.add_task("", total=None, phase="starting", count="")

        def report(phase: str, step: str, done: int, total: int) -> None:
            count = f"{done}/{total}" if total else ""
            display.update(task, description=step, completed=done, total=total or None, phase=phase, count=count)

        yield report


def _on_terminal() -> bool:
    from rich.console import Console

    return Console(stderr=True).is_terminal
