"""``lamina``: runs, compiles and times models from the command line.

``failures.py`` states the exit codes.
"""

from __future__ import annotations

import re
import sys
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from .commands.bench import bench
from .commands.cache import cache
from .commands.check import check
from .commands.compile import compile_model
from .commands.doctor import doctor
from .commands.profile import profile
from .commands.quantize import quantize
from .commands.run import run
from .commands.verify import verify
from .failures import EXIT_INTERRUPTED, run_tool

_EXAMPLE = re.compile(r"^Examples?:\s*(.*?)(?:\n\n|\Z)", re.MULTILINE | re.DOTALL)


class ExampleFirst(TyperCommand):
    """A command whose help opens with the examples, which stand in an ``Example:`` paragraph of its docstring."""

    def __init__(self, name: str | None, *, help: str | None = None, **settings: Any) -> None:
        self.examples, rest = split_examples(help or "")
        super().__init__(name, help=rest, **settings)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        print_examples(self.examples)
        super().format_help(ctx, formatter)


class ExampleFirstGroup(TyperGroup):
    """The same for ``lamina`` itself."""

    def __init__(self, *, help: str | None = None, **settings: Any) -> None:
        self.examples, rest = split_examples(help or "")
        super().__init__(help=rest, **settings)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        print_examples(self.examples)
        super().format_help(ctx, formatter)


def split_examples(text: str) -> tuple[list[str], str]:
    """The lines of a help text's examples, without rich's markup, and the rest of it."""
    found = _EXAMPLE.search(text)
    if found is None:
        return [], _reflowed(text)
    lines = [re.sub(r"\[/?[a-z ]*\]", "", line).strip() for line in found[1].splitlines()]
    return [line for line in lines if line], _reflowed(f"{text[: found.start()]}{text[found.end() :]}")


def _reflowed(text: str) -> str:
    """Paragraphs of one line each, which the terminal's width breaks, and not the one of the source."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n"))


def print_examples(examples: list[str]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console()
    console.print()
    for line in examples:
        console.print(Text.assemble((" $ ", "dim"), (line, "bold")), soft_wrap=True)


app = typer.Typer(
    name="lamina",
    cls=ExampleFirstGroup,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

COMMANDS = {
    "run": run,
    "compile": compile_model,
    "check": check,
    "verify": verify,
    "bench": bench,
    "profile": profile,
    "quantize": quantize,
    "doctor": doctor,
    "cache": cache,
}

for _name, _function in COMMANDS.items():
    app.command(_name, cls=ExampleFirst)(_function)


def _print_version(wanted: bool) -> None:
    if not wanted:
        return
    from .. import __version__

    typer.echo(f"lamina {__version__}")
    raise typer.Exit


@app.callback()
def root(
    debug: Annotated[
        bool, typer.Option("--debug", help="On an error, show where in Lamina it arose. May stand anywhere.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Compiles ONNX models to machine code and runs them.

    Examples:
    lamina run model.onnx
    lamina bench model.onnx --vs onnxruntime
    lamina compile model.onnx -o model.lamina
    """
    del debug, version  # --debug is read by run_tool, which stands around everything.


def main() -> NoReturn:
    """Entry point."""
    run_tool("lamina", sys.argv[1:], _run)


def _run(arguments: list[str]) -> int:
    try:
        code = app(args=arguments or ["--help"], prog_name="lamina", standalone_mode=False)
    except typer.Abort as error:
        raise KeyboardInterrupt from error
    if code == EXIT_INTERRUPTED:  # What typer makes of Ctrl-C.
        raise KeyboardInterrupt
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    main()
