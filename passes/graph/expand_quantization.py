"""Writes quantisation out as casts and arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass

from ...dialects import graph
from ...dialects.graph import GraphOperation
from ...dialects.graph.types import BYTES, f32, i32, numpy_dtype
from .rewriting import Rewriter, erase_unused, graph_blocks, type_of

# What a positive factor goes through.
_LINEAR = (graph.AddOp, graph.SubOp, graph.ReluOp, graph.MaximumOp, graph.MinimumOp)
_ROUNDED = (
    graph.ConvOp,
    graph.ErfOp,
    graph.ExpOp,
    graph.GeluOp,
    graph.LayerNormOp,
    graph.MatmulOp,
    graph.ReduceOp,
    graph.SigmoidOp,
    graph.SoftmaxOp,
    graph.TanhOp,
)


@dataclass(frozen=True)
class GraphExpandQuantizationPass(ModulePass):
    """Writes out ``quantize`` and ``dequantize``; scales of one after the other become one factor.

    before::

        %0 = graph.dequantize %total, %s : (!graph.tensor<M x 32 x i32>, !graph.tensor<f32>) -> ...
        %1 = graph.relu %0 : !graph.tensor<M x 32 x f32>
        %2 = graph.quantize %1, %t, %z : (!graph.tensor<M x 32 x f32>, ...) -> !graph.tensor<M x 32 x i8>

    after::

        %0 = graph.cast %total : (!graph.tensor<M x 32 x i32>) -> !graph.tensor<M x 32 x f32>
        %factor = graph.div %s, %t : !graph.tensor<f32>
        %1 = graph.mul %0, %factor : (!graph.tensor<M x 32 x f32>, !graph.tensor<f32>) -> ...
        %2 = graph.relu %1 : !graph.tensor<M x 32 x f32>
        %3 = graph.round %2 : !graph.tensor<M x 32 x f32>
        %4 = graph.add %3, %zero : (!graph.tensor<M x 32 x f32>, !graph.tensor<f32>) -> ...
        %5 = graph.cast %4 saturate : (!graph.tensor<M x 32 x f32>) -> !graph.tensor<M x 32 x i8>

    A factor goes through sums, products, maxima and minima that nothing else reads; what functions and long sums give
    is multiplied by the reciprocal of the scale. Both are rounded on their own, so that a result that lay between two
    integers may become the other one. A relu or a bound that the range of the integers makes anyway is left out.
    """

    name = "graph-expand-quantization"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        expansion = _Expansion(Rewriter(ctx))
        for block in graph_blocks(op):
            # From the end, so that what a factor goes through is still there.
            for operation in reversed(list(block.ops)):
                if operation.parent is None:
                    continue
                if isinstance(operation, graph.QuantizeOp):
                    expansion.quantize(operation)
                elif isinstance(operation, graph.DequantizeOp):
                    expansion.dequantize(operation)


@dataclass(frozen=True)
class _Expansion:
    rewriter: Rewriter

    def quantize(self, quantize: graph.QuantizeOp) -> None:
        rounded = self.insert(quantize, graph.RoundOp([self._scaled(quantize)]))
        if quantize.zero is not None and not self.is_zero(quantize.zero):
            rounded = self.insert(quantize, graph.AddOp([rounded, self.cast(quantize, quantize.zero, f32)]))
        x = quantize.x.owner
        self.rewriter.replace_with(quantize, graph.CastOp([rounded], quantize.result_types, saturate=True))
        erase_unused(x)

    def _scaled(self, quantize: graph.QuantizeOp) -> SSAValue:
        """What is quantised, divided by the scale."""
        scaling = _Scaling(self, quantize)
        if quantize.result_types[0].element_type in BYTES and self.rewriter.array(quantize.scale) is not None:
            x = scaling.without_bounds(quantize.x)
            if scaling.is_scalable(x):
                return scaling.scaled(x)
        if self._is_rounded_anyway(quantize):
            factor = self.insert(quantize, graph.ReciprocalOp([quantize.scale]))
            return self.insert(quantize, graph.MulOp([quantize.x, factor]))
        return self.insert(quantize, graph.DivOp([quantize.x, quantize.scale]))

    def _is_rounded_anyway(self, quantize: graph.QuantizeOp) -> bool:
        """Whether what is quantised comes from long sums or functions, which no two engines round alike."""
        is_narrow = quantize.result_types[0].element_type in BYTES
        return is_narrow and self.rewriter.array(quantize.scale) is not None and isinstance(quantize.x.owner, _ROUNDED)

    def dequantize(self, dequantize: graph.DequantizeOp) -> None:
        if not any(True for _ in dequantize.result.uses):
            erase_unused(dequantize)
            return
        real = self.real(dequantize, dequantize, dequantize.scale)
        self.rewriter.replace(dequantize, [real])

    def real(self, place: GraphOperation, dequantize: graph.DequantizeOp, factor: SSAValue) -> SSAValue:
        """The integers, less their zero point, times a factor."""
        return self.insert(place, graph.MulOp([self.difference(place, dequantize), factor]))

    def difference(self, place: GraphOperation, dequantize: graph.DequantizeOp) -> SSAValue:
        """The integers less their zero point, in f32."""
        wide = self.cast(place, dequantize.x, i32)
        if dequantize.zero is not None and not self.is_zero(dequantize.zero):
            wide = self.insert(place, graph.SubOp([wide, self.cast(place, dequantize.zero, i32)]))
        return self.cast(place, wide, f32)

    def is_zero(self, x: SSAValue) -> bool:
        known = self.rewriter.array(x)
        return known is not None and not known.any()

    def cast(self, place: GraphOperation, x: SSAValue, element: object) -> SSAValue:
        type_ = type_of(x)
        if type_.element_type == element:
            return x
        return self.insert(place, graph.CastOp([x], [type_.with_element(element)]))  # pyright: ignore[reportArgumentType]

    def insert(self, place: GraphOperation, operation: GraphOperation) -> SSAValue:
        return self.rewriter.insert(place, operation)


@dataclass(frozen=True)
class _Scaling:
    """Divides what is quantised by the scale, where that costs nothing."""

    expansion: _Expansion
    quantize: graph.QuantizeOp

    def is_scalable(self, x: SSAValue) -> bool:
        """Whether a factor goes all the way through to constants and integers."""
        owner, is_shared = x.owner, len(list(x.uses)) != 1
        if self._array(x) is not None:
            return True
        if isinstance(owner, graph.DequantizeOp):
            # Sums that others read too are better written out once, as real numbers.
            return not is_shared or type_of(owner.x).element_type in BYTES
        if is_shared or not isinstance(owner, GraphOperation):
            return False
        if isinstance(owner, graph.MulOp):
            return all(isinstance(operand.owner, graph.DequantizeOp) for operand in owner.operands)
        return isinstance(owner, _LINEAR) and all(map(self.is_scalable, owner.operands))

    def scaled(self, x: SSAValue) -> SSAValue:
        """x / scale, where x is scalable."""
        match x.owner:
            case graph.DequantizeOp() as dequantize:
                return self.expansion.real(self.quantize, dequantize, self._divided(dequantize.scale))
            case graph.MulOp() as product:
                return self._product(product)
            case GraphOperation() as linear if isinstance(linear, _LINEAR):
                return self._insert(linear.with_values([self.scaled(operand) for operand in linear.operands]))
        return self._divided(x)

    def _product(self, product: graph.MulOp) -> SSAValue:
        """Of two dequantised numbers: the product of the integers times one factor."""
        sides = [operand.owner for operand in product.operands if isinstance(operand.owner, graph.DequantizeOp)]
        integers = [self.expansion.difference(self.quantize, side) for side in sides]
        scale = self._insert(graph.MulOp([side.scale for side in sides]))
        return self._insert(graph.MulOp([self._insert(graph.MulOp(integers)), self._divided(scale)]))

    def without_bounds(self, x: SSAValue) -> SSAValue:
        """x before a relu or bounds that the range of the integers makes anyway."""
        owner = x.owner
        if isinstance(owner, graph.ReluOp) and self._quantised(np.zeros((), np.float32)) == self._limits[0]:
            return self.without_bounds(owner.x)
        if not isinstance(owner, graph.MaximumOp | graph.MinimumOp):
            return x
        known = self._array(owner.b)
        limit = self._limits[isinstance(owner, graph.MinimumOp)]
        if known is None or known.size != 1 or not type_of(owner.a).same_shape(type_of(x)):
            return x
        return self.without_bounds(owner.a) if self._quantised(known.reshape(())) == limit else x

    @property
    def _limits(self) -> tuple[int, int]:
        limits = np.iinfo(numpy_dtype(self.quantize.result_types[0].element_type))
        return int(limits.min), int(limits.max)

    def _quantised(self, x: np.ndarray) -> int | None:
        """What a number becomes; None where that depends on the place or the run."""
        scale = self._array(self.quantize.scale)
        zero = np.zeros(()) if self.quantize.zero is None else self._array(self.quantize.zero)
        if scale is None or zero is None or scale.size != 1 or zero.size != 1 or not np.isfinite(x):
            return None
        low, high = self._limits
        return int(np.clip(np.rint(x / scale.item()) + float(zero.item()), low, high))

    def _divided(self, x: SSAValue) -> SSAValue:
        return self._insert(graph.DivOp([x, self.quantize.scale]))

    def _array(self, x: SSAValue) -> np.ndarray | None:
        return self.expansion.rewriter.array(x)

    def _insert(self, operation: GraphOperation) -> SSAValue:
        return self.expansion.insert(self.quantize, operation)
