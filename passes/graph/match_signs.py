"""Gives products of 8-bit integers the signs, or else the width, that the machine multiplies."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass

from ...dialects import graph
from ...dialects.graph.types import i8, i16, i32, numpy_dtype, ui8
from .rewriting import Rewriter, graph_blocks, type_of
from .shifted_products import Arithmetic, ShiftedFactor, flip, flipped, replace_conv, replace_matmul

if TYPE_CHECKING:
    from ...machines import Target

_Product: TypeAlias = graph.MatmulOp | graph.ConvOp
# What sums of a factor that a run computes cost, beside the elements of another that it shifts.
_SUMS, _SHIFTS = 2, 1


@dataclass(frozen=True)
class GraphMatchSignsPass(ModulePass):
    """Shifts a factor by 128 where the machine multiplies no numbers of such signs at once, but others.

    before, on a machine whose instruction takes ui8 and i8::

        %0 = graph.matmul %x, %w : (!graph.tensor<M x 64 x i8>, !graph.tensor<64 x 32 x i8>) -> ...

    after, the sums of the columns of %w being known::

        %0 = graph.cast %x : (!graph.tensor<M x 64 x i8>) -> !graph.tensor<M x 64 x ui8>
        %1 = graph.add %0, %c128 : (!graph.tensor<M x 64 x ui8>, !graph.tensor<ui8>) -> ...
        %2 = graph.matmul %1, %w : (!graph.tensor<M x 64 x ui8>, !graph.tensor<64 x 32 x i8>) -> ...
        %3 = graph.add %2, %sums : (!graph.tensor<M x 32 x i32>, !graph.tensor<32 x i32>) -> ...

    That factor is shifted which leaves least to do in a run; a constant that both types hold is but called another.
    Where an instruction takes no bytes but i16, both factors are cast to that. Depthwise convolutions, whose products
    no instruction adds, stay, and so does what no instruction of the target multiplies in any way.
    """

    name = "graph-match-signs"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        target: Target = ctx.target  # pyright: ignore[reportAttributeAccessIssue]
        matching = _Matching(target, Rewriter(ctx))
        for block in graph_blocks(op):
            for operation in list(block.ops):
                if isinstance(operation, _Product) and _is_of_bytes(operation):
                    matching.match(operation)


def _is_of_bytes(product: _Product) -> bool:
    if isinstance(product, graph.ConvOp) and product.operand_types[1].dims[1] == 1:
        return False
    return all(type_.element_type in (i8, ui8) for type_ in product.operand_types[:2])


@dataclass(frozen=True)
class _Matching:
    """What a machine multiplies."""

    target: Target
    rewriter: Rewriter

    def match(self, product: _Product) -> None:
        plans = [plan for plan in itertools.product((False, True), repeat=2) if self._is_possible(product, plan)]
        if not plans and self.target.atom_for(str(i16), str(i16), str(i32)) is not None:
            self._widen(product)
        plan = min(plans, key=lambda plan: self._cost(product, plan), default=(False, False))
        if not any(plan):
            return
        now = Arithmetic(self.rewriter, product)
        left, right = (self._factor(now, value, flips) for value, flips in zip(product.operands, plan))
        if isinstance(product, graph.MatmulOp):
            replace_matmul(product, left, right, self.rewriter)
        else:
            replace_conv(product, left, right, self.rewriter)

    def _widen(self, product: _Product) -> None:
        """Casts both factors to i16."""
        for index, value in enumerate(product.operands[:2]):
            array = self.rewriter.array(value)
            if array is None:
                cast = graph.CastOp([value], [type_of(value).with_element(i16)])
                product.operands[index] = self.rewriter.insert(product, cast)
            else:
                name = self.rewriter.handle(value)
                product.operands[index] = self.rewriter.constant(product, array.astype(np.int16), name)

    def _is_possible(self, product: _Product, plan: tuple[bool, ...]) -> bool:
        """Whether the machine multiplies such numbers. Windows are not summed in groups."""
        if isinstance(product, graph.ConvOp) and product.group > 1 and plan[1] and not self._holds_both(product.w):
            return False
        left, right = (
            str(flipped(type_.element_type)[0] if flips else type_.element_type)
            for type_, flips in zip(product.operand_types, plan)
        )
        return self.target.atom_for(left, right, str(i32)) is not None

    def _cost(self, product: _Product, plan: tuple[bool, ...]) -> int:
        """What there is to do in a run: to shift a factor, and to sum the other."""
        values = product.operands[:2]
        computed = [self.rewriter.array(value) is None for value in values]
        return sum(
            _SHIFTS * computed[own] + _SUMS * computed[1 - own]
            for own, flips in enumerate(plan)
            if flips and not self._holds_both(values[own])
        )

    def _holds_both(self, value: SSAValue) -> bool:
        """Whether it is a constant of numbers that both types hold."""
        array = self.rewriter.array(value)
        return array is not None and array.min(initial=0) >= 0 and array.max(initial=0) <= 127

    def _factor(self, now: Arithmetic, value: SSAValue, flips: bool) -> ShiftedFactor:
        """A factor as it is, or with another sign and what it has too much then."""
        array = self.rewriter.array(value)
        if not flips:
            return ShiftedFactor(value if array is None else array, origin=value)
        element, amount = flipped(type_of(value).element_type)
        zero = np.asarray(amount, np.int32)
        if array is not None and self._holds_both(value):
            return ShiftedFactor(array.astype(numpy_dtype(element)), origin=value)
        if array is None:
            return ShiftedFactor(flip(now, value), zero)
        return ShiftedFactor((array.astype(np.int32) + amount).astype(numpy_dtype(element)), zero, value)
