"""Folds multiplications and additions by constants into the weights of convolutions and matrix products."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass

from ...dialects import graph
from ...dialects.graph.types import bf16, f16, f32
from .rewriting import Rewriter, fields_of, graph_blocks, type_of

_Product = graph.ConvOp | graph.MatmulOp


@dataclass(frozen=True)
class GraphFoldBatchNormPass(ModulePass):
    """Scales and shifts a channel by its weights: batch normalisation at inference costs nothing.

    before::

        %1 = graph.conv %x, %w : (...) -> !graph.tensor<N x 8 x H x W x f32>
        %2 = graph.mul %1, %factor : (..., !graph.tensor<8 x 1 x 1 x f32>) -> ...
        %3 = graph.add %2, %shift : (..., !graph.tensor<8 x 1 x 1 x f32>) -> ...

    after::

        %w_folded = graph.constant @w_folded : ...
        %bias = graph.constant @w_bias : !graph.tensor<8 x f32>
        %3 = graph.conv %x, %w_folded, %bias : (...) -> !graph.tensor<N x 8 x H x W x f32>

    The same before a convolution (an addition only where it has no padding, which would have to be shifted
    too), and a multiplication after a matrix product with constant weights. New weights are computed in float64, and
    are f32 where a product of f16 or bf16 is followed by arithmetic in f32: it is not rounded in between.
    """

    name = "graph-fold-batch-norm"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        rewriter = Rewriter(ctx)
        for block in graph_blocks(op):
            for operation in list(block.ops):
                if isinstance(operation, graph.MulOp | graph.AddOp | graph.SubOp | graph.DivOp):
                    fold_after(operation, rewriter)
                elif isinstance(operation, graph.ConvOp):
                    fold_before(operation, rewriter)


def fold_after(operation: graph.BinaryOp, rewriter: Rewriter) -> None:
    """conv(x, w) * s -> conv(x, w * s); conv(x, w) + t -> conv(x, w, t); matmul(x, w) * s -> matmul(x, w * s)."""
    for product, other in _orders(operation):
        if not type_of(product).same_shape(operation.result_types[0]):
            continue
        amount = rewriter.array(other)
        if amount is None or amount.dtype.kind != "f":
            continue
        producer = _product_in_f32(product, amount, rewriter) or product.owner
        if not isinstance(producer, graph.ConvOp | graph.MatmulOp) or not producer.result.has_one_use():
            continue
        wide = amount.astype(np.float64)
        if isinstance(producer, graph.ConvOp):
            folded = _fold_into_conv(operation, producer, wide, rewriter)
        else:
            folded = _fold_into_matmul(operation, producer, wide, rewriter)
        if folded:
            return


def _product_in_f32(product: SSAValue, amount: np.ndarray, rewriter: Rewriter) -> _Product | None:
    """Of a product of narrow floats, cast to f32 next, one in f32 that stands for both; None for anything else.

    The machine sums in f32 whatever is multiplied, so that only a rounding is left out.
    """
    cast = product.owner
    if not isinstance(cast, graph.CastOp) or type_of(product).element_type != f32 or not product.has_one_use():
        return None
    narrow = cast.x.owner
    if not isinstance(narrow, _Product) or not cast.x.has_one_use():
        return None
    arrays = [rewriter.array(value) for value in narrow.operands[1:]]
    is_narrow = type_of(cast.x).element_type in (f16, bf16)
    type_ = type_of(product)
    axis, columns = (1, type_.dims[1]) if isinstance(narrow, graph.ConvOp) else (type_.rank - 1, type_.dims[-1])
    if not is_narrow or any(array is None for array in arrays) or not isinstance(columns, int):
        return None
    if per_channel(amount, type_.rank, columns, axis) is None:
        return None
    x = narrow.operands[0]
    operands: list[SSAValue] = [rewriter.insert(narrow, graph.CastOp([x], [type_of(x).with_element(f32)]))]
    for value, array in zip(narrow.operands[1:], arrays, strict=True):
        assert array is not None
        operands.append(rewriter.constant(narrow, array.astype(np.float32), f"{rewriter.handle(value)}.f32"))
    wide = narrow.with_values(operands, [type_])
    rewriter.replace(cast, [rewriter.insert(narrow, wide)])
    narrow.detach()
    narrow.erase()
    return wide


def _orders(operation: graph.BinaryOp) -> list[tuple[SSAValue, SSAValue]]:
    pairs = [(operation.a, operation.b)]
    return pairs if isinstance(operation, graph.SubOp | graph.DivOp) else [*pairs, (operation.b, operation.a)]


def per_channel(amount: np.ndarray, rank: int, channels: int, axis: int) -> np.ndarray | None:
    """The vector over one axis of a tensor that broadcasting makes of a constant; None if it varies along others."""
    shape = (1,) * (rank - amount.ndim) + amount.shape
    if len(shape) > rank or any(size != 1 for i, size in enumerate(shape) if i != axis):
        return None
    return np.broadcast_to(amount.reshape(-1), (channels,)) if amount.size in (1, channels) else None


def _fold_into_conv(operation: graph.BinaryOp, conv: graph.ConvOp, amount: np.ndarray, rewriter: Rewriter) -> bool:
    weights = rewriter.array(conv.w)
    bias = rewriter.array(conv.bias) if conv.bias is not None else None
    if weights is None or (conv.bias is not None and bias is None):
        return False
    vector = per_channel(amount, type_of(conv.result).rank, weights.shape[0], 1)
    if vector is None:
        return False
    scale, shift = _affine(operation, vector)
    old_bias = np.zeros(len(vector)) if bias is None else bias.astype(np.float64)
    keep_bias = bias is not None or shift.any()
    new_weights = weights.astype(np.float64) * scale.reshape(-1, *[1] * (weights.ndim - 1))
    _rebuild(operation, conv, conv.x, new_weights, old_bias * scale + shift if keep_bias else None, rewriter)
    return True


def _affine(operation: graph.BinaryOp, vector: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Factor and summand of each channel."""
    ones, zeros = np.ones_like(vector), np.zeros_like(vector)
    match operation:
        case graph.MulOp():
            return vector, zeros
        case graph.DivOp():
            return 1.0 / vector, zeros
        case graph.SubOp():
            return ones, -vector
    return ones, vector


def _rebuild(
    replaced: Operation,
    conv: graph.ConvOp,
    x: SSAValue,
    weights: np.ndarray,
    bias: np.ndarray | None,
    rewriter: Rewriter,
) -> None:
    """A convolution with other weights in the place of ``replaced``; the old one, if it is another, goes."""
    dtype, hint = type_of(conv.w).dtype, _hint(rewriter.handle(conv.w), "folded")
    operands: list[SSAValue] = [x]
    if np.array_equal(weights, np.asarray(rewriter.array(conv.w), np.float64)):
        operands.append(conv.w)
    else:
        operands.append(rewriter.constant(conv, weights.astype(dtype), hint))
    if bias is not None:
        operands.append(rewriter.constant(conv, bias.astype(dtype), _hint(rewriter.handle(conv.w), "bias")))
    new = graph.ConvOp(operands, conv.result_types, **fields_of(conv))
    # At the convolution's own place: what follows it may read constants defined only later.
    result = rewriter.insert(conv, new)
    rewriter.replace(replaced, [result])
    if replaced is not conv:
        conv.detach()
        conv.erase()


def _hint(handle: str, suffix: str) -> str:
    return handle if handle.endswith(f".{suffix}") else f"{handle}.{suffix}"


def has_few_bits(weights: np.ndarray) -> bool:
    """Whether all are whole numbers of 8 bits, less a zero point maybe, as which they can be stored."""
    flat = weights.reshape(-1)
    return all(bool(np.all((np.abs(part) <= 255) & (part == np.rint(part)))) for part in (flat[:4096], flat))


def _fold_into_matmul(
    operation: graph.BinaryOp, matmul: graph.MatmulOp, amount: np.ndarray, rewriter: Rewriter
) -> bool:
    if not isinstance(operation, graph.MulOp | graph.DivOp):
        return False
    weights = rewriter.array(matmul.b)
    if weights is None or weights.ndim != 2 or has_few_bits(weights):
        return False
    columns = weights.shape[0 if matmul.transpose_b else 1]
    vector = per_channel(amount, type_of(matmul.result).rank, columns, type_of(matmul.result).rank - 1)
    if vector is None:
        return False
    scale, _ = _affine(operation, vector)
    scaled = weights.astype(np.float64) * (scale.reshape(-1, 1) if matmul.transpose_b else scale)
    constant = rewriter.constant(matmul, scaled.astype(weights.dtype), _hint(rewriter.handle(matmul.b), "folded"))
    new = matmul.with_values([matmul.a, constant], matmul.result_types)
    result = rewriter.insert(matmul, new)
    rewriter.replace(operation, [result])
    matmul.detach()
    matmul.erase()
    return True


def fold_before(conv: graph.ConvOp, rewriter: Rewriter) -> None:
    """conv(x * s, w) -> conv(x, w * s); conv(x + t, w) -> conv(x, w, sum of w * t) without padding."""
    producer = conv.x.owner
    if not isinstance(producer, graph.MulOp | graph.AddOp | graph.SubOp | graph.DivOp) or not conv.x.has_one_use():
        return
    weights = rewriter.array(conv.w)
    bias = rewriter.array(conv.bias) if conv.bias is not None else None
    if weights is None or (conv.bias is not None and bias is None):
        return
    shifts = isinstance(producer, graph.AddOp | graph.SubOp)
    if shifts and any(conv.pads):
        return
    for x, other in _orders(producer):
        amount = rewriter.array(other)
        channels = weights.shape[1] * conv.group
        if amount is None or amount.dtype.kind != "f" or not type_of(x).same_shape(type_of(conv.x)):
            continue
        vector = per_channel(amount.astype(np.float64), type_of(x).rank, channels, 1)
        if vector is None:
            continue
        scale, shift = _affine(producer, vector)
        wide = weights.astype(np.float64)
        per_weight = _of_each_weight(scale, weights, conv.group)
        summand = (wide * _of_each_weight(shift, weights, conv.group)).reshape(len(wide), -1).sum(1)
        new_bias = None if bias is None and not shift.any() else summand + (0.0 if bias is None else bias)
        _rebuild(conv, conv, x, wide * per_weight, new_bias, rewriter)
        producer.detach()
        producer.erase()
        return


def _of_each_weight(vector: np.ndarray, weights: np.ndarray, group: int) -> np.ndarray:
    """The entry of the input channel that each weight meets, shaped to broadcast with the weights."""
    per_group = np.repeat(vector.reshape(group, -1), weights.shape[0] // group, axis=0)
    return per_group.reshape(*per_group.shape, *[1] * (weights.ndim - 2))
