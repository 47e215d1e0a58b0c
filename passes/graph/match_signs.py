"""Gives products of 8-bit integers the signs, or else the width, that the machine multiplies."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Attribute, SSAValue
from xdsl.passes import ModulePass

from ...dialects import graph
from ...dialects.graph.types import i8, i16, i32, ui8
from .rewriting import Rewriter, graph_blocks, type_of
from .shifted_products import Arithmetic, ShiftedFactor, replace_conv, replace_matmul

if TYPE_CHECKING:
    from ...machines import Target

_Product: TypeAlias = graph.MatmulOp | graph.ConvOp
_FLIPPED: dict[Attribute, Attribute] = {i8: ui8, ui8: i8}
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

    That factor is shifted which leaves least to do in a run. Where an instruction takes no bytes but i16, both factors
    are cast to that. Depthwise convolutions, whose products no instruction adds, stay, and so does what no instruction
    of the target multiplies in any way.
    """

    name = "graph-match-signs"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        target: Target = ctx.target  # pyright: ignore[reportAttributeAccessIssue]
        rewriter = Rewriter(ctx)
        for block in graph_blocks(op):
            matching = _Matching(target, rewriter)
            for operation in list(block.ops):
                if isinstance(operation, _Product) and _is_of_bytes(operation):
                    matching.match(operation)


def _is_of_bytes(product: _Product) -> bool:
    if isinstance(product, graph.ConvOp) and product.operand_types[1].dims[1] == 1:
        return False
    return all(type_.element_type in _FLIPPED for type_ in product.operand_types[:2])


@dataclass(frozen=True)
class _Matching:
    """The products of one block."""

    target: Target
    rewriter: Rewriter
    changed: dict[SSAValue, SSAValue] = field(default_factory=dict)
    """What was shifted or cast before, by what it was made of."""

    def match(self, product: _Product) -> None:
        plans = [plan for plan in itertools.product((False, True), repeat=2) if self._is_possible(product, plan)]
        if not plans and self.target.atom_for(str(i16), str(i16), str(i32)) is not None:
            self._widen(product)
        plan = min(plans, key=lambda plan: self._cost(product, plan), default=(False, False))
        if not any(plan):
            return
        now = Arithmetic(self.rewriter, product)
        left, right = (
            self._flipped(now, value) if flips else ShiftedFactor(self._known(value), origin=value)
            for value, flips in zip(product.operands, plan)
        )
        if isinstance(product, graph.MatmulOp):
            replace_matmul(product, left, right, self.rewriter)
        else:
            replace_conv(product, left, right, self.rewriter)

    def _widen(self, product: _Product) -> None:
        """Casts both factors to i16."""
        now = Arithmetic(self.rewriter, product)
        for index, value in enumerate(product.operands[:2]):
            array, type_ = self.rewriter.array(value), type_of(value)
            if value not in self.changed:
                self.changed[value] = (
                    now.insert(graph.CastOp([value], [type_.with_element(i16)]))
                    if array is None
                    else self.rewriter.constant(product, array.astype(np.int16), self.rewriter.handle(value))
                )
            product.operands[index] = self.changed[value]

    def _is_possible(self, product: _Product, plan: tuple[bool, ...]) -> bool:
        """Whether the machine multiplies such numbers. Windows are not summed in groups."""
        if isinstance(product, graph.ConvOp) and product.group > 1 and plan[1]:
            return False
        left, right = (
            str(_FLIPPED[type_.element_type] if flips else type_.element_type)
            for type_, flips in zip(product.operand_types, plan)
        )
        return self.target.atom_for(left, right, str(i32)) is not None

    def _cost(self, product: _Product, plan: tuple[bool, ...]) -> int:
        """What there is to do in a run: to shift a factor, and to sum the other."""
        computed = [self.rewriter.array(value) is None for value in product.operands[:2]]
        return sum(flips * (_SHIFTS * computed[own] + _SUMS * computed[1 - own]) for own, flips in enumerate(plan))

    def _known(self, value: SSAValue) -> np.ndarray | SSAValue:
        array = self.rewriter.array(value)
        return value if array is None else array

    def _flipped(self, now: Arithmetic, value: SSAValue) -> ShiftedFactor:
        """The factor with another sign, 128 more or less, and what it has too much."""
        type_ = type_of(value)
        other = type_.with_element(_FLIPPED[type_.element_type])
        by = 128 if other.element_type == ui8 else -128
        zero, array = np.asarray(by, np.int32), self.rewriter.array(value)
        if array is not None:
            return ShiftedFactor((array.astype(np.int32) + by).astype(other.dtype), zero, value)
        if value not in self.changed:
            cast = now.insert(graph.CastOp([value], [other]))
            self.changed[value] = now.insert(graph.AddOp([cast, now.value(np.asarray(by, other.dtype))]))
        return ShiftedFactor(self.changed[value], zero)
