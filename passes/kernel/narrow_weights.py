"""Stores weights of matrix products narrow where reading them takes longer than multiplying by them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp, bf16, f16, f32, i8
from xdsl.ir import Attribute, Block
from xdsl.passes import ModulePass

from ...dialects.gemm_decisions import depth_of
from ...dialects.graph.types import numpy_dtype
from ...dialects.kernel import ConstantOp, GemmOp
from ...dialects.storage import element_bytes
from ..tiling import gemm_rows, rows_in_registers
from .dead_code import remove_unread
from .views import tensor_type

if TYPE_CHECKING:
    from ...context import CompilerContext

# What narrow weights must be better by.
SHARE_OF_WIDE = 0.9
# Of a vector that is widened: two instructions, beside the product's.
WIDENED_VECTOR_CYCLES = 1.0
# The numbers that are looked at before all of an array is.
SAMPLE = 4096


@dataclass(frozen=True)
class KernelNarrowWeightsPass(ModulePass):
    """Constants that a product of few rows multiplies are stored as f16, bf16 or i8, and widened as they are read.

    before::

        %w = kernel.constant @weight.f32 : !layout.tensor<4096 x 4096 x f32>
        %y = kernel.gemm(%x, %w) : !layout.tensor<1 x 4096 x f32>

    after::

        %w = kernel.constant @weight.f16 : !layout.tensor<4096 x 4096 x f16>
        %y = kernel.gemm(%x, %w) : !layout.tensor<1 x 4096 x f32>

    Where every number of the constant is one of the narrow type, as in models whose weights are f16 or quantised,
    nothing else changes. ``precision`` is ``f32``, or the type to which numbers may be rounded; without the option the
    context says it. What the narrow type cannot hold stays.
    """

    name = "kernel-narrow-weights"

    precision: str | None = None

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        context: CompilerContext = ctx  # pyright: ignore[reportAssignmentType]
        narrowing = _Narrowing(context, context.precision if self.precision is None else self.precision)
        for function in op.ops:
            if isinstance(function, func.FuncOp) and function.body.blocks:
                narrowing.narrow_weights(function.body.block)


class _Narrowing:
    def __init__(self, context: CompilerContext, precision: str):
        self.constants = context.constants
        self.target = context.target
        costs = self.target.costs
        stays_near = self.constants.nbytes < self.target.l3_bytes
        self.stays_near = stays_near
        self.bandwidth = costs.near_weight_bandwidth if stays_near else costs.far_weight_bandwidth
        elements = {"f16": f16, "bf16": bf16}
        if not self.target.f16_conversion:
            del elements["f16"]
        self.rounded_to = elements.get(precision)
        self.exact = (i8, *elements.values())
        self.made: dict[str, tuple[str, Attribute] | None] = {}

    def narrow_weights(self, block: Block) -> None:
        for op in list(block.ops):
            if not isinstance(op, GemmOp) or not isinstance(op.ins[1].owner, ConstantOp):
                continue
            # The constant is only looked at where the fewest bytes would be worth it.
            narrow = self.narrow(op.ins[1].owner.constant.data) if self.is_faster(op, i8) else None
            if narrow is not None and self.is_faster(op, narrow[1]):
                name, element = narrow
                constant = ConstantOp(name, tensor_type(op.ins[1]).with_element(element))
                constant.result.name_hint = op.ins[1].name_hint
                block.insert_op_before(constant, op)
                op.operands[1] = constant.result
        remove_unread(block)

    def is_faster(self, op: GemmOp, element: Attribute) -> bool:
        """Whether fewer bytes save more time than widening them takes."""
        rows = gemm_rows(op)
        if not isinstance(rows, int) and not self.stays_near:
            rows = 1  # Many rows share what is widened, and lose nothing.
        types = {op.in_type(index).element_type for index in (0, 1)}
        if types != {f32} or op.sums_type != f32 or not isinstance(rows, int) or op.in_type(1).rank != 2:
            return False
        depth, columns = depth_of(op), op.type.dims[-1]
        assert isinstance(depth, int) and isinstance(columns, int), "a constant says both"
        size, cycle = depth * columns, 1e-9 / self.target.costs.gigahertz
        products = size * rows / (self.target.lanes * self.target.fma_per_cycle) * cycle
        tiles = -(-rows // rows_in_registers(self.target, max(1, self.target.gemm_tile[1] // self.target.lanes)))
        widening = WIDENED_VECTOR_CYCLES * tiles * size / self.target.lanes * cycle
        wide = max(products, 4 * size / self.bandwidth)
        narrow = max(products + widening, element_bytes(element) * size / self.bandwidth)
        return narrow < SHARE_OF_WIDE * wide

    def narrow(self, name: str) -> tuple[str, Attribute] | None:
        """The constant of the same numbers, or of the rounded ones, and its elements; made the first time."""
        if name not in self.made:
            self.made[name] = self._narrow(name)
        return self.made[name]

    def _narrow(self, name: str) -> tuple[str, Attribute] | None:
        array = self.constants[name]
        element = next((each for each in self.exact if _holds(each, array)), self.rounded_to)
        if element is None:
            return None
        stored = _rounded(array, element)
        if not np.array_equal(np.isfinite(stored), np.isfinite(array)):
            return None
        layout = self.constants.layout_of(name)
        return self.constants.add(stored, f"{name.removesuffix('.f32')}.{element}", layout), element


def _holds(element: Attribute, array: np.ndarray) -> bool:
    """Whether every number of the array is one of the type; the first ones are looked at first."""
    flat = array.reshape(-1)
    parts = (flat[:SAMPLE], flat)
    return all(np.array_equal(part, _rounded(part, element).astype(np.float32), equal_nan=True) for part in parts)


def _rounded(array: np.ndarray, element: Attribute) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        return array.astype(numpy_dtype(element))
