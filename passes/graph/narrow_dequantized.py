"""Multiplies and sums integers where the real numbers that they stand for are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass

from ...dialects import graph
from ...dialects.graph import GraphOperation
from ...dialects.graph.types import BYTES, i32
from ...dialects.shape import Dim, product
from .rewriting import Rewriter, defined_by, fields_of, graph_blocks, is_single, type_of

_Product = graph.MatmulOp | graph.ConvOp
# Differences of 8-bit integers and their zero points.
_LARGEST_FACTOR = 255
_LARGEST_SUM = 2**31 - 1
# How far, relatively, the scale of a bias may be from the product's: scales are rounded to f32.
_SCALE_TOLERANCE = 1e-6


@dataclass(frozen=True)
class GraphNarrowDequantizedPass(ModulePass):
    """Products and sums of dequantised numbers become those of the integers, whose result is dequantised.

    before::

        %0 = graph.dequantize %x, %s, %z : (!graph.tensor<M x 64 x ui8>, ...) -> !graph.tensor<M x 64 x f32>
        %1 = graph.dequantize %w, %t : (!graph.tensor<64 x 32 x i8>, !graph.tensor<1 x 32 x f32>) -> ...
        %2 = graph.matmul %0, %1 : (!graph.tensor<M x 64 x f32>, !graph.tensor<64 x 32 x f32>) -> ...

    after::

        %0 = graph.cast %x : (!graph.tensor<M x 64 x ui8>) -> !graph.tensor<M x 64 x i32>
        %1 = graph.sub %0, %z32 : (!graph.tensor<M x 64 x i32>, !graph.tensor<i32>) -> ...
        %2 = graph.cast %w : (!graph.tensor<64 x 32 x i8>) -> !graph.tensor<64 x 32 x i32>
        %3 = graph.matmul %1, %2 : (!graph.tensor<M x 64 x i32>, !graph.tensor<64 x 32 x i32>) -> ...
        %4 = graph.mul %s, %t : (!graph.tensor<f32>, !graph.tensor<1 x 32 x f32>) -> ...
        %5 = graph.dequantize %3, %4 : (!graph.tensor<M x 32 x i32>, !graph.tensor<1 x 32 x f32>) -> ...

    Of numbers of 8 bits, as many as have a sum that 32 bits hold, with one scale and zero point along the depth. A bias
    of integers, whose scale is the product's, is added to the sums; any other to the result. Sums and means of numbers
    with one scale likewise. ``graph-narrow-products`` then multiplies the numbers as they are.
    """

    name = "graph-narrow-dequantized"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        narrowing = _Narrowing(Rewriter(ctx))
        for block in graph_blocks(op):
            for operation in list(block.ops):
                if isinstance(operation, graph.MatmulOp):
                    narrowing.matmul(operation)
                elif isinstance(operation, graph.ConvOp):
                    narrowing.conv(operation)
                elif isinstance(operation, graph.ReduceOp):
                    narrowing.reduce(operation)


@dataclass(frozen=True)
class _Narrowing:
    rewriter: Rewriter

    def matmul(self, matmul: graph.MatmulOp) -> None:
        left, right = self._factors(matmul)
        if left is None or right is None:
            return
        depths = (-2 if matmul.transpose_a else -1, -1 if matmul.transpose_b else -2)
        if not _sums_fit(type_of(left.x).dims[depths[0]]):
            return
        if not all(_is_even(value, depth) for f, depth in zip((left, right), depths) for value in f.operands[1:]):
            return
        scales = [
            self._swapped(matmul, factor.scale) if transposed else factor.scale
            for factor, transposed in ((left, matmul.transpose_a), (right, matmul.transpose_b))
        ]
        factors = [self._shifted(matmul, factor) for factor in (left, right)]
        total = self.rewriter.insert(matmul, graph.MatmulOp(factors, **fields_of(matmul)))
        scale = self.rewriter.insert(matmul, graph.MulOp(scales))
        total, last = self._with_bias_added(matmul, total, scale)
        self.rewriter.replace_with(last, graph.DequantizeOp([total, scale]))

    def conv(self, conv: graph.ConvOp) -> None:
        x, w = self._factors(conv)
        if x is None or w is None:
            return
        if not _sums_fit(product(type_of(w.x).dims[1:])) or not all(map(is_single, x.operands[1:])):
            return
        if not all(is_single(value) or _is_of_first_axis(value, w) for value in w.operands[1:]):
            return
        channels = [type_of(w.x).dims[0], *[1] * len(conv.strides)]
        scales = [self._reshaped(conv, x.scale, ()), self._of_channels(conv, w.scale, channels)]
        factors = [self._shifted(conv, factor) for factor in (x, w)]
        scale = self.rewriter.insert(conv, graph.MulOp(scales))
        bias = None if conv.bias is None else self._integers(conv, conv.bias, scale)
        total = self.rewriter.insert(
            conv, graph.ConvOp([*factors, *([] if bias is None else [bias])], **fields_of(conv))
        )
        real = self.rewriter.insert(conv, graph.DequantizeOp([total, scale]))
        if conv.bias is not None and bias is None:
            real = self.rewriter.insert(conv, graph.AddOp([real, self._reshaped(conv, conv.bias, channels)]))
        self.rewriter.replace(conv, [real])

    def reduce(self, reduce: graph.ReduceOp) -> None:
        """Sums and means of numbers with one scale: n zero points are taken from a sum of n integers."""
        x = defined_by(reduce.x, graph.DequantizeOp)
        if x is None or reduce.kind not in ("sum", "mean") or type_of(x.x).element_type not in BYTES:
            return
        count = product(type_of(x.x).dims[axis] for axis in reduce.axes)
        if not isinstance(count, int) or not 0 < count * _LARGEST_FACTOR <= _LARGEST_SUM:
            return
        if not all(map(is_single, x.operands[1:])):
            return
        fields = {**fields_of(reduce), "kind": "sum"}
        total = self.rewriter.insert(reduce, graph.ReduceOp([self._wide(reduce, x.x)], **fields))
        if x.zero is not None:
            number = self.rewriter.constant(reduce, np.asarray(count, np.int32), "count")
            zero = self._wide(reduce, self._reshaped(reduce, x.zero, ()))
            zeros = self.rewriter.insert(reduce, graph.MulOp([zero, number]))
            total = self.rewriter.insert(reduce, graph.SubOp([total, zeros]))
        scale = self._reshaped(reduce, x.scale, ())
        if reduce.kind == "mean":
            number = self.rewriter.constant(reduce, np.asarray(count, np.float32), "count")
            scale = self.rewriter.insert(reduce, graph.DivOp([scale, number]))
        self.rewriter.replace_with(reduce, graph.DequantizeOp([total, scale]))

    def _factors(self, operation: _Product) -> list[graph.DequantizeOp | None]:
        """What gives both factors, where they are dequantised."""
        found = [defined_by(value, graph.DequantizeOp) for value in operation.operands[:2]]
        return [one if one is not None and type_of(one.x).element_type in BYTES else None for one in found]

    def _shifted(self, place: GraphOperation, factor: graph.DequantizeOp) -> SSAValue:
        """The integers less their zero point, in i32."""
        wide = self._wide(place, factor.x)
        if factor.zero is None:
            return wide
        known = self.rewriter.array(factor.zero)
        if known is not None and not known.any():
            return wide
        return self.rewriter.insert(place, graph.SubOp([wide, self._wide(place, factor.zero)]))

    def _wide(self, place: GraphOperation, x: SSAValue) -> SSAValue:
        return self.rewriter.insert(place, graph.CastOp([x], [type_of(x).with_element(i32)]))

    def _swapped(self, place: GraphOperation, scale: SSAValue) -> SSAValue:
        """Scales of a matrix whose axes are swapped."""
        *batch, rows, columns = (1, 1, *type_of(scale).dims)[-max(type_of(scale).rank, 2) :]
        return self._reshaped(place, scale, [*batch, columns, rows]) if type_of(scale).rank else scale

    def _of_channels(self, place: GraphOperation, scale: SSAValue, channels: Sequence[Dim]) -> SSAValue:
        return self._reshaped(place, scale, () if is_single(scale) else channels)

    def _reshaped(self, place: GraphOperation, x: SSAValue, dims: Sequence[Dim]) -> SSAValue:
        target = type_of(x).with_dims(dims)
        return x if x.type == target else self.rewriter.insert(place, graph.ReshapeOp([x], [target]))

    def _with_bias_added(
        self, matmul: graph.MatmulOp, total: SSAValue, scale: SSAValue
    ) -> tuple[SSAValue, GraphOperation]:
        """The sums with the bias that is added to the product, if there is one; and what they stand in the place of."""
        uses = list(matmul.result.uses)
        addition = uses[0].operation if len(uses) == 1 else None
        if not isinstance(addition, graph.AddOp) or not type_of(addition.result).same_shape(type_of(matmul.result)):
            return total, matmul
        bias = self._integers(matmul, addition.operands[1 - uses[0].index], scale)
        if bias is None:
            return total, matmul
        return self.rewriter.insert(matmul, graph.AddOp([total, bias])), addition

    def _integers(self, place: GraphOperation, bias: SSAValue, scale: SSAValue) -> SSAValue | None:
        """The integers of a bias that stand in the same way as sums of this scale for real numbers; else None."""
        given = defined_by(bias, graph.DequantizeOp)
        if given is None or type_of(given.x).element_type != i32:
            return None
        wanted, own = self._known(scale), self.rewriter.array(given.scale)
        zero = None if given.zero is None else self.rewriter.array(given.zero)
        if wanted is None or own is None or (given.zero is not None and (zero is None or zero.any())):
            return None
        if wanted.size not in (1, own.size) and own.size != 1:
            return None
        if not np.allclose(own.reshape(-1), wanted.reshape(-1), rtol=_SCALE_TOLERANCE, atol=0):
            return None
        return given.x

    def _known(self, scale: SSAValue) -> np.ndarray | None:
        """The product of scales, folded or not."""
        if not isinstance(owner := scale.owner, graph.MulOp | graph.ReshapeOp):
            return self.rewriter.array(scale)
        arrays = [self._known(operand) for operand in owner.operands]
        if any(array is None for array in arrays):
            return None
        first, *other = [array for array in arrays if array is not None]
        return np.multiply(first, other[0]) if other else first.reshape([int(d) for d in type_of(scale).dims])


def _sums_fit(depth: Dim) -> bool:
    """Whether a sum of so many products fits in 32 bits. One whose depth a run tells is taken to."""
    return not isinstance(depth, int) or depth * _LARGEST_FACTOR**2 <= _LARGEST_SUM


def _is_even(x: SSAValue, axis: int) -> bool:
    """Whether a scale or a zero point does not vary along an axis, counted from the end."""
    dims = type_of(x).dims
    return len(dims) < -axis or dims[axis] == 1


def _is_of_first_axis(x: SSAValue, factor: graph.DequantizeOp) -> bool:
    dims = type_of(x).dims
    return len(dims) == type_of(factor.x).rank and all(size == 1 for size in dims[1:])
