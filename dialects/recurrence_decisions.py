"""How a recurrent cell is walked: what a schedule decides of kernel.recurrence."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.ir import Operation

from . import shape as dims
from .decision_fields import COLUMNS, MANY, REGISTERS, Decisions, decision
from .recurrence import RecurrenceOp, resets_state
from .shape import Dim
from .storage import element_bytes

STATE_MARGIN = 16
"""Elements between rows of a state in scratch memory, so that they do not share sets of the cache."""


@dataclass(frozen=True, kw_only=True)
class Recurrence(Decisions):
    """Tiles of sequences by hidden units, with all gates of a unit; panels of weights are as wide as a tile."""

    PANEL = "units"

    rows: int = decision("sequences of the batch in a tile", REGISTERS, says="b tile")
    block: int = decision("sequences that go through the steps together", MANY, says="b block")
    units: int = decision("hidden units in a tile and in a panel of weights", COLUMNS, says="h tile")
    depth_sums: int = decision(
        "sums that a single sequence has for each element, of every so manyth product", REGISTERS, 1, says="k sums"
    )

    def state_stride(self, kernel: RecurrenceOp) -> Dim:
        """Elements from row to row of a state in scratch memory: whole panels of units, and a margin."""
        panels = dims.ceildiv(kernel.type.dims[-1], self.units)
        return dims.add(dims.multiply(panels, self.units), STATE_MARGIN)

    def state_bytes(self, kernel: RecurrenceOp) -> Dim:
        """Of h before and after a step; of a GRU also of h times the reset gate."""
        if is_single_step(kernel):
            return 0
        states = 3 if resets_state(kernel) else 2
        size = element_bytes(kernel.type.element_type)
        return dims.multiply(self.state_stride(kernel), states * self.block * size)

    def sums_of_block(self, kernel: RecurrenceOp) -> int:
        """Elements of a panel's gates, which wait for each other where there are several sequences."""
        return kernel.kind.gates * self.block * self.units if self.block > 1 else 0

    def scratch(self, kernel: Operation) -> Dim | None:
        """States, then sums of a panel."""
        assert isinstance(kernel, RecurrenceOp)
        sums = self.sums_of_block(kernel) * element_bytes(kernel.type.element_type)
        size = dims.add(self.state_bytes(kernel), sums)
        return None if size == 0 else size


def is_single_step(kernel: RecurrenceOp) -> bool:
    """Whether there is one step, whose units depend on nothing but the initial state."""
    return kernel.type.dims[0] == 1 and not kernel.get("lengths") and not resets_state(kernel)
