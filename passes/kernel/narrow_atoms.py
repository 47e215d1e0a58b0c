"""Which products of bf16 numbers a machine has an instruction for, that the passes around it agree on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xdsl.dialects.builtin import bf16
from xdsl.ir import Block

from ...dialects.kernel import ConstantOp, ContractionOp, ConvOp, GemmOp
from ..tiling import fills_tiles, rows_atom
from .conv_costs import channel_block
from .views import tensor_type
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
    target: Target

    @classmethod
    def of(cls, target: Target) -> NarrowAtoms:
        dot, tiles = (target.atom_for(*_PRODUCTS, tiles=tiles) for tiles in (False, True))
        return cls(dot, tiles, target)

    @property
    def has_any(self) -> bool:
        return self.dot is not None or self.tiles is not None

    def multiply(self, op: ContractionOp) -> bool:
        """Whether the product would be taken by one of them, for which the weights of a convolution lie packed."""
        if isinstance(op, GemmOp) and self.tiles is not None and fills_tiles(op, self.tiles):
            return True
        if not isinstance(op, ConvOp):
            return self.dot is not None
        if not isinstance(through_views(op.ins[1])[0].owner, ConstantOp):
            return False
        channels = op.in_type(1).dims[1]
        if self.dot is not None and isinstance(channels, int) and channels >= channel_block(self.target):
            return True
        return self.tiles is not None and self._fills_tiles(op)

    def _fills_tiles(self, op: ConvOp) -> bool:
        narrow = with_narrow_factors(op)
        atom = rows_atom(narrow, self.target)
        narrow.erase()
        return atom is not None and atom.is_tile


def with_narrow_factors(op: ConvOp) -> ConvOp:
    """The same convolution of bf16 numbers, in no block."""
    stand_ins = Block(arg_types=[tensor_type(value).with_element(bf16) for value in op.ins[:2]])
    return op.clone(dict(zip(op.ins[:2], stand_ins.args, strict=True)))
