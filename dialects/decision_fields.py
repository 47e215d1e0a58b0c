"""What all decisions of a schedule share: their fields, with a meaning, a range and words each, and their classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field
from typing import Any, ClassVar

from xdsl.ir import Operation

from ..machines.atoms import ATOMS, GENERAL_ATOM
from .operand_layouts import panel_width
from .shape import Dim

Axes = tuple[str, ...]
DecisionValue = int | str | bool | Axes
Choices = range | tuple[str, ...] | tuple[bool, ...] | None
"""Values that a decision can have; None for axes of the kernel's nest."""

REGISTERS = range(1, 65)
COLUMNS = range(1, 129)
MANY = range(1, 1 << 20)
FROM_ZERO = range(1 << 20)
FLAG = (False, True)
ATOM_NAMES = (GENERAL_ATOM, *ATOMS)


def decision(
    meaning: str,
    choices: Choices,
    default: Any = MISSING,
    *,
    says: str = "",
    turns: Mapping[str, tuple[str, str]] | None = None,
) -> Any:
    """``says``: the axis that it is a decision of, and a word; where there is none, the text has the field's name.

    ``turns``: for a value the other decision that then is one of another axis, and what says both.
    """
    axis, _, word = says.partition(" ")
    metadata = {"meaning": meaning, "choices": choices, "axis": axis, "word": word, "turns": turns or {}}
    return field(default=default, metadata=metadata)


def words_of(entry: dataclasses.Field[Any]) -> str:
    """How the text of a plan names a decision: ``m tile``, or ``pack``."""
    axis, word = entry.metadata["axis"], entry.metadata["word"]
    return f"{axis} {word}" if axis else entry.name


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

    def phrase(self, name: str) -> str:
        """A decision as the text of a plan has it: ``m tile 6``, ``pack true``."""
        return f"{words_of(fields_of(type(self))[name])} {text_of(getattr(self, name))}"

    def said(self) -> dict[str, DecisionValue]:
        """The decisions that differ from their defaults, in the order of the fields."""
        values = {entry.name: getattr(self, entry.name) for entry in dataclasses.fields(self)}
        return {name: value for name, value in values.items() if value != fields_of(type(self))[name].default}


@dataclass(frozen=True, kw_only=True)
class Nest(Decisions):
    """How the nest of a kernel with axes is walked: which loops go outside, and which of them threads share.

    Inside are those over a register tile and the axes that are summed. What is the same for all turns of the innermost
    of the outer axes is staged (packed, copied, found) once for them.
    """

    order: tuple[str, ...] = decision("outer axes, outermost first; those that are not said follow as usual", None, ())
    threads: tuple[str, ...] = decision(
        "the outer axes that threads share, which follow each other; by default all", None, ()
    )

    OUTER: ClassVar[Axes] = ()
    """The axes outside of register tiles as they are usually walked, outermost first."""

    def outer(self, kernel: Operation) -> Axes:
        """OUTER, unless the kernel is usually walked in another way."""
        return self.OUTER

    def ordered(self, kernel: Operation) -> Axes:
        """The outer axes, outermost first."""
        return (*self.order, *(axis for axis in self.outer(kernel) if axis not in self.order))

    def shared(self, kernel: Operation) -> Axes:
        """The outer axes whose turns threads share, in order."""
        return tuple(axis for axis in self.ordered(kernel) if not self.threads or axis in self.threads)

    def conflict(self, kernel: Operation) -> str | None:
        order, shared = self.ordered(kernel), self.shared(kernel)
        first = order.index(shared[0])
        if order[first : first + len(shared)] != shared:
            return f"threads share {text_of(shared)}, which do not follow each other in {text_of(order)}"
        return None


def fields_of(kind: type[Decisions]) -> dict[str, dataclasses.Field[Any]]:
    """By name, in the order in which they are written: what is decided of axes, then what is not."""
    entries = sorted(dataclasses.fields(kind), key=lambda entry: not entry.metadata["axis"])
    return {entry.name: entry for entry in entries}


def left_open(kind: type[Decisions], said: Mapping[str, DecisionValue]) -> list[str]:
    """The decisions that have no default and are not said."""
    return [name for name, entry in fields_of(kind).items() if entry.default is MISSING and name not in said]


def text_of(value: DecisionValue) -> str:
    """A value as the text of a schedule has it."""
    if isinstance(value, tuple):
        return f"[{', '.join(value)}]"
    return str(value).lower() if isinstance(value, bool) else str(value)
