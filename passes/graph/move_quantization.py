"""Moves what only picks and orders numbers to where they are narrow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass

from ...dialects import graph
from ...dialects.graph import GraphOperation
from ...dialects.graph.types import BYTES
from ...dialects.shape import Dim, product, same_dimension
from .rewriting import Rewriter, defined_by, graph_blocks, is_single, type_of


@dataclass(frozen=True)
class GraphMoveQuantizationPass(ModulePass):
    """Views and maxima go before ``dequantize`` and behind ``quantize``; what undoes each other vanishes.

    before::

        %0 = graph.dequantize %x, %scale, %zero : (!graph.tensor<N x 8 x 4 x ui8>, ...) -> ...
        %1 = graph.transpose %0 permutation [0, 2, 1] : (!graph.tensor<N x 8 x 4 x f32>) -> ...
        %2 = graph.quantize %1, %other, %zero : (!graph.tensor<N x 4 x 8 x f32>, ...) -> ...

    after::

        %0 = graph.transpose %x permutation [0, 2, 1] : (!graph.tensor<N x 8 x 4 x ui8>) -> ...
        %1 = graph.dequantize %0, %scale, %zero : (!graph.tensor<N x 4 x 8 x ui8>, ...) -> ...
        %2 = graph.quantize %1, %other, %zero : (!graph.tensor<N x 4 x 8 x f32>, ...) -> ...

    Of numbers of 8 bits. Scales of an axis go along where the axis stays whole. All bits are the same.
    """

    name = "graph-move-quantization"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        moving = _Moving(Rewriter(ctx))
        for block in graph_blocks(op):
            for operation in list(block.ops):
                if isinstance(operation, graph.QuantizeOp):
                    moving.hoist(operation)
                elif isinstance(operation, GraphOperation):
                    moving.sink(operation)


@dataclass(frozen=True)
class _Moving:
    rewriter: Rewriter

    # --- dequantize goes behind -----------------------------------------------------------------

    def sink(self, operation: GraphOperation) -> None:
        """view(dequantize(x)) -> dequantize(view(x))."""
        rule = _VIEWS.get(type(operation))
        before = defined_by(operation.operands[0], graph.DequantizeOp) if operation.operands else None
        if rule is None or before is None or type_of(before.x).element_type not in BYTES:
            return
        parameters = rule(self, operation, before)
        if parameters is None:
            return
        narrow = self._narrow_view(operation, before)
        if narrow is None:
            return
        self.rewriter.replace_with(operation, graph.DequantizeOp([narrow, *parameters]))

    def _narrow_view(self, operation: GraphOperation, before: graph.DequantizeOp) -> SSAValue | None:
        """The same view of the integers."""
        if isinstance(operation, graph.ReluOp):
            return self._above_zero(operation, before)
        operands = [before.x, *operation.operands[1:]]
        if isinstance(operation, graph.ConcatOp):
            operands = [part.owner.operands[0] for part in operation.parts]  # pyright: ignore[reportAttributeAccessIssue]
        if isinstance(operation, graph.PadOp):
            operands[1] = self._zero(operation, before)
        type_ = operation.result_types[0].with_element(type_of(before.x).element_type)
        return self.rewriter.insert(operation, operation.with_values(operands, [type_]))

    def _zero(self, place: GraphOperation, before: graph.DequantizeOp) -> SSAValue:
        """The integer that stands for 0."""
        known = None if before.zero is None else self.rewriter.array(before.zero)
        dtype = type_of(before.x).dtype
        return self.rewriter.constant(place, np.zeros((), dtype) if known is None else known.reshape(()), "zero")

    def _above_zero(self, relu: graph.ReluOp, before: graph.DequantizeOp) -> SSAValue:
        zero = self._zero(relu, before)
        number = self.rewriter.number(zero)
        if number == np.iinfo(type_of(before.x).dtype).min:
            return before.x
        return self.rewriter.insert(relu, graph.MaximumOp([before.x, zero]))

    def is_single(self, before: graph.DequantizeOp) -> bool:
        """Whether there is one scale and one zero point."""
        return all(map(is_single, before.operands[1:]))

    def is_monotone(self, operation: graph.DequantizeOp | graph.QuantizeOp) -> bool:
        """Whether larger integers stand for larger numbers."""
        scale = self.rewriter.array(operation.scale)
        return scale is not None and bool((scale > 0).all())

    def reshaped(
        self, place: GraphOperation, before: graph.DequantizeOp, dims_of: Callable[[graph.GraphTensorType], Any]
    ) -> list[SSAValue] | None:
        """Scale and zero point with other dimensions of the same product; None where there are none."""
        parameters: list[SSAValue] = []
        for value in before.operands[1:]:
            dims = dims_of(type_of(value))
            if dims is None:
                return None
            target = type_of(value).with_dims(dims)
            is_same = target == value.type
            parameters.append(value if is_same else self.rewriter.insert(place, graph.ReshapeOp([value], [target])))
        return parameters

    # --- quantize goes before -------------------------------------------------------------------

    def hoist(self, quantize: graph.QuantizeOp) -> None:
        """quantize(view(x)) -> view(quantize(x)); of what was dequantised alike, nothing is left."""
        before = quantize.x.owner
        if isinstance(before, graph.DequantizeOp):
            if self._is_undone(before, quantize):
                self.rewriter.replace(quantize, [before.x])
            return
        if not isinstance(before, graph.ReshapeOp | graph.TransposeOp | graph.ConcatOp | graph.MaxPoolOp):
            return
        is_single = all(type_of(value).rank == 0 for value in quantize.operands[1:])
        if not is_single or len(list(before.results[0].uses)) > 1:
            return
        if isinstance(before, graph.MaxPoolOp) and not self.is_monotone(quantize):
            return
        element = quantize.result_types[0].element_type
        narrow: list[SSAValue] = []
        inner: list[graph.QuantizeOp] = []
        for value in before.operands:
            part = graph.QuantizeOp([value, *quantize.operands[1:]], [type_of(value).with_element(element)])
            narrow.append(self.rewriter.insert(quantize, part))
            inner.append(part)
        self.rewriter.replace_with(quantize, before.with_values(narrow, quantize.result_types))
        before.detach()
        before.erase()
        for part in inner:
            self.hoist(part)

    def _is_undone(self, before: graph.DequantizeOp, after: graph.QuantizeOp) -> bool:
        same_type = type_of(before.x) == after.result_types[0]
        return same_type and self.have_equal_parameters(before, after)

    def have_equal_parameters(
        self, one: graph.DequantizeOp | graph.QuantizeOp, other: graph.DequantizeOp | graph.QuantizeOp
    ) -> bool:
        """Whether both are known to have the same scales and zero points."""
        return self._are_equal(one.scale, other.scale) and self._are_equal(one.zero, other.zero)

    def _are_equal(self, one: SSAValue | None, other: SSAValue | None) -> bool:
        """Whether both are known to be the same numbers; what is left out is 0."""
        if one is other:
            return True
        left, right = (np.zeros(()) if value is None else self.rewriter.array(value) for value in (one, other))
        return left is not None and right is not None and np.array_equal(left, right)


_Parameters = list[SSAValue] | None


def _same(moving: _Moving, operation: GraphOperation, before: graph.DequantizeOp) -> _Parameters:
    """One scale and zero point stay as they are."""
    if not moving.is_single(before):
        return None
    return moving.reshaped(operation, before, lambda type_: ())


def _monotone(moving: _Moving, operation: GraphOperation, before: graph.DequantizeOp) -> _Parameters:
    known = before.zero is None or moving.rewriter.array(before.zero) is not None
    return _same(moving, operation, before) if known and moving.is_monotone(before) else None


def _nearest(moving: _Moving, resize: graph.ResizeOp, before: graph.DequantizeOp) -> _Parameters:
    """Where no element is the extrapolation's."""
    picks = resize.mode == "nearest" and resize.coordinates != "tf_crop_and_resize"
    return _same(moving, resize, before) if picks else None


def _with_zeros(moving: _Moving, pad: graph.PadOp, before: graph.DequantizeOp) -> _Parameters:
    known = before.zero is None or moving.rewriter.array(before.zero) is not None
    fits = pad.mode != "constant" or moving.rewriter.number(pad.value) == 0
    return _same(moving, pad, before) if known and fits else None


def _of_alike(moving: _Moving, concat: graph.ConcatOp, before: graph.DequantizeOp) -> _Parameters:
    """Of parts that stand in the same way for real numbers."""
    for part in concat.parts:
        other = defined_by(part, graph.DequantizeOp)
        if other is None or not moving.is_single(other) or not moving.have_equal_parameters(before, other):
            return None
        if type_of(other.x).element_type != type_of(before.x).element_type:
            return None
    return _same(moving, concat, before)


def _transposed(moving: _Moving, transpose: graph.TransposeOp, before: graph.DequantizeOp) -> _Parameters:
    """One axis of parameters that are not single is as good as all: the order of its elements stays."""

    def dims(type_: graph.GraphTensorType) -> Any:
        if type_.rank < len(transpose.permutation):
            return type_.dims if all(size == 1 for size in type_.dims) else None
        if sum(size != 1 for size in type_.dims) > 1:
            return None
        return [type_.dims[axis] for axis in transpose.permutation]

    return moving.reshaped(transpose, before, dims)


def _reshaped(moving: _Moving, reshape: graph.ReshapeOp, before: graph.DequantizeOp) -> _Parameters:
    """Scales along an axis that is one of the result too go there."""
    old, new = type_of(before.x).dims, reshape.result_types[0].dims

    def dims(type_: graph.GraphTensorType) -> Any:
        varying = [axis for axis, size in enumerate(type_.dims) if size != 1]
        if not varying:
            return ()
        if len(varying) > 1 or type_.rank < len(old):
            return None
        place = _same_axis(old, new, varying[0])
        return None if place is None else [size if axis == place else 1 for axis, size in enumerate(new)]

    return moving.reshaped(reshape, before, dims)


def _same_axis(old: tuple[Dim, ...], new: tuple[Dim, ...], axis: int) -> int | None:
    """The axis of a reshape's result whose indices are those of an axis before."""
    leading = product(old[:axis])
    for place, size in enumerate(new):
        if same_dimension(size, old[axis]) and same_dimension(product(new[:place]), leading):
            return place
    return None


def _sliced(moving: _Moving, cut: graph.SliceOp, before: graph.DequantizeOp) -> _Parameters:
    """Scales along an axis that stays whole."""

    def dims(type_: graph.GraphTensorType) -> Any:
        is_whole = type_.rank < type_of(cut.x).rank or all(type_.dims[axis] == 1 for axis in cut.axes)
        return type_.dims if is_whole and (type_.rank in (0, type_of(cut.x).rank)) else None

    return moving.reshaped(cut, before, dims)


_VIEWS: dict[type, Callable[[_Moving, Any, graph.DequantizeOp], _Parameters]] = {
    graph.ReshapeOp: _reshaped,
    graph.TransposeOp: _transposed,
    graph.SliceOp: _sliced,
    graph.BroadcastToOp: _same,
    graph.ConcatOp: _of_alike,
    graph.PadOp: _with_zeros,
    graph.GatherOp: _same,
    graph.GatherElementsOp: _same,
    graph.GatherNdOp: _same,
    graph.ResizeOp: _nearest,
    graph.MaxPoolOp: _monotone,
    graph.ReluOp: _monotone,
}
