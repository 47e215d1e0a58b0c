"""How attention is walked: strips of queries, and blocks of keys whose scores stay in the cache."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from xdsl.ir import Operation

from ..dialects.attention_decisions import Attention
from ..dialects.kernel import AttentionOp
from ..dialects.masked_scores import is_masked
from ..dialects.operand_layouts import lies_along
from ..dialects.shape import Dim
from .tiling import even_tile, rows_in_registers

if TYPE_CHECKING:
    from ..dialects.layout import TensorType
    from ..machines import Target

# The share of L2 that scores of a strip may take.
SHARE_OF_L2 = 4
# Keys of a block where it is not known how many there are.
UNKNOWN_KEYS = 512
# Queries that leave so many lanes of a strip empty that they had better go one by one.
FEW_QUERIES = 4
# Heads and keys of their tile, at most.
MOST_HEADS, MOST_KEYS = 6, 16
# Rows so many bytes apart share one set of the innermost cache, which holds no more of them at once.
PAGE_BYTES, ROWS_OF_SET = 4096, 6
# A wider strip is worth so much more work on queries that do not exist, for each vector that it has more.
WORTH_A_VECTOR = 1.03


def attention_strips(kernel: Operation, target: Target) -> Attention:
    """The decisions for a kernel of attention."""
    assert isinstance(kernel, AttentionOp)
    queries, values = kernel.type.dims[-2:]
    k = kernel.in_type(1)
    strip = strip_of(queries, target)
    columns = target.gemm_tile[1]
    if isinstance(values, int):
        columns = min(columns, max(1, -(-values // target.lanes)) * target.lanes)
    most_keys = rows_in_registers(target, strip // target.lanes)
    if _lies_pages_apart(k):
        most_keys = min(most_keys, ROWS_OF_SET)
    few = FEW_QUERIES if all(lies_along(kernel.in_type(index), -1) for index in (0, 1)) else 0
    if isinstance(queries, int) and queries > few:
        few = 0
    decided = Attention(
        strip=strip,
        rows=even_tile(strip, min(strip, rows_in_registers(target, columns // target.lanes))),
        columns=columns,
        keys=even_tile(k.dims[-2], most_keys),
        key_block=key_block(k.dims[-2], strip, target),
        skip_lanes=target.lanes if is_masked(kernel) else 0,
    )
    if not few:
        return decided
    if isinstance(queries, int):
        decided = replace(decided, skip_lanes=0)
    heads = min(kernel.group, MOST_HEADS)
    room = (target.vector_registers - heads - 1) // heads
    return replace(
        decided, few_queries=few, few_keys=min(MOST_KEYS, 1 << room.bit_length() - 1), depth_lanes=target.lanes
    )


def strip_of(queries: Dim, target: Target) -> int:
    """Queries of a strip: few that do not exist in the last one, and as many vectors as a tile holds."""
    widest = target.gemm_tile[1]
    if not isinstance(queries, int):
        return widest
    widths = range(target.lanes, widest + 1, target.lanes)
    return min(widths, key=lambda width: -(-queries // width) * width * WORTH_A_VECTOR ** -(width // target.lanes))


def key_block(keys: Dim, strip: int, target: Target) -> int:
    """Keys whose scores take a share of L2, in blocks as long as each other; 0 where all of them do."""
    most = target.l2_bytes // SHARE_OF_L2 // (4 * strip)
    if not isinstance(keys, int):
        return min(most, UNKNOWN_KEYS)
    return 0 if keys <= most else -(-keys // -(-keys // most))


def _lies_pages_apart(type_: TensorType) -> bool:
    strides = type_.layout.axis_strides(type_.dims)
    row = None if strides is None else strides[-2]
    return isinstance(row, int) and row * 4 % PAGE_BYTES == 0
