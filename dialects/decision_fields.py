"""What all decisions of a schedule share: their fields, with a meaning and a range each, and the class they are in."""

from __future__ import annotations

import dataclasses
from dataclasses import MISSING, dataclass, field
from typing import Any, ClassVar

from xdsl.ir import Operation

from ..machines.atoms import ATOMS, GENERAL_ATOM
from .operand_layouts import panel_width
from .shape import Dim

DecisionValue = int | str | bool
Choices = range | tuple[str, ...] | tuple[bool, ...]

REGISTERS = range(1, 65)
COLUMNS = range(1, 129)
MANY = range(1, 1 << 20)
FROM_ZERO = range(1 << 20)
FLAG = (False, True)
ATOM_NAMES = (GENERAL_ATOM, *ATOMS)


def decision(meaning: str, choices: Choices, default: Any = MISSING) -> Any:
    return field(default=default, metadata={"meaning": meaning, "choices": choices})


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """What is decided of a stage; a kernel whose decisions these are has none."""

    PANEL: ClassVar[str] = ""
    """The decision that says how wide the panels are in which weights are packed."""

    @classmethod
    def panel_unit(cls, kernel: Operation) -> int:
        """Columns or output channels that PANEL counts as one."""
        return 1

    @classmethod
    def implied(cls, kernel: Operation) -> dict[str, DecisionValue]:
        """The decision that is made already, by how the kernel's weights are packed."""
        packed = panel_width(kernel) if cls.PANEL else 0
        unit = cls.panel_unit(kernel) if packed else 0
        return {cls.PANEL: packed // unit} if unit and packed % unit == 0 else {}

    def conflict(self, kernel: Operation) -> str | None:
        """Why the kernel cannot run so, if it cannot: how its operands lie in memory may leave no choice."""
        return None

    def scratch(self, kernel: Operation) -> Dim | None:
        """Bytes of scratch memory that each thread needs for them."""
        return None

    def said(self) -> dict[str, DecisionValue]:
        """The decisions that differ from their defaults, in the order of the fields."""
        values = {entry.name: getattr(self, entry.name) for entry in dataclasses.fields(self)}
        return {name: value for name, value in values.items() if value != fields_of(type(self))[name].default}


def fields_of(kind: type[Decisions]) -> dict[str, dataclasses.Field[Any]]:
    return {entry.name: entry for entry in dataclasses.fields(kind)}
