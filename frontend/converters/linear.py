"""Convolutions, matrix products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...dialects import graph
from ...dialects.graph.types import is_float
from ...dialects.shape import add, ceildiv, floordiv, maximum, minimum, multiply, product, subtract
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
        return _shared_out(max(reach - stride + beyond, 0), is_upper)
    begins = {_shared_out(max(reach - stride + rest, 0), is_upper)[0] for rest in range(stride)}
    if len(begins) == 1:
        # With this one the floor of a window's count is ceil(size / stride), whatever the rest.
        (begin,) = begins
        return begin, subtract(reach - 1, begin)
    total = add(reach - stride, beyond)
    return _shared_out(total if reach >= stride else maximum(total, 0), is_upper)


def _shared_out(total: Dim, is_upper: bool) -> tuple[Dim, Dim]:
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


@converter("ConvTranspose", several_steps=True)
def convert_conv_transpose(node: Node) -> Value:
    x, w, bias = node.input(0), node.input(1), node.optional(2)
    rank, group = x.rank - 2, node.attribute("group", 1)
    w, kernel = with_known_kernel(node, w)
    strides = node.attribute("strides", [1] * rank)
    dilations = node.attribute("dilations", [1] * rank)
    output_padding = node.attribute("output_padding", [0] * rank)
    wanted_pads = _transposed_pads(node, x, kernel, strides, dilations, output_padding)
    pads = [pad for pad in wanted_pads if isinstance(pad, int)]
    cut: Sequence[Dim] = []
    if len(pads) < len(wanted_pads):
        pads, cut = [0] * 2 * rank, wanted_pads
    plain = kernel == strides and not any(pads) and not any(output_padding) and set(dilations) <= {1}
    if plain and group == 1:
        result = _patches(node, x, w, kernel)
    else:
        result = _through_conv(node, x, w, group, kernel, strides, pads, dilations, output_padding)
    if cut:
        begin, end = ([multiply(-1, pad) for pad in part] for part in (cut[:rank], cut[rank:]))
        result = node.b.pad(result, [0, 0, *begin, 0, 0, *end])
    if bias is None:
        return result
    return node.b.add(result, node.b.reshape(bias, (*bias.dims, *[1] * rank)))


def _transposed_pads(
    node: Node, x: Value, kernel: list[int], strides: list[int], dilations: list[int], output_padding: list[int]
) -> Sequence[Dim]:
    """What is cut from the full result, resolved from pads, auto_pad or output_shape."""
    mode, rank = node.attribute("auto_pad", "NOTSET"), len(kernel)
    wanted: Sequence[Dim] | None = node.attribute("output_shape", None)
    if wanted is None and mode in ("NOTSET", "VALID"):
        return node.attribute("pads", [0] * 2 * rank) if mode == "NOTSET" else [0] * 2 * rank
    pairs = []
    for axis in range(rank):
        size, reach = x.dims[2 + axis], (kernel[axis] - 1) * dilations[axis] + 1
        if wanted is None:
            total: Dim = output_padding[axis] + reach - strides[axis]
        else:
            full = add(multiply(subtract(size, 1), strides[axis]), output_padding[axis] + reach)
            total = subtract(full, wanted[len(wanted) - rank + axis])
        # What is missing are zeros after the result, as onnxruntime has it, which negative pads give.
        missing = minimum(total, 0)
        begin, end = _shared_out(maximum(total, 0), mode == "SAME_UPPER")
        pairs.append((begin, add(end, missing)))
    return [begin for begin, _ in pairs] + [end for _, end in pairs]


def _patches(node: Node, x: Value, w: Value, kernel: list[int]) -> Value:
    """Kernel == stride: every input pixel gives its own patch, so a matrix product and a shuffle do it."""
    b, rank = node.b, len(kernel)
    batch, channels, spatial = x.dims[0], x.dims[1], x.dims[2:]
    out_channels = w.dims[1]
    rows = b.reshape(w, (channels, product(w.dims[1:])))
    columns = b.reshape(x, (batch, channels, product(spatial)))
    patches = b.matmul(rows, columns, transpose_a=True)
    split = b.reshape(patches, (batch, out_channels, *kernel, *spatial))
    order = [0, 1]
    for axis in range(rank):
        order += [2 + rank + axis, 2 + axis]
    mixed = b.transpose(split, order)
    return b.reshape(mixed, (batch, out_channels, *(product((s, k)) for s, k in zip(spatial, kernel))))


def _through_conv(
    node: Node,
    x: Value,
    w: Value,
    group: int,
    kernel: list[int],
    strides: list[int],
    pads: list[int],
    dilations: list[int],
    output_padding: list[int],
) -> Value:
    """Zeros put between the pixels, then a convolution with the kernel flipped and its channels swapped."""
    b, rank = node.b, len(kernel)
    stretched = with_zeros_between(node, x, strides)
    channels, per_group = node.divided(w.dims[0], group), w.dims[1]
    grouped = b.reshape(w, (group, channels, *w.dims[1:]))
    swapped = b.transpose(grouped, [0, 2, 1, *range(3, 3 + rank)])
    flat = b.reshape(swapped, (product((group, per_group)), channels, *kernel))
    axes = list(range(2, 2 + rank))
    flipped = b.slice(flat, axes, [k - 1 for k in kernel], [-1] * rank, [-1] * rank)
    reach = [(k - 1) * d for k, d in zip(kernel, dilations)]
    conv_pads = [r - p for r, p in zip(reach, pads[:rank])]
    conv_pads += [r - p + extra for r, p, extra in zip(reach, pads[rank:], output_padding)]
    return convolve(node, [stretched, flipped], strides=[1] * rank, pads=conv_pads, dilations=dilations, group=group)


def with_zeros_between(node: Node, x: Value, strides: list[int]) -> Value:
    """strides - 1 zeros between neighbours along each spatial axis."""
    b = node.b
    for index, stride in enumerate(strides):
        if stride == 1:
            continue
        axis, size = 2 + index, x.dims[2 + index]
        spread = b.unsqueeze(x, [axis + 1])
        pads = [0] * 2 * spread.rank
        pads[spread.rank + axis + 1] = stride - 1
        padded = b.pad(spread, pads)
        merged = b.reshape(padded, (*x.dims[:axis], product((size, stride)), *x.dims[axis + 1 :]))
        # The zeros after the last pixel lie outside.
        x = b.slice(merged, [axis], [0], [subtract(merged.dims[axis], stride - 1)])
    return x


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
    x = node.input(0)
    if x.constant is None:
        node.unsupported(
            "the determinant of a computed matrix cannot be compiled", "export it as a constant, or compute it outside"
        )
    return node.b.constant(np.linalg.det(x.constant).astype(x.type.dtype))
