"""Text of a level, as ``--dump-phases`` writes it and a person may have edited it, as something to compile."""

from __future__ import annotations

import contextlib
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ..runtime.errors import LaminaError

if TYPE_CHECKING:
    from xdsl.dialects.builtin import ModuleOp

    from ..context import CompilerContext, ConstantStore, Denormals, Precision

SUFFIX = ".mlir"


@dataclass(frozen=True)
class LevelText:
    """A file of text, the phase that it is the output of, and the arrays that it names."""

    path: Path
    phase: str
    constants: Path | None

    @staticmethod
    def from_options(path: Path, start: str | None, constants: Path | None) -> LevelText:
        """What the options leave open follows from the names that ``--dump-phases`` gives its files."""
        return LevelText(
            path, _phase_of(path) if start is None else _known(start), constants or _constants_beside(path)
        )

    @contextlib.contextmanager
    def opened(
        self, target: str, winograd_error: float, denormals: Denormals, precision: Precision = "f32"
    ) -> Iterator[tuple[ModuleOp, CompilerContext]]:
        """The module, checked, and a context with its constants; to be compiled inside.

        Raises ParseError for what is wrong with the text, also where compiling it finds that, and LaminaError.
        """
        from ..context import CompilerContext
        from .located_parser import read_text
        from .text_checks import check_order, check_program
        from .text_errors import text_errors

        constants = None if self.constants is None else load_constants(self.constants)
        context = CompilerContext(
            target=target,
            constants=constants,
            winograd_error=winograd_error,
            denormals=denormals,
            precision=precision,
        )
        name = str(self.path)
        module, spans = read_text(context, self.path.read_bytes(), name)
        with text_errors(name, module, spans):
            module.verify()
            check_order(module)
            check_program(module, context, self.phase)
            yield module, context

    def check_stop(self, stop: str, option: str = "--emit") -> None:
        """Raises BadParameter where the text is past ``stop`` already."""
        from ..pipeline import phase_range

        try:
            phase_range(self.phase, stop)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint=option) from error


def _known(phase: str) -> str:
    from ..pipeline import PHASE_NAMES

    if phase not in PHASE_NAMES:
        raise typer.BadParameter(f"'{phase}': expected one of {', '.join(PHASE_NAMES)}", param_hint="--from")
    return phase


def _phase_of(path: Path) -> str:
    """``3-schedule.mlir`` and ``3-schedule.edited.mlir`` are of the schedule phase."""
    from ..pipeline import PHASE_NAMES

    named = re.match(rf"\d-({'|'.join(PHASE_NAMES)})\b", path.name)
    if named is None:
        raise typer.BadParameter(f"'{path}' does not say which phase wrote it: say so, e.g. --from schedule")
    return named[1]


def _constants_beside(path: Path) -> Path | None:
    """None for text that names no constants, or that will be told that one is missing."""
    beside = path.with_name("constants.npz")
    return beside if beside.exists() else None


def load_constants(path: Path) -> ConstantStore:
    """The arrays that --dump-phases wrote. Raises LaminaError for any other file."""
    from ..context import ConstantStore

    if path.is_file() and not zipfile.is_zipfile(path):
        raise LaminaError(f"'{path}' is no .npz file")
    try:
        return ConstantStore.load(path)
    except (EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise LaminaError(f"'{path}' holds no constants that --dump-phases wrote: {error}") from error
