"""What a schedule decides of ``kernel.tree_ensemble``."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.ir import Operation

from . import shape as dims
from .decision_fields import MANY, REGISTERS, Decisions, decision
from .shape import Dim
from .storage import element_bytes
from .tree_kernel import TreeEnsembleOp


def even_levels(depth: int) -> int:
    """Levels at a time, 3 to 8, in which few are left over of the depth."""
    return min(range(min(max(depth, 3), 8), 2, -1), key=lambda levels: -depth % levels)


@dataclass(frozen=True, kw_only=True)
class TreeEnsemble(Decisions):
    """Rows in lanes, all trees one after another; of rows that fill no tile, trees in lanes."""

    lanes: int = decision("rows or trees in a vector", REGISTERS)
    unroll: int = decision("vectors of rows or trees that go down together", REGISTERS, 4)
    levels: int = decision("levels of a tree between two looks whether all have reached a leaf", REGISTERS, 4)
    tiles: int = decision("tiles of rows in a block that goes through all trees", MANY, 4)

    @property
    def rows(self) -> int:
        """Rows of a tile."""
        return self.lanes * self.unroll

    @property
    def block(self) -> int:
        """Rows of a block."""
        return self.rows * self.tiles

    def scratch(self, kernel: Operation) -> Dim | None:
        """What is aggregated for each target of each row of a block."""
        assert isinstance(kernel, TreeEnsembleOp)
        return dims.multiply(kernel.type.dims[1], self.block * element_bytes(kernel.type.element_type))
