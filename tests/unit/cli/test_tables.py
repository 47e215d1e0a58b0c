"""Facts in columns: wrapped to a terminal, one a line where they are piped."""

from __future__ import annotations

from io import StringIO

from lamina.cli.tables import print_facts
from rich.console import Console

ROWS = [("[bold]input[/]", "x: f32[1]"), ("memory", "one two three four five six")]


def printed(console: Console) -> list[str]:
    print_facts(console, ROWS)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().splitlines()


def test_facts_are_wrapped_to_a_terminal_under_their_column() -> None:
    console = Console(file=StringIO(), width=32, force_terminal=True, color_system=None)
    assert printed(console) == ["input   x: f32[1]", "memory  one two three four five", "        six"]


def test_piped_facts_are_one_a_line_without_trailing_spaces() -> None:
    assert printed(Console(file=StringIO(), width=20)) == ["input   x: f32[1]", "memory  one two three four five six"]
