"""Operators that decoders of language models are made of. Source: ONNX, and onnxruntime's ContribOperators.md.

Axes: B sequences, S new tokens, P tokens before (``past``), T = P + S, H heads of queries, K heads of keys and values,
D numbers in a head.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...dialects import graph
from ...dialects.graph.types import i64
from ...dialects.shape import Dim, add, multiply
from ..node import Node
from ..operator_sets import MICROSOFT
from ..registry import converter
from ..values import Value

_PLAIN = "export the model without it"
# Inputs and attributes of GroupQueryAttention that change what it computes, and are not computed here.
_REFUSED_INPUTS = {11: "head_sink", 12: "k_scale", 13: "v_scale", 14: "q_norm_weight", 15: "k_norm_weight"}
_REFUSED_ATTRIBUTES = ("smooth_softmax", "qk_output", "kv_cache_bit_width", "sliding_window_cache")


@converter("RotaryEmbedding", domain=MICROSOFT)
def convert_rotary_embedding(node: Node) -> Value:
    """x [B, S, H * D] or [B, H, S, D]; positions [B, S], or [1], that of the first token."""
    if node.attribute("is_packed_batching", 0):
        node.unsupported("sequences of several lengths packed in one (is_packed_batching)", _PLAIN)
    x, positions, cos, sin = (node.input(index) for index in range(4))
    b, heads = node.b, node.attribute("num_heads", 0)
    rotated = node.attribute("rotary_embedding_dim", 0)
    split = x
    if x.rank == 3:
        size = node.divided(x.dims[2], heads) if heads and rotated else multiply(2, cos.dims[1])
        if not isinstance(size, int):
            node.unknown_size("a head", size)
        split = split_heads(node, x, node.divided(x.dims[2], size), size)
    sequence = split.dims[2]
    if positions.rank == 1:
        positions = b.unsqueeze(b.add(b.iota(sequence, positions.element_type), positions), [0])
    result = rotary(node, split, positions, cos, sin, interleaved=bool(node.attribute("interleaved", 0)))
    result = b.mul_scalar(result, node.attribute("scale", 1.0)) if node.attribute("scale", 1.0) != 1.0 else result
    return joined_heads(node, result) if x.rank == 3 else result


def rotary(node: Node, x: Value, positions: Value, cos: Value, sin: Value, *, interleaved: bool) -> Value:
    """x [B, H, S, D] with its first 2 * R numbers turned by the angles [S, R] of their positions, in pairs.

    A pair is a number and the R-th after it, or two neighbours (``interleaved``).
    """
    b = node.b
    half, size = cos.dims[1], x.dims[3]
    if not isinstance(half, int) or not isinstance(size, int) or 2 * half > size:
        node.invalid(f"cos_cache is {cos.type}: it has an angle for each pair of a head's {size} numbers")
    angles = [b.unsqueeze(b.gather(table, positions), [1]) for table in (cos, sin)]
    turned, rest = b.split(x, 3, [2 * half, size - 2 * half]) if 2 * half < size else (x, None)
    if interleaved:
        pairs = b.reshape(turned, (*turned.dims[:3], half, 2))
        first, second = (b.squeeze(part, [4]) for part in b.split(pairs, 4, [1, 1]))
    else:
        first, second = b.split(turned, 3, [half, half])
    c, s = angles
    parts = [b.sub(b.mul(first, c), b.mul(second, s)), b.add(b.mul(second, c), b.mul(first, s))]
    if interleaved:
        result = b.reshape(b.concat([b.unsqueeze(part, [4]) for part in parts], 4), turned.dims)
    else:
        result = b.concat(parts, 3)
    return result if rest is None else b.concat([result, rest], 3)


def split_heads(node: Node, x: Value, count: Dim, size: Dim) -> Value:
    """[B, S, H * D] as [B, H, S, D]."""
    return node.b.transpose(node.b.reshape(x, (*x.dims[:2], count, size)), [0, 2, 1, 3])


def joined_heads(node: Node, x: Value) -> Value:
    """[B, H, S, D] as [B, S, H * D]."""
    batch, heads, sequence, size = x.dims
    return node.b.reshape(node.b.transpose(x, [0, 2, 1, 3]), (batch, sequence, multiply(heads, size)))


@converter("GroupQueryAttention", domain=MICROSOFT)
def convert_group_query_attention(node: Node) -> list[Value | None]:
    """Queries attend to the keys of all tokens up to their own, those before (``past``) included.

    ``past`` holds the tokens before and no room for more. Of several sequences each has as many tokens as seqlens_k
    says, the first of them before; new ones follow, and what is left of T is not read.
    """
    for index, name in _REFUSED_INPUTS.items():
        if node.optional(index) is not None:
            node.unsupported(f"the input {name} is not computed", _PLAIN)
    for name in _REFUSED_ATTRIBUTES:
        if node.attribute(name, 0) not in (0, -1):
            node.unsupported(f"{name} = {node.attribute(name)} is not computed", _PLAIN)
    query, key, value = _three(node)
    cache = _Cache.of(node, query)
    if node.attribute("do_rotary", 0):
        cos, sin = node.input(7), node.input(8)
        positions = cache.positions if node.optional(9) is None else node.input(9)
        interleaved = bool(node.attribute("rotary_interleaved", 0))
        query, key = (rotary(node, x, positions, cos, sin, interleaved=interleaved) for x in (query, key))
    keys, values = (cache.grown(x, node.optional(index)) for x, index in ((key, 3), (value, 4)))
    scale = node.attribute("scale", 0.0) or 1.0 / math.sqrt(int(query.dims[3]))
    mask = cache.mask(node.attribute("local_window_size", -1), bool(node.attribute("causal", 1)))
    result = _attend(node, query, keys, values, scale, mask)
    return [joined_heads(node, result), keys, values, None][: node.output_count]


def _three(node: Node) -> tuple[Value, Value, Value]:
    """Queries [B, H, S, D], keys and values [B, K, S, D]; all three may lie in one tensor."""
    heads, few = node.attribute("num_heads"), node.attribute("kv_num_heads")
    query, key, value = node.input(0), node.optional(1), node.optional(2)
    if heads % few:
        node.invalid(f"{heads} heads of queries are no multiple of the {few} of keys")
    if key is None or value is None:
        size = node.divided(query.dims[2], heads + 2 * few)
        query, key, value = node.b.split(query, 2, [multiply(count, size) for count in (heads, few, few)])
    size = node.divided(query.dims[2], heads)
    if not isinstance(size, int):
        node.unknown_size("a head", size)
    if key.rank == 4:
        return split_heads(node, query, heads, size), key, value
    return split_heads(node, query, heads, size), split_heads(node, key, few, size), split_heads(node, value, few, size)


@dataclass(frozen=True)
class _Cache:
    """Where tokens lie: P of them before, S new ones; ``before``, how many each sequence has before, [B, 1] or one."""

    node: Node
    batch: Dim
    past: Dim
    sequence: Dim
    before: Value
    is_single: bool

    @classmethod
    def of(cls, node: Node, query: Value) -> _Cache:
        b, (batch, _, sequence, _) = node.b, query.dims
        past = 0 if node.optional(3) is None else node.input(3).dims[2]
        total = add(past, sequence)
        stated = node.input(6).dimensions()
        if stated is not None and len(stated) == 1:
            node.relate(stated[0], total, "total_sequence_length, the tokens in past and the new ones together")
        is_single = batch == 1 or past == 0
        if is_single:
            before = b.dim_values([past], i64, shape=())
        else:
            lengths = b.reshape(b.cast(node.input(5), i64), (batch, 1))
            before = b.maximum(b.sub(lengths, b.dim_values([add(sequence, -1)], i64, shape=())), b.scalar(0, i64))
        return cls(node, batch, past, sequence, before, is_single)

    @property
    def positions(self) -> Value:
        """Of the new tokens, [B or 1, S]."""
        b = self.node.b
        return b.add(b.unsqueeze(b.iota(self.sequence), [0]), self.before)

    def grown(self, new: Value, past: Value | None) -> Value:
        """Tokens before and new ones, [B, K, T, D]; each sequence's new ones follow on what it has."""
        b = self.node.b
        if past is None:
            return new
        both = b.concat([past, new], 2)
        if self.is_single:
            return both
        place = b.unsqueeze(b.iota(both.dims[2]), [0])
        gap = b.sub(b.dim_values([self.past], i64, shape=()), self.before)
        last = b.dim_values([add(both.dims[2], -1)], i64, shape=())
        source = b.where(b.op(graph.LessOp, place, self.before), place, b.minimum(b.add(place, gap), last))
        indices = b.broadcast_to(b.reshape(source, (self.batch, 1, both.dims[2], 1)), both.dims)
        return b.op(graph.GatherElementsOp, both, indices, axis=2)

    def mask(self, window: int, causal: bool) -> Value | None:
        """Whether a new token reads one, [B or 1, 1, S, T]; of the last ``window`` alone, where that is positive."""
        b = self.node.b
        if not causal:
            self.node.unsupported("attention to tokens that follow (causal = 0)", _PLAIN)
        own = b.unsqueeze(self.positions, [1, 3])
        place = b.reshape(b.iota(add(self.past, self.sequence)), (1, 1, 1, add(self.past, self.sequence)))
        reads = b.op(graph.LessEqualOp, place, own)
        if window > 0:
            reads = b.op(graph.AndOp, reads, b.op(graph.GreaterOp, place, b.add_scalar(own, -window)))
        return reads


def _attend(node: Node, query: Value, keys: Value, values: Value, scale: float, mask: Value | None) -> Value:
    """softmax(query keys^T * scale) values; heads of queries that share one of keys are an axis of their own."""
    b, (batch, heads, sequence, size) = node.b, query.dims
    few = keys.dims[1]
    groups = (batch, few, int(heads) // int(few))
    scores = b.matmul(b.reshape(query, (*groups, sequence, size)), b.unsqueeze(keys, [2]), transpose_b=True)
    scores = b.mul_scalar(scores, scale)
    cap = node.attribute("softcap", 0.0)
    if cap > 0:
        scores = b.mul_scalar(b.op(graph.TanhOp, b.mul_scalar(scores, 1 / cap)), cap)
    if node.optional(10) is not None:
        scores = b.add(scores, _by_groups(node, node.input(10), groups))
    if mask is not None:
        scores = b.where(b.unsqueeze(mask, [2]), scores, b.scalar_like(-math.inf, scores))
    return b.reshape(b.matmul(b.softmax(scores, 4), b.unsqueeze(values, [2])), query.dims)


def _by_groups(node: Node, bias: Value, groups: tuple[Dim, Dim, int]) -> Value:
    """A bias [B or 1, H or 1, S, T] with heads by those that share keys."""
    if bias.dims[1] == 1:
        return node.b.unsqueeze(bias, [2])
    return node.b.reshape(bias, (bias.dims[0], *groups[1:], *bias.dims[2:]))


@converter("TensorScatter", since=24)
def convert_tensor_scatter(node: Node) -> Value:
    """past with ``update`` written along an axis, from a place on that each sequence of the batch has its own of."""
    past, update, b = node.input(0), node.input(1), node.b
    axis = node.axis(node.attribute("axis", -2), past.rank)
    room, count = past.dims[axis], update.dims[axis]
    b.symbols.require_at_least(room, count, f"{node.describe()}: past has room for the update")
    along = [room if place == axis else 1 for place in range(past.rank)]
    place = b.reshape(b.iota(room), along)
    first = node.optional(2)
    if first is not None:
        starts = b.reshape(b.cast(first, i64), (past.dims[0], *[1] * (past.rank - 1)))
        place = b.sub(place, starts)
        if node.attribute("mode", "linear") == "circular":
            around = b.add(place, b.dim_values([room], i64, shape=()))
            place = b.where(b.op(graph.LessOp, place, b.scalar(0, i64)), around, place)
    zero, end = b.scalar(0, i64), b.dim_values([count], i64, shape=())
    is_new = b.op(graph.AndOp, b.op(graph.GreaterEqualOp, place, zero), b.op(graph.LessOp, place, end))
    if count != 1:
        source = b.minimum(b.maximum(place, zero), b.sub(end, b.scalar(1, i64)))
        update = b.op(graph.GatherElementsOp, update, b.broadcast_to(source, past.dims), axis=axis)
    return b.where(is_new, update, past)
