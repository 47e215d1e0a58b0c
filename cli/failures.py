"""What surrounds every tool: errors as a line for people or as JSON, exit codes, Ctrl-C.

Exit codes: 0 on success, 1 where the model or a check fails or Lamina has a defect, 2 on wrong usage, 130 on Ctrl-C.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

_PACKAGE = Path(__file__).parents[1]


class UsageError(Exception):
    """A command line that cannot be meant. ``help_command`` shows what can."""

    def __init__(self, message: str, help_command: str) -> None:
        super().__init__(message)
        self.help_command = help_command


@dataclass(frozen=True)
class Failure:
    """Why a tool ends: ``kind`` is ``usage``, ``failure``, ``defect`` or ``interrupted``; ``advice`` what to do now."""

    kind: str
    type: str
    message: str
    advice: str
    exit_code: int

    def report(self) -> dict[str, str | int]:
        """What ``--json`` gives of it."""
        return {"error": self.message, "kind": self.kind, "type": self.type, "exit_code": self.exit_code}


def run_tool(tool: str, arguments: list[str], body: Callable[[list[str]], int | None]) -> NoReturn:
    """Runs a tool's body on its arguments without ``--debug``, and ends the process with its exit code.

    What goes wrong becomes one clear line; with ``--debug``, a traceback.
    """
    rest = [argument for argument in arguments if argument != "--debug"]
    debug = len(rest) != len(arguments)
    try:
        code = body(rest) or 0
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader went away; do not complain once more when Python closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = EXIT_FAILURE
    except (Exception, KeyboardInterrupt) as error:
        failure = describe(error, tool)
        if debug and failure.kind != "usage":
            raise
        show(failure, as_json="--json" in rest)
        code = failure.exit_code
    sys.exit(code)


def show(failure: Failure, as_json: bool) -> None:
    """Says it on the error stream, and as JSON on the output if that is what the caller reads."""
    if as_json:
        from .common import print_json

        print_json(failure.report())
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True)
    # Text, not markup: messages quote names of tensors, which may hold brackets. Terminals wrap long lines.
    console.print(Text.assemble(("error:", "bold red"), " ", failure.message), soft_wrap=True)
    if failure.advice:
        console.print(Text(failure.advice), soft_wrap=True, highlight=False)


def describe(error: BaseException, tool: str) -> Failure:
    """What an exception means to the person at the command line."""
    from ..errors import UnknownDimensionError

    name = type(error).__name__
    if isinstance(error, KeyboardInterrupt):
        return Failure("interrupted", name, "interrupted", "", EXIT_INTERRUPTED)
    if isinstance(error, UsageError):
        return Failure("usage", name, str(error), f"see: {error.help_command}", EXIT_USAGE)
    if is_click_usage_error(error):
        return _click_usage(error, tool)
    if isinstance(error, UnknownDimensionError):
        return Failure("usage", name, str(error), "", EXIT_USAGE)
    if isinstance(error, MemoryError):
        return Failure("failure", name, f"not enough memory. {error}".strip(" ."), "", EXIT_FAILURE)
    if is_deliberate(error, tool):
        return Failure("failure", name, _message(error), "", EXIT_FAILURE)
    return _defect(error, tool)


def is_deliberate(error: BaseException, tool: str) -> bool:
    """Whether the message is meant for the user: what is wrong is the model, the text, the input or the machine."""
    from ..runtime.errors import LaminaError

    if isinstance(error, LaminaError | OSError):
        return True
    # A text is the user's; but in a model that lamina compiles, what does not verify is ours.
    exceptions = sys.modules.get("xdsl.utils.exceptions")
    if exceptions is None:
        return False
    return isinstance(error, exceptions.ParseError) or (
        tool == "lamina-opt" and isinstance(error, exceptions.DiagnosticException)
    )


def is_click_usage_error(error: BaseException) -> bool:
    """Whether typer's parser, or a command by way of ``typer.BadParameter``, found the command line wrong."""
    typer = sys.modules.get("typer")
    return typer is not None and isinstance(error, typer.BadParameter.__mro__[1])


def _click_usage(error: BaseException, tool: str) -> Failure:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else tool
    message = error.format_message().replace("Value error, ", "", 1).strip().rstrip(".")  # pyright: ignore[reportAttributeAccessIssue]
    return Failure("usage", "UsageError", message, f"see: {command} --help", EXIT_USAGE)


def _message(error: BaseException) -> str:
    span = getattr(error, "span", None)
    if span is not None:  # xDSL's ParseError.
        return _with_source(error, span)
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        reason = f"{error.strerror[0].lower()}{error.strerror[1:]}"
        return f"'{os.fsdecode(error.filename)}': {reason}" if isinstance(error.filename, str | bytes) else reason
    return str(error).strip() or type(error).__name__


def _with_source(error: Any, span: Any) -> str:
    """``file:line:column: message``, which editors understand, and the line of the text."""
    place, _, quoted = span.print_with_context(None).partition("\n")
    return f"{place}: {error.msg.strip()}\n{quoted.rstrip()}"


def _defect(error: BaseException, tool: str) -> Failure:
    """An error that nobody foresaw: where it arose, and how to report it."""
    lines = str(error).strip().splitlines() or ["no message"]
    during = "".join(f", {note}" for note in getattr(error, "__notes__", ()))
    message = f"a defect of Lamina, not of what you gave it: {type(error).__name__}: {lines[0]}"
    advice = f"  at {_origin(error)}{during}\n"
    advice += (
        "  please report it, with the output of `lamina doctor --json` and what the same command prints with --debug"
    )
    return Failure("defect", type(error).__name__, message, advice, EXIT_FAILURE)


def _origin(error: BaseException) -> str:
    """``file:line in function``, the innermost place in this package, or the innermost of all."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_PACKAGE)]
    ours = [frame for frame in ours if "site-packages" not in Path(frame.filename).relative_to(_PACKAGE).parts]
    if not (ours or frames):
        return "an unknown place"
    frame = (ours or frames)[-1]
    path = Path(frame.filename)
    shown = path.relative_to(_PACKAGE) if ours else path
    return f"{shown}:{frame.lineno} in {frame.name}"
