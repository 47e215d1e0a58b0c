"""Attention of com.microsoft that projects its input itself, on real numbers or quantised ones.

Axes: B sequences, S new tokens, P tokens before (``past``), T = P + S, H heads, D numbers in a head.
Source: onnxruntime's ContribOperators.md.
"""

from __future__ import annotations

import math

from ...dialects import graph
from ...dialects.graph.types import f32, i64
from ...dialects.shape import multiply
from ..node import Node
from ..operator_sets import MICROSOFT
from ..registry import converter
from ..values import Value
from .attention import joined_heads, split_heads
from .linear import matmul
from .quantization import shifted

_PLAIN = "export the model without it"
MASKED = -10000.0
"""What is added to scores that a mask leaves out, unless ``mask_filter_value`` says otherwise."""


@converter("QAttention", domain=MICROSOFT)
def convert_qattention(node: Node) -> list[Value | None]:
    """x [B, S, I] and weights [I, 3 * H * D] as integers, whose products are summed exactly."""
    x, w, bias, scale_x, scale_w = (node.input(index) for index in range(5))
    b = node.b
    total = matmul(node, shifted(node, x, node.optional(6)), shifted(node, w, node.optional(7)))
    scale = b.mul(*(b.reshape(part, ()) if part.dims == (1,) else part for part in (scale_x, scale_w)))
    projected = b.add(b.mul(b.cast(total, f32), scale), bias)
    return _attention(node, projected, node.optional(5), node.optional(8))


@converter("Attention", domain=MICROSOFT, several_steps=True)
def convert_attention(node: Node) -> list[Value | None]:
    """x [B, S, I] and weights [I, 3 * H * D]."""
    for index, name in ((5, "attention_bias"), (6, "past_sequence_length")):
        if node.optional(index) is not None:
            node.unsupported(f"the input {name} is not computed", _PLAIN)
    if len(set(node.attribute("qkv_hidden_sizes", [0]))) > 1:
        node.unsupported("queries, keys and values of several sizes (qkv_hidden_sizes) are not computed", _PLAIN)
    projected, bias = matmul(node, node.input(0), node.input(1)), node.optional(2)
    projected = projected if bias is None else node.b.add(projected, bias)
    return _attention(node, projected, node.optional(3), node.optional(4))


def _attention(node: Node, projected: Value, mask: Value | None, past: Value | None) -> list[Value | None]:
    """Of queries, keys and values side by side, [B, S, 3 * H * D]; past and present hold two [2, B, H, T, D]."""
    if node.attribute("do_rotary", 0) or node.attribute("past_present_share_buffer", 0):
        node.unsupported("do_rotary or past_present_share_buffer", _PLAIN)
    b, heads = node.b, node.attribute("num_heads")
    size = node.divided(projected.dims[2], 3 * heads)
    if not isinstance(size, int):
        node.unknown_size("a head", size)
    parts = b.split(projected, 2, [multiply(heads, size)] * 3)
    query, key, value = (split_heads(node, part, heads, size) for part in parts)
    before = 0 if past is None else past.dims[3]
    if past is not None:
        kept = [b.squeeze(part, [0]) for part in b.split(past, 0, [1, 1])]
        key, value = b.concat([kept[0], key], 2), b.concat([kept[1], value], 2)
    scale = node.attribute("scale", 0.0) or 1.0 / math.sqrt(size)
    scores = b.mul_scalar(b.matmul(query, key, transpose_b=True), scale)
    if node.attribute("unidirectional", 0):
        own = b.unsqueeze(b.add(b.iota(query.dims[2]), b.dim_values([before], i64, shape=())), [1])
        follows = b.op(graph.GreaterOp, b.unsqueeze(b.iota(key.dims[2]), [0]), own)
        scores = b.where(follows, b.scalar_like(-math.inf, scores), scores)
    if mask is not None:
        filled = node.attribute("mask_filter_value", MASKED)
        left_out = b.where(_reads(node, mask, key), b.scalar_like(0, scores), b.scalar_like(filled, scores))
        scores = b.add(scores, left_out)
    result = joined_heads(node, b.matmul(b.softmax(scores, 3), value))
    present = b.concat([b.unsqueeze(key, [0]), b.unsqueeze(value, [0])], 0) if node.wants(1) else None
    return [result, present][: node.output_count]


def _reads(node: Node, mask: Value, key: Value) -> Value:
    """Whether a key is read, [B, 1, 1 or S, T]: by a mask [B, T] or [B, S, T], or by a length [B] of each sequence."""
    b, (batch, _, total, _) = node.b, key.dims
    if mask.rank == 1:
        node.relate(mask.dims[0], batch, "mask_index, a length of each sequence")
        place = b.reshape(b.iota(total, mask.element_type), (1, 1, 1, total))
        return b.op(graph.LessOp, place, b.reshape(mask, (batch, 1, 1, 1)))
    if mask.rank > 3:
        node.unsupported(f"a mask {mask.type}: expected [B], [B, T] or [B, S, T]", _PLAIN)
    read = b.op(graph.NotOp, b.op(graph.EqualOp, mask, b.scalar_like(0, mask)))
    return b.unsqueeze(read, [1, 2] if mask.rank == 2 else [1])
