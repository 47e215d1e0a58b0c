"""Convolutions, matrix products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...dialects import graph
from ...dialects.graph.types import is_float
from ...dialects.shape import add, ceildiv, floordiv, maximum, multiply, subtract
from ..node import Node
from ..operator_sets import MICROSOFT
from ..registry import converter
from ..values import Value
from .activations import activation

if TYPE_CHECKING:
    from ...dialects.shape import Dim


def explicit_pads(
    node: Node, sizes: Sequence[Dim], kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> Sequence[Dim]:
    """``pads`` with ``auto_pad`` resolved; symbolic where they depend on a free size."""
    mode = node.attribute("auto_pad", "NOTSET")
    if mode == "VALID":
        return [0] * 2 * len(kernel)
    if mode == "NOTSET":
        return node.attribute("pads", [0] * 2 * len(kernel))
    is_upper = mode == "SAME_UPPER"
    pairs = [
        _same_pads(size, (k - 1) * dilation + 1, stride, is_upper)
        for size, k, stride, dilation in zip(sizes, kernel, strides, dilations)
    ]
    return [begin for begin, _ in pairs] + [end for _, end in pairs]


def _same_pads(size: Dim, reach: int, stride: int, is_upper: bool) -> tuple[Dim, Dim]:
    """Padding by which ceil(size / stride) windows of ``reach`` elements fit."""
    # By how much the windows' strides go beyond the axis.
    beyond = subtract(multiply(ceildiv(size, stride), stride), size)
    if isinstance(beyond, int):
        return shared_out(max(reach - stride + beyond, 0), is_upper)
    begins = {shared_out(max(reach - stride + rest, 0), is_upper)[0] for rest in range(stride)}
    if len(begins) == 1:
        # With this one the floor of a window's count is ceil(size / stride), whatever the rest.
        (begin,) = begins
        return begin, subtract(reach - 1, begin)
    total = add(reach - stride, beyond)
    return shared_out(total if reach >= stride else maximum(total, 0), is_upper)


def shared_out(total: Dim, is_upper: bool) -> tuple[Dim, Dim]:
    """What stands before an axis and after it; the odd one stands after it if ``is_upper``."""
    small = floordiv(total, 2)
    large = subtract(total, small)
    return (small, large) if is_upper else (large, small)


def with_explicit_padding(
    node: Node, x: Value, pads: Sequence[Dim], fill: Value | None = None
) -> tuple[Value, list[int]]:
    """x padded on the axes whose pads are negative or symbolic, and the pads that are left for the operation."""
    half = len(pads) // 2
    is_plain = [all(isinstance(pads[i], int) and pads[i] >= 0 for i in (axis, half + axis)) for axis in range(half)]  # pyright: ignore[reportOperatorIssue]
    if all(is_plain):
        return x, list(pads)  # pyright: ignore[reportReturnType]
    taken = [0 if is_plain[index % half] else pad for index, pad in enumerate(pads)]
    left: list[int] = [pad if is_plain[index % half] else 0 for index, pad in enumerate(pads)]  # pyright: ignore[reportAssignmentType]
    return node.b.pad(x, [0, 0, *taken[:half], 0, 0, *taken[half:]], fill), left


def with_known_kernel(node: Node, w: Value) -> tuple[Value, list[int]]:
    """A convolution's weights and their spatial sizes, which are numbers, or those of ``kernel_shape``."""
    given = node.attribute("kernel_shape", w.dims[2:])
    for size, known in zip(w.dims[2:], given):
        if isinstance(known, int) and not node.b.symbols.unify(size, known, f"{node.describe()}: kernel_shape"):
            node.contradiction(f"kernel_shape is {given}, but the kernel is {w.type}")
    sizes = [size if isinstance(size, int) else node.unknown_size("the kernel", size) for size in given]
    return node.b.reshape(w, (*w.dims[:2], *sizes)), sizes


@converter("Conv")
@converter("FusedConv", domain=MICROSOFT, several_steps=True)
def convert_conv(node: Node) -> Value:
    x, w, bias = node.input(0), node.input(1), node.optional(2)
    rank = x.rank - 2
    w, kernel = with_known_kernel(node, w)
    strides = node.attribute("strides", [1] * rank)
    dilations = node.attribute("dilations", [1] * rank)
    fields = {
        "strides": strides,
        "pads": explicit_pads(node, x.dims[2:], kernel, strides, dilations),
        "dilations": dilations,
        "group": node.attribute("group", 1),
    }
    operands = [x, w] if bias is None else [x, w, bias]
    result = convolve(node, operands, **fields)
    addend = node.optional(3)
    if addend is not None:
        result = node.b.add(result, addend)
    fused = node.attribute("activation", "")
    return activation(node, result, fused, node.attribute("activation_params", [])) if fused else result


def convolve(node: Node, operands: list[Value], pads: Sequence[Dim], **fields: object) -> Value:
    """A convolution, whatever its pads."""
    x, left = with_explicit_padding(node, operands[0], pads)
    return node.b.op(graph.ConvOp, x, *operands[1:], pads=left, **fields)


@converter("MatMul")
def convert_matmul(node: Node) -> Value:
    return matmul(node, node.input(0), node.input(1))


def matmul(node: Node, a: Value, b: Value) -> Value:
    """NumPy's matmul: a vector operand is a matrix of one row or column, taken out again."""
    builder = node.b
    left = builder.unsqueeze(a, [0]) if a.rank == 1 else a
    right = builder.unsqueeze(b, [1]) if b.rank == 1 else b
    result = builder.matmul(left, right)
    if a.rank == 1:
        result = builder.squeeze(result, [-2])
    return builder.squeeze(result, [-1]) if b.rank == 1 else result


@converter("Gemm", several_steps=True)
@converter("FusedGemm", domain=MICROSOFT, several_steps=True)
def convert_gemm(node: Node) -> Value:
    """alpha * a' b' + beta * c. A constant operand takes the factor with it."""
    builder, a, b, c = node.b, node.input(0), node.input(1), node.optional(2)
    alpha, beta = node.attribute("alpha", 1.0), node.attribute("beta", 1.0)
    if b.constant is not None:
        b, alpha = builder.mul_scalar(b, _factor(b, alpha)), 1.0
    flags = {"transpose_a": bool(node.attribute("transA", 0)), "transpose_b": bool(node.attribute("transB", 0))}
    result = builder.mul_scalar(builder.matmul(a, b, **flags), _factor(a, alpha))
    if c is not None and beta != 0:
        result = builder.add(result, builder.mul_scalar(c, _factor(c, beta)))
    fused = node.attribute("activation", "")
    return activation(node, result, fused, []) if fused else result


def _factor(x: Value, factor: float) -> float | int:
    return factor if is_float(x.element_type) else int(factor)


@converter("FusedMatMul", "TransposeMatMul", domain=MICROSOFT, several_steps=True)
def convert_fused_matmul(node: Node) -> Value:
    result = node.b.matmul(
        node.input(0),
        node.input(1),
        transpose_a=bool(node.attribute("transA", 0)),
        transpose_b=bool(node.attribute("transB", 0)),
    )
    return node.b.mul_scalar(result, node.attribute("alpha", 1.0))


@converter("Det", several_steps=True)
def convert_det(node: Node) -> Value:
    """Of up to three rows by its definition, else on the host."""
    x, b = node.input(0), node.b
    if x.rank < 2:
        node.invalid(f"expected matrices, got {x.type}")
    node.relate(x.dims[-2], x.dims[-1], "the number of rows of a matrix")
    rows = x.dims[-1]
    if rows not in (1, 2, 3):
        return b.op(graph.DeterminantOp, x)
    places = range(int(rows))
    cells = [[_cell(node, x, row, column) for column in places] for row in places]
    return _determinant(node, cells)


def _cell(node: Node, x: Value, row: int, column: int) -> Value:
    axes = [x.rank - 2, x.rank - 1]
    return node.b.squeeze(node.b.slice(x, axes, [row, column], [row + 1, column + 1]), axes)


def _determinant(node: Node, cells: list[list[Value]]) -> Value:
    """Along the first row."""
    b, (first, *others) = node.b, cells
    if not others:
        return first[0]
    minors = [_determinant(node, [[*row[:place], *row[place + 1 :]] for row in others]) for place in range(len(first))]
    terms = [b.mul(cell, minor) for cell, minor in zip(first, minors)]
    result = terms[0]
    for place, term in enumerate(terms[1:], 1):
        result = b.sub(result, term) if place % 2 else b.add(result, term)
    return result
