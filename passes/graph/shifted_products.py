"""Products of narrow integers from which zero points are subtracted, as narrow products and corrections.

Of ``a - s`` and ``b - t``, where ``s`` and ``t`` do not vary along the depth::

    sum (a - s) (b - t)  =  sum a b  -  s sum (b - t)  -  t sum a

All of it is computed in i32, where it wraps, so that it is exact whatever the numbers. What depends on constants alone
is computed at compile time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from xdsl.ir import Attribute, Operation, SSAValue

from ...dialects import graph
from ...dialects.graph import GraphOperation
from ...dialects.graph.types import GraphTensorType, element_type_of, i8, i32, numpy_dtype, ui8
from ...dialects.shape import Dim, product
from .rewriting import Rewriter, fields_of, type_of

Term: TypeAlias = np.ndarray | SSAValue
"""A tensor: its elements, where they are known."""

_FUNCTIONS: dict[type[GraphOperation], Callable[..., np.ndarray]] = {
    graph.AddOp: np.add,
    graph.SubOp: np.subtract,
    graph.MulOp: np.multiply,
}


@dataclass(frozen=True)
class Arithmetic:
    """Arithmetic in i32 before an operation. Of known elements it is done at once."""

    rewriter: Rewriter
    place: Operation

    def insert(self, operation: GraphOperation) -> SSAValue:
        return self.rewriter.insert(self.place, operation)

    def value(self, x: Term) -> SSAValue:
        """A number has one name wherever it stands, so that what is done with it twice is seen to be the same."""
        if not isinstance(x, np.ndarray):
            return x
        if x.ndim:
            return self.rewriter.constant(self.place, x, "folded")
        return self._shared(f"{x.dtype}_{x.item()}".replace("-", "minus_"), x)

    def ones(self, shape: Sequence[int], dtype: np.dtype | type) -> SSAValue:
        array = np.ones(shape, dtype)
        return self._shared(f"ones_{array.dtype}_{'x'.join(map(str, shape))}", array)

    def _shared(self, name: str, array: np.ndarray) -> SSAValue:
        """A constant that is there under this name already, or is from now on."""
        known = self.rewriter.constants.get(name)
        if known is None or known.dtype != array.dtype or not np.array_equal(known, array):
            return self.rewriter.constant(self.place, array, name)
        return self.insert(graph.ConstantOp([], [GraphTensorType.of_array(array)], handle=name))

    def binary(self, operation: type[GraphOperation], x: Term, y: Term) -> Term:
        if isinstance(x, np.ndarray) and isinstance(y, np.ndarray):
            with np.errstate(over="ignore"):
                return np.asarray(_FUNCTIONS[operation](x, y), np.int32)
        return self.insert(operation([self.value(x), self.value(y)]))

    def widened(self, x: Term) -> Term:
        if isinstance(x, np.ndarray):
            return x.astype(np.int32)
        type_ = type_of(x)
        return x if type_.element_type == i32 else self.insert(graph.CastOp([x], [type_.with_element(i32)]))

    def total(self, x: Term, axes: Sequence[int], keepdims: bool = False) -> Term:
        """The sum over some axes."""
        x = self.widened(x)
        if isinstance(x, np.ndarray):
            return np.asarray(x.sum(tuple(axes), np.int32, keepdims=keepdims))
        return self.insert(graph.ReduceOp([x], kind="sum", axes=list(axes), keepdims=keepdims))

    def reshape(self, x: Term, dims: Sequence[Dim]) -> Term:
        if isinstance(x, np.ndarray):
            return x.reshape([int(size) for size in dims])
        return x if shape_of(x) == tuple(dims) else self.insert(graph.ReshapeOp([x], [type_of(x).with_dims(dims)]))


@dataclass(frozen=True)
class ShiftedFactor:
    """``x - zero``: narrow integers, and numbers of i32 that broadcast to their shape; None stands for 0.

    ``origin`` is the constant that known integers are, or were made of.
    """

    x: Term
    zero: Term | None = None
    origin: SSAValue | None = None

    def operand(self, now: Arithmetic) -> SSAValue:
        """x as a value."""
        if not isinstance(self.x, np.ndarray):
            return self.x
        if self.origin is None:
            return now.value(self.x)
        if now.rewriter.array(self.origin) is self.x:
            return self.origin
        return now.rewriter.constant(now.place, self.x, now.rewriter.handle(self.origin))

    def shifted(self, now: Arithmetic) -> Term:
        """The difference, in i32."""
        wide = now.widened(self.x)
        return wide if self.zero is None else now.binary(graph.SubOp, wide, self.zero)

    def sums(self, now: Arithmetic, axes: Sequence[int]) -> Term:
        """The sums of the difference over some axes: n zero points taken from a sum of n integers, where n is known."""
        count = product(shape_of(self.x)[axis] for axis in axes)
        if (
            isinstance(self.x, np.ndarray)
            or self.zero is None
            or not is_single(self.zero)
            or not isinstance(count, int)
        ):
            return now.total(self.shifted(now), axes)
        zeros = now.binary(graph.MulOp, now.reshape(self.zero, ()), np.asarray(count, np.int32))
        return now.binary(graph.SubOp, now.total(self.x, axes), zeros)


def shape_of(x: Term) -> tuple[Dim, ...]:
    return x.shape if isinstance(x, np.ndarray) else type_of(x).dims


def element_of(x: Term) -> Attribute:
    return element_type_of(x.dtype) if isinstance(x, np.ndarray) else type_of(x).element_type


def is_single(x: Term) -> bool:
    """Whether it has one element."""
    return all(size == 1 for size in shape_of(x))


def flipped(element: Attribute) -> tuple[Attribute, int]:
    """The other type of bytes, and what is added to a number of this one to be one of that."""
    return (ui8, 128) if element == i8 else (i8, -128)


def flip(now: Arithmetic, x: SSAValue) -> SSAValue:
    """Bytes with a sign as others without one, more by 128, or the other way round."""
    type_ = type_of(x)
    element, amount = flipped(type_.element_type)
    if (before := _before_flip(now, x)) is not None and type_of(before).element_type == element:
        return before
    cast = now.insert(graph.CastOp([x], [type_.with_element(element)]))
    return now.insert(graph.AddOp([cast, now.value(np.asarray(amount, numpy_dtype(element)))]))


def _before_flip(now: Arithmetic, x: SSAValue) -> SSAValue | None:
    """What ``flip`` made x of, if it did."""
    if not isinstance(addition := x.owner, graph.AddOp) or not isinstance(cast := addition.a.owner, graph.CastOp):
        return None
    return cast.x if not cast.saturate and now.rewriter.number(addition.b) in (128, -128) else None


def without_zero(now: Arithmetic, x: ShiftedFactor) -> ShiftedFactor:
    """Bytes whose zero point is 0 once they are flipped, so that zeros can stand around them; others as they are."""
    if isinstance(x.x, np.ndarray) or not isinstance(x.zero, np.ndarray) or element_of(x.x) not in (i8, ui8):
        return x
    is_zero = is_single(x.zero) and x.zero.item() + flipped(element_of(x.x))[1] == 0
    return ShiftedFactor(flip(now, x.x)) if is_zero else x


def replace_matmul(matmul: graph.MatmulOp, a: ShiftedFactor, b: ShiftedFactor, rewriter: Rewriter) -> bool:
    """Puts the narrow product and its corrections in the place of a product of ``a`` and ``b``, if that can be.

    ::

        %2 = graph.matmul %a, %b : (!graph.tensor<M x K x i32>, !graph.tensor<K x N x i32>) -> ...

    becomes, where a is ``%x - %zero`` and %b a constant::

        %0 = graph.matmul %x, %narrow : (!graph.tensor<M x K x ui8>, !graph.tensor<K x N x i8>) -> ...
        %1 = graph.mul %zero, %sums_of_columns : (!graph.tensor<i32>, !graph.tensor<N x i32>) -> ...
        %2 = graph.sub %0, %1 : (!graph.tensor<M x N x i32>, !graph.tensor<N x i32>) -> ...
    """
    now = Arithmetic(rewriter, matmul)
    depth_a = len(shape_of(a.x)) - (2 if matmul.transpose_a else 1)
    depth_b = len(shape_of(b.x)) - (1 if matmul.transpose_b else 2)
    if not (_is_even(a, depth_a) and _is_even(b, depth_b)):
        return False
    corrections: list[Term] = []
    if a.zero is not None:
        *batch, columns = shape_of(sums := b.sums(now, [depth_b]))
        sums = now.reshape(sums, [*batch, 1, columns] if batch else [columns])
        zero = _as_product(now, a, a.zero, matmul.transpose_a)
        corrections.append(now.binary(graph.MulOp, zero, sums))
    if b.zero is not None:
        zero = _as_product(now, b, b.zero, matmul.transpose_b)
        corrections.append(now.binary(graph.MulOp, zero, _sums_of_rows(now, a, depth_a, matmul.transpose_a)))
    product = now.insert(graph.MatmulOp([a.operand(now), b.operand(now)], **fields_of(matmul)))
    _replace(now, matmul, product, corrections)
    return True


def _sums_of_rows(now: Arithmetic, a: ShiftedFactor, axis: int, transposed: bool) -> Term:
    """Sums along the depth as a column: in a run a product with ones, which reads the narrow numbers as they are."""
    depth = shape_of(a.x)[axis]
    if isinstance(a.x, np.ndarray) or not isinstance(depth, int):
        sums = now.total(a.x, [axis])
        return now.reshape(sums, [*shape_of(sums), 1])
    return now.insert(graph.MatmulOp([a.x, now.ones([depth, 1], _counter(a.x))], transpose_a=transposed))


def _counter(x: SSAValue) -> type:
    """The type of ones that narrow numbers are multiplied by, to be summed: of the other sign, as most machines can."""
    element = type_of(x).element_type
    if element == i8:
        return np.uint8
    return np.int8 if element == ui8 else np.int16


def _is_even(factor: ShiftedFactor, axis: int) -> bool:
    """Whether the zero points do not vary along an axis."""
    if factor.zero is None:
        return True
    place = axis - len(shape_of(factor.x))
    dims = shape_of(factor.zero)
    return len(dims) < -place or dims[place] == 1


def _as_product(now: Arithmetic, factor: ShiftedFactor, zero: Term, transposed: bool) -> Term:
    """Zero points as they broadcast to the product, whose axes are not transposed."""
    if is_single(zero):
        return now.reshape(zero, ())
    if not transposed:
        return zero
    dims = shape_of(zero)
    *batch, first, second = [*[1] * (len(shape_of(factor.x)) - len(dims)), *dims]
    return now.reshape(zero, [*batch, second, first])


def replace_conv(conv: graph.ConvOp, x: ShiftedFactor, w: ShiftedFactor, rewriter: Rewriter) -> bool:
    """Puts the narrow convolution and its corrections in the place of one of ``x`` and ``w``, if that can be.

    ::

        %1 = graph.conv %x, %w pads [1, 1, 1, 1] : (!graph.tensor<1 x 8 x 5 x 5 x i32>, ...) -> ...

    becomes, where x is ``%x - 3`` and %w a constant::

        %0 = graph.pad %x, %three pads [0, 0, 1, 1, 0, 0, 1, 1] : (!graph.tensor<1 x 8 x 5 x 5 x ui8>, ...) -> ...
        %1 = graph.conv %0, %narrow, %sums : (!graph.tensor<1 x 8 x 7 x 7 x ui8>, ...) -> ...

    What is padded is zero after the subtraction, so that its zero point stands around x before.
    """
    now = Arithmetic(rewriter, conv)
    if not _may_correct(conv, x, w):
        return False
    fields = fields_of(conv)
    start: Term | None = conv.bias
    if conv.bias is not None and (known := rewriter.array(conv.bias)) is not None:
        start = known
    padded = x.operand(now)
    if x.zero is not None:
        if any(conv.pads):
            padded = _padded(now, padded, x.zero, conv.pads)
            del fields["pads"]
        sums = w.sums(now, range(1, len(shape_of(w.x))))
        amount = now.binary(graph.MulOp, now.reshape(x.zero, ()), sums)
        start = now.binary(graph.SubOp, np.zeros((), np.int32) if start is None else start, amount)
    corrections: list[Term] = []
    if w.zero is not None:
        channels = [] if is_single(w.zero) else [shape_of(w.zero)[0], *[1] * len(conv.strides)]
        zero = now.reshape(w.zero, channels)
        corrections.append(now.binary(graph.MulOp, zero, _window_sums(now, conv, padded, fields)))
    operands = [padded, w.operand(now), *([] if start is None else [now.value(start)])]
    _replace(now, conv, now.insert(graph.ConvOp(operands, **fields)), corrections)
    return True


def _may_correct(conv: graph.ConvOp, x: ShiftedFactor, w: ShiftedFactor) -> bool:
    """Whether there is a way to subtract the zero points: x has one, narrow where it pads; w has one a channel."""
    if x.zero is not None and not is_single(x.zero):
        return False
    if x.zero is not None and any(conv.pads) and _zero_around(x.x, x.zero) is None:
        return False
    return w.zero is None or (conv.group == 1 and all(_is_even(w, axis) for axis in range(1, len(shape_of(w.x)))))


def narrow_zero(x: Term, zero: np.ndarray) -> np.ndarray | None:
    """A zero point in x's own type; None where it is no number of that."""
    dtype = numpy_dtype(element_of(x))
    fits = np.iinfo(dtype).min <= int(zero.item()) <= np.iinfo(dtype).max
    return zero.reshape(()).astype(dtype) if fits else None


def _zero_around(x: Term, zero: Term) -> Term | None:
    """What is padded with in x's own type; None where it may be no number of that."""
    if isinstance(zero, np.ndarray):
        return narrow_zero(x, zero)
    owner = zero.owner.x.owner if isinstance(zero.owner, graph.ReshapeOp) else zero.owner
    return owner.x if isinstance(owner, graph.CastOp) and type_of(owner.x).element_type == element_of(x) else None


def _padded(now: Arithmetic, x: SSAValue, zero: Term, pads: Sequence[int]) -> SSAValue:
    """x with its zero point around it. One that a run tells is added to zeros, where the image is not."""
    narrow = _zero_around(x, zero)
    assert narrow is not None
    half, type_ = len(pads) // 2, type_of(x)
    around = [0, 0, *pads[:half], 0, 0, *pads[half:]]
    if isinstance(narrow, np.ndarray):
        return now.insert(graph.PadOp([x, now.value(narrow)], pads=around))
    nothing = now.value(np.zeros((), type_.dtype))
    padded = now.insert(graph.PadOp([x, nothing], pads=around))
    image = now.insert(graph.BroadcastToOp([nothing], [type_.with_dims((1, 1, *type_.dims[2:]))]))
    outside = now.insert(graph.PadOp([image, now.value(np.ones((), type_.dtype))], pads=around))
    border = now.insert(graph.MulOp([outside, now.value(now.reshape(narrow, ()))]))
    return now.insert(graph.AddOp([padded, border]))


def _window_sums(now: Arithmetic, conv: graph.ConvOp, x: SSAValue, fields: Mapping[str, Any]) -> Term:
    """The sum of what lies in each window, over all channels: of the sums over the channels of each pixel."""
    channels, kernel = type_of(x).dims[1], [int(size) for size in type_of(conv.w).dims[2:]]
    if isinstance(channels, int):
        ones = now.ones([1, channels, *[1] * len(kernel)], _counter(x))
        pixels = now.insert(graph.ConvOp([x, ones]))
    else:
        pixels = now.value(now.total(x, [1], keepdims=True))
    return now.insert(graph.ConvOp([pixels, now.ones([1, 1, *kernel], np.int32)], **fields))


def _replace(now: Arithmetic, operation: GraphOperation, product: SSAValue, corrections: Sequence[Term]) -> None:
    """Puts the product less the corrections in the place of an operation."""
    result = product
    for correction in corrections:
        if isinstance(correction, np.ndarray):
            result = _less_constant(now, operation, result, correction)
        else:
            result = now.insert(graph.SubOp([result, correction]))
    now.rewriter.replace(operation, [result])


def _less_constant(now: Arithmetic, operation: GraphOperation, result: SSAValue, amount: np.ndarray) -> SSAValue:
    """The result less a constant, which an addition of another constant to the operation's result takes with it."""
    uses = list(operation.results[0].uses)
    addition = uses[0].operation
    if len(uses) == 1 and isinstance(addition, graph.AddOp):
        other = 1 - uses[0].index
        added = now.rewriter.array(addition.operands[other])
        if added is not None and added.shape == amount.shape:
            here = Arithmetic(now.rewriter, addition)
            addition.operands[other] = here.value(here.binary(graph.SubOp, added, amount))
            return result
    negative = now.binary(graph.SubOp, np.zeros((), np.int32), amount)
    return now.insert(graph.AddOp([result, now.value(negative)]))
