"""Convolution and matrix multiplication."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xdsl.irdl import operand_def, opt_operand_def, result_def
from xdsl.utils.exceptions import VerifyException

from ..shape import add, floordiv
from .broadcasting import BroadcastError, broadcast_shapes
from .operation import GraphOperation, flag, graph_operation, integer, integers
from .types import NARROW_INTEGERS, GraphTensorType, i32

if TYPE_CHECKING:
    from xdsl.ir import Attribute

    from ..shape import Dim


def window_output(
    size: Dim, kernel: int, stride: int = 1, pad_begin: int = 0, pad_end: int = 0, dilation: int = 1
) -> Dim:
    """How many places a window takes along one axis."""
    reach = (kernel - 1) * dilation + 1
    return add(floordiv(add(size, pad_begin + pad_end - reach), stride), 1)


def require_length(constraint: str, values: Mapping[str, Any], lengths: Mapping[str, int]) -> None:
    """Raises where a list field has not the length that the rank of the operand asks for."""
    for name, length in lengths.items():
        if len(values[name]) != length:
            raise VerifyException(f"{constraint}: '{name}' must have {length} entries, got {list(values[name])}")


def sums_of(left: GraphTensorType, right: GraphTensorType, constraint: str) -> Attribute:
    """The element type of sums of products: the operands' own, which must be one, or i32 of narrow integers."""
    elements = (left.element_type, right.element_type)
    if all(element in NARROW_INTEGERS for element in elements):
        return i32
    if elements[0] == elements[1]:
        return elements[0]
    narrow = " or ".join(map(str, NARROW_INTEGERS))
    raise VerifyException(
        f"{constraint}: elements of {elements[0]} and {elements[1]}: expected one type, or for each {narrow}"
    )


def may_differ(left: Dim, right: Dim) -> bool:
    """Whether both are known and different."""
    return isinstance(left, int) and isinstance(right, int) and left != right


@graph_operation
class ConvOp(GraphOperation):
    """Convolution (cross-correlation) over any number of spatial axes.

    ``x`` is N x C x spatial, ``w`` is M x C/group x kernel, ``bias`` M. ``pads`` lists the zeros before
    each spatial axis, then those after each.

    Of integers of 8 bits, or 16 with a sign, products are summed in i32, and wrap there.

    C1: ``x`` and ``w`` have the same rank, 3 or more; C2: ``x`` and ``w`` have one element type or narrow integers,
    ``bias`` that of the sums; C3: list fields fit the spatial rank; C4: channels of ``x`` = group times those of
    ``w``; C5: M is a multiple of group; C6: ``bias`` has shape [M].
    """

    name = "graph.conv"
    x = operand_def(GraphTensorType)
    w = operand_def(GraphTensorType)
    bias = opt_operand_def(GraphTensorType)
    result = result_def(GraphTensorType)
    strides: tuple[int, ...] = integers(lambda types: (1,) * (types[0].rank - 2))
    pads: tuple[int, ...] = integers(lambda types: (0,) * 2 * (types[0].rank - 2))
    dilations: tuple[int, ...] = integers(lambda types: (1,) * (types[0].rank - 2))
    group: int = integer(1)

    @classmethod
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        x, w = types[:2]
        if x.rank != w.rank or x.rank < 3:
            raise VerifyException(f"C1: x and w must have the same rank, 3 or more, got {x} and {w}")
        sums = sums_of(x, w, "C2")
        if len(types) > 2 and types[2].element_type != sums:
            raise VerifyException(f"C2: bias has elements of {types[2].element_type}, the sums are of {sums}")
        spatial = x.rank - 2
        require_length("C3", values, {"strides": spatial, "pads": 2 * spatial, "dilations": spatial})
        group, out_channels, kernel = values["group"], w.dims[0], w.dims[2:]
        in_channels = w.dims[1] * group if isinstance(w.dims[1], int) else None
        if in_channels is not None and may_differ(x.dims[1], in_channels):
            raise VerifyException(f"C4: x has {x.dims[1]} channels, w and group {group} ask for {in_channels}")
        if isinstance(out_channels, int) and out_channels % group:
            raise VerifyException(f"C5: {out_channels} output channels are no multiple of group {group}")
        if len(types) > 2 and (types[2].rank != 1 or may_differ(types[2].dims[0], out_channels)):
            raise VerifyException(f"C6: bias must have shape [{out_channels}], got {types[2]}")
        if not all(isinstance(k, int) for k in kernel):
            raise VerifyException(f"C3: the kernel's spatial dimensions must be known, got {w}")
        pads = values["pads"]
        sizes = [
            window_output(size, k, stride, begin, end, dilation)  # pyright: ignore[reportArgumentType]
            for size, k, stride, begin, end, dilation in zip(
                x.dims[2:], kernel, values["strides"], pads[:spatial], pads[spatial:], values["dilations"]
            )
        ]
        return [GraphTensorType.of((x.dims[0], out_channels, *sizes), sums)]


@graph_operation
class MatmulOp(GraphOperation):
    """Matrix product over the last two axes; leading axes broadcast as in NumPy.

    A flag swaps the last two axes of its operand first. Of integers of 8 bits, or 16 with a sign, products are summed
    in i32, and wrap there.

    C1: one element type, or narrow integers; C2: rank 2 or more; C3: inner dimensions are equal; C4: batch axes
    broadcast.
    """

    name = "graph.matmul"
    a = operand_def(GraphTensorType)
    b = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)
    transpose_a: bool = flag()
    transpose_b: bool = flag()

    @classmethod
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        a, b = types
        sums = sums_of(a, b, "C1")
        if a.rank < 2 or b.rank < 2:
            raise VerifyException(f"C2: both operands must have rank 2 or more, got {a} and {b}")
        rows, inner_a = a.dims[-2:] if not values["transpose_a"] else (a.dims[-1], a.dims[-2])
        inner_b, columns = b.dims[-2:] if not values["transpose_b"] else (b.dims[-1], b.dims[-2])
        if may_differ(inner_a, inner_b):
            raise VerifyException(f"C3: the inner dimensions {inner_a} of a and {inner_b} of b differ")
        try:
            batch = broadcast_shapes(a.dims[:-2], b.dims[:-2])
        except BroadcastError as error:
            raise VerifyException(f"C4: the batch axes of {a} and {b} don't broadcast: {error}") from None
        return [GraphTensorType.of((*batch, rows, columns), sums)]
