"""Text of a level, as ``--dump-phases`` writes it and a person may have edited it, as something to compile."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ..pipeline import PHASE_NAMES, phase_range

if TYPE_CHECKING:
    from xdsl.dialects.builtin import ModuleOp

    from ..context import CompilerContext

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

    def read(self, context: CompilerContext) -> ModuleOp:
        """The verified module; its constants go to the context. Raises ParseError or VerifyException."""
        from xdsl.parser import Parser

        from ..context import ConstantStore

        if self.constants is not None:
            context.constants = ConstantStore.load(self.constants)
        module = Parser(context, self.path.read_text(), str(self.path)).parse_module()
        module.verify()
        return module

    def check_stop(self, stop: str) -> None:
        """Raises BadParameter where the text is past ``stop`` already."""
        try:
            phase_range(self.phase, stop)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--emit") from error


def _known(phase: str) -> str:
    if phase not in PHASE_NAMES:
        raise typer.BadParameter(f"'{phase}': expected one of {', '.join(PHASE_NAMES)}", param_hint="--from")
    return phase


def _phase_of(path: Path) -> str:
    """``3-schedule.mlir`` and ``3-schedule.edited.mlir`` are of the schedule phase."""
    named = re.match(rf"\d-({'|'.join(PHASE_NAMES)})\b", path.name)
    if named is None:
        raise typer.BadParameter(f"'{path}' does not say which phase wrote it: say so, e.g. --from schedule")
    return named[1]


def _constants_beside(path: Path) -> Path | None:
    """None for text that names no constants, or that will be told that one is missing."""
    beside = path.with_name("constants.npz")
    return beside if beside.exists() else None
