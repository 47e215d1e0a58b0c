"""Multiplies quantised numbers as they are, and corrects for their zero points after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass

from ...dialects import graph
from ...dialects.graph.attributes import reference_attributes
from ...dialects.graph.types import NARROW_INTEGERS, i8, i32, ui8
from ...reference.operations import evaluate
from .rewriting import Rewriter, graph_blocks, type_of
from .shifted_products import (
    Arithmetic,
    ShiftedFactor,
    Term,
    element_of,
    flip,
    flipped,
    is_single,
    narrow_zero,
    replace_conv,
    replace_matmul,
    without_zero,
)

if TYPE_CHECKING:
    from ...machines import Target

_View: TypeAlias = graph.ReshapeOp | graph.TransposeOp | graph.BroadcastToOp | graph.PadOp
# Of constants too large to be folded, what can stand between them and a product.
_COMPUTED = (graph.CastOp, graph.SubOp, graph.ReshapeOp, graph.TransposeOp)


@dataclass(frozen=True)
class GraphNarrowProductsPass(ModulePass):
    """Products of 8-bit integers, less their zero points, become products of these integers and corrections.

    before, %w being a constant that 8 bits hold::

        %0 = graph.cast %x : (!graph.tensor<M x 64 x ui8>) -> !graph.tensor<M x 64 x i32>
        %1 = graph.sub %0, %zero : (!graph.tensor<M x 64 x i32>, !graph.tensor<i32>) -> ...
        %2 = graph.matmul %1, %w : (!graph.tensor<M x 64 x i32>, !graph.tensor<64 x 32 x i32>) -> ...

    after::

        %0 = graph.matmul %x, %narrow : (!graph.tensor<M x 64 x ui8>, !graph.tensor<64 x 32 x i8>) -> ...
        %1 = graph.mul %zero, %sums_of_columns : (!graph.tensor<i32>, !graph.tensor<32 x i32>) -> ...
        %2 = graph.sub %0, %1 : (!graph.tensor<M x 32 x i32>, !graph.tensor<32 x i32>) -> ...

    Convolutions likewise, whose correction becomes the bias. Sums wrap as before: all bits are the same. A constant
    takes its zero point with it; where 8 bits hold it only after a shift of each column, the shift is a zero point, and
    16 bits hold what has no correction in groups. Of two factors that a run computes, one is shifted by 128 where the
    machine multiplies no such signs, so that one correction does for that and its zero point.
    """

    name = "graph-narrow-products"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        rewriter = Rewriter(ctx)
        target: Target = ctx.target  # pyright: ignore[reportAttributeAccessIssue]
        for block in graph_blocks(op):
            for operation in list(block.ops):
                if not isinstance(operation, graph.MatmulOp | graph.ConvOp):
                    continue
                if all(type_.element_type == i32 for type_ in operation.operand_types[:2]):
                    narrow(operation, rewriter, target)


def narrow(operation: graph.MatmulOp | graph.ConvOp, rewriter: Rewriter, target: Target) -> None:
    """Narrows one product, if both factors can be."""
    left, right = operation.operands[:2]
    finder = _Finder(Arithmetic(rewriter, operation))
    known = [finder.array(left), finder.array(right)]
    if isinstance(operation, graph.ConvOp):
        axes = range(1, type_of(right).rank)
        x = finder.factor(left)
        w = finder.factor(right) if known[1] is None else narrow_constant(right, known[1], axes, operation.group > 1)
        if x is not None and w is not None:
            x = without_zero(finder.now, x) if any(operation.pads) else x
            replace_conv(operation, x, w, rewriter)
        return
    depths = (-2 if operation.transpose_a else -1, -1 if operation.transpose_b else -2)
    factors = [
        finder.factor(value) if array is None else narrow_constant(value, array, [depth])
        for value, array, depth in zip((left, right), known, depths)
    ]
    if factors[0] is not None and factors[1] is not None:
        replace_matmul(operation, *_with_fitting_signs(finder.now, factors[0], factors[1], target), rewriter)


def _with_fitting_signs(
    now: Arithmetic, left: ShiftedFactor, right: ShiftedFactor, target: Target
) -> tuple[ShiftedFactor, ShiftedFactor]:
    """Two factors that a run computes, one of them shifted by 128 where the machine multiplies no such signs.

    Its zero point takes the shift, so that there is one correction for both, and none of a zero point of 128.
    """
    pair = [left, right]
    elements = [element_of(factor.x) for factor in pair]
    if any(isinstance(factor.x, np.ndarray) for factor in pair) or not set(elements) <= {i8, ui8}:
        return left, right
    if target.atom_for(str(elements[0]), str(elements[1]), str(i32)) is not None:
        return left, right
    for index in (1, 0):
        factor, (element, amount) = pair[index], flipped(elements[index])
        signs = [element if other == index else elements[other] for other in (0, 1)]
        zero = np.zeros((), np.int32) if factor.zero is None else factor.zero
        if target.atom_for(str(signs[0]), str(signs[1]), str(i32)) is None or not isinstance(zero, np.ndarray):
            continue
        zero = np.asarray(zero + amount, np.int32)
        pair[index] = ShiftedFactor(flip(now, now.value(factor.x)), zero if zero.any() else None)
        break
    return pair[0], pair[1]


def narrow_constant(
    origin: SSAValue, array: np.ndarray, depth: Sequence[int], in_groups: bool = False
) -> ShiftedFactor | None:
    """A constant of i32 in the fewest bits; None where not all numbers along ``depth`` are near each other.

    ``in_groups``: its zero points have no correction.
    """
    if not array.size:
        return None
    low, high = array.min(tuple(depth), keepdims=True), array.max(tuple(depth), keepdims=True)
    fitting = _fitting(array, (np.int8, np.uint8, np.int16) if in_groups else (np.int8, np.uint8))
    if fitting is not None:
        return ShiftedFactor(fitting, origin=origin)
    if in_groups or (high.astype(np.int64) - low > 255).any():
        return None
    shift = np.where(high > 127, high - 127, np.minimum(low + 128, 0))
    return ShiftedFactor((array - shift).astype(np.int8), -shift, origin)


def _fitting(array: np.ndarray, dtypes: Sequence[type]) -> np.ndarray | None:
    """The numbers in the first of some types that holds them all."""
    low, high = array.min(initial=0), array.max(initial=0)
    fits = (dtype for dtype in dtypes if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max)
    dtype = next(fits, None)
    return None if dtype is None else array.astype(dtype)


@dataclass(frozen=True)
class _Finder:
    """Finds what was narrow before it was widened. Views of it go before the product."""

    now: Arithmetic

    def array(self, value: SSAValue) -> np.ndarray | None:
        """The elements of what depends on constants alone, folded or not."""
        found, owner = self.now.rewriter.array(value), value.owner
        if found is not None or not isinstance(owner, _COMPUTED):
            return found
        operands = [self.array(operand) for operand in owner.operands]
        known = [operand for operand in operands if operand is not None]
        name = owner.name.removeprefix("graph.")
        attributes = reference_attributes(name, owner.values, owner.result_types)
        if len(known) < len(operands) or attributes is None:
            return None
        return evaluate(name, known, attributes)[0]

    def factor(self, value: SSAValue) -> ShiftedFactor | None:
        """Narrow integers, and the zero point that is subtracted from them; None where there are none."""
        match value.owner:
            case graph.CastOp() as cast:
                is_narrow = type_of(cast.x).element_type in NARROW_INTEGERS
                return ShiftedFactor(cast.x) if is_narrow and type_of(value).element_type == i32 else None
            case graph.ConstantOp():
                array = self.array(value)
                assert array is not None
                narrow = _fitting(array, (np.int8, np.uint8)) if array.dtype == np.int32 else None
                return None if narrow is None else ShiftedFactor(narrow, origin=value)
            case graph.SubOp() as difference:
                return self._difference(difference)
            case graph.ReshapeOp() | graph.TransposeOp() | graph.BroadcastToOp() | graph.PadOp() as view:
                return self._view(view)
        return None

    def _difference(self, difference: graph.SubOp) -> ShiftedFactor | None:
        x = self.factor(difference.a)
        if x is None or x.zero is not None or not type_of(difference.a).same_shape(type_of(difference.result)):
            return None
        zero = self._zero(difference.b)
        if isinstance(zero, np.ndarray) and not zero.any():
            return x
        return replace(x, zero=self.now.reshape(zero, ()) if is_single(zero) else zero)

    def _zero(self, value: SSAValue) -> Term:
        known = self.array(value)
        return value if known is None else known

    def _view(self, view: _View) -> ShiftedFactor | None:
        """The same view of the narrow integers. The zero point stays, if it is one for all."""
        source = self.factor(view.x)
        if source is None or (source.zero is not None and not is_single(source.zero)):
            return None
        x = self.now.value(source.x)
        narrow_type = type_of(view.result).with_element(type_of(x).element_type)
        operands = [x]
        if isinstance(view, graph.PadOp):
            value = self._padding(view, source)
            if value is None:
                return None
            operands.append(self.now.value(value))
        return ShiftedFactor(self.now.insert(view.with_values(operands, [narrow_type])), source.zero)

    def _padding(self, pad: graph.PadOp, source: ShiftedFactor) -> np.ndarray | None:
        """What zeros around the difference are before it is taken; None where that is not known."""
        nothing = np.zeros((), np.int32)
        if pad.mode != "constant":
            return narrow_zero(source.x, nothing)
        if self.now.rewriter.number(pad.value) != 0:
            return None
        zero = nothing if source.zero is None else source.zero
        return narrow_zero(source.x, zero) if isinstance(zero, np.ndarray) else None
