"""``lamina``: runs, compiles and times models from the command line.

Exit codes: 0 on success, 1 where the model or a check fails, 2 on wrong usage.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from .bench import bench
from .check import check
from .compile import compile_model
from .doctor import doctor
from .profile import profile
from .run import run
from .verify import verify

app = typer.Typer(
    name="lamina",
    help="Compiles ONNX models to machine code and runs them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command("run")(run)
app.command("compile")(compile_model)
app.command("bench")(bench)
app.command("profile")(profile)
app.command("check")(check)
app.command("verify")(verify)
app.command("doctor")(doctor)


def _print_version(wanted: bool) -> None:
    if not wanted:
        return
    from .. import __version__

    typer.echo(f"lamina {__version__}")
    raise typer.Exit


@app.callback()
def root(
    debug: Annotated[bool, typer.Option("--debug", help="On an error, show where in Lamina it arose.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    del debug, version  # --debug is read by main, which stands around everything.


def main() -> None:
    """Entry point. An error that Lamina raises on purpose is one line; any other is a bug and shows its traceback."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) != len(sys.argv) - 1
    try:
        app(args=arguments, prog_name="lamina")
    except BrokenPipeError:
        # The reader went away; do not complain once more when Python closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if debug or not _is_deliberate(error):
            raise
        from rich.console import Console

        Console(stderr=True).print("[bold red]error:[/]", str(error).strip(), markup=True, highlight=False)
        sys.exit(1)


def _is_deliberate(error: Exception) -> bool:
    """Whether the message is meant for the user: what is wrong is the model, the input or the machine."""
    from ..runtime.errors import LaminaError

    if isinstance(error, LaminaError | OSError):
        return True
    # xDSL is loaded if one of its errors was raised.
    exceptions = sys.modules.get("xdsl.utils.exceptions")
    return exceptions is not None and isinstance(error, exceptions.DiagnosticException | exceptions.ParseError)


if __name__ == "__main__":
    main()
