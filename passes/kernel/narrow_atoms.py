"""Which products of bf16 numbers a machine has an instruction for, that the passes around it agree on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...dialects.kernel import ConstantOp, ContractionOp, ConvOp, GemmOp
from ..tiling import fills_tiles
from .conv_costs import channel_block
from .widening import through_views

if TYPE_CHECKING:
    from ...machines import Target
    from ...machines.atoms import Atom

_PRODUCTS = ("bf16", "bf16", "f32")


@dataclass(frozen=True)
class NarrowAtoms:
    """The machine's instructions for products of bf16 with sums of f32: by vectors, and by whole matrices."""

    dot: Atom | None
    tiles: Atom | None
    least_channels: int

    @classmethod
    def of(cls, target: Target) -> NarrowAtoms:
        dot, tiles = (target.atom_for(*_PRODUCTS, tiles=tiles) for tiles in (False, True))
        return cls(dot, tiles, channel_block(target))

    @property
    def has_any(self) -> bool:
        return self.dot is not None or self.tiles is not None

    def multiply(self, op: ContractionOp) -> bool:
        """Whether the product would be taken by one of them, for which the weights of a convolution lie packed."""
        if isinstance(op, GemmOp) and self.tiles is not None and fills_tiles(op, self.tiles):
            return True
        if self.dot is None or not isinstance(op, ConvOp):
            return self.dot is not None
        channels, weights = op.in_type(1).dims[1], through_views(op.ins[1])[0].owner
        # A constant, or one of bf16 that is widened.
        if isinstance(weights, ConstantOp):
            return isinstance(channels, int) and channels >= self.least_channels
        return False
