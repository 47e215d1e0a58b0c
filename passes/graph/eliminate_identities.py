"""Removes operations that leave their operand as it is, and merges pairs that undo or extend each other."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass

from ...dialects import graph
from ...dialects.graph import GraphOperation
from ...dialects.graph.movement import is_full_slice
from ...dialects.graph.types import is_float, is_integer
from ...dialects.shape import add, same_dimension
from .rewriting import Rewriter, defined_by, graph_blocks, type_of


@dataclass(frozen=True)
class GraphEliminateIdentitiesPass(ModulePass):
    """Drops no-ops; merges chains of reshapes, transposes, slices and casts; takes slices of a concat from its part.

    before::

        %0 = graph.transpose %x permutation [0, 2, 3, 1] : (!graph.tensor<N x 8 x 4 x 4 x f32>) -> ...
        %1 = graph.transpose %0 permutation [0, 3, 1, 2] : (!graph.tensor<N x 4 x 4 x 8 x f32>) -> ...
        %2 = graph.relu %1 : !graph.tensor<N x 8 x 4 x 4 x f32>

    after::

        %2 = graph.relu %x : !graph.tensor<N x 8 x 4 x 4 x f32>
    """

    name = "graph-eliminate-identities"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        rewriter = Rewriter(ctx)
        for block in graph_blocks(op):
            for operation in list(block.ops):
                simplify = _RULES.get(type(operation))
                if simplify is None or not isinstance(operation, GraphOperation):
                    continue
                value = simplify(operation, rewriter)
                if value is not None:
                    rewriter.replace(operation, [value])


def _same_type(operation: GraphOperation, rewriter: Rewriter) -> SSAValue | None:
    x = operation.operands[0]
    return x if type_of(x).same_shape(operation.result_types[0]) else None


def _reshape(operation: graph.ReshapeOp, rewriter: Rewriter) -> SSAValue | None:
    """reshape(reshape(x)) -> reshape(x)."""
    before = defined_by(operation.x, graph.ReshapeOp)
    if before is None:
        return _same_type(operation, rewriter)
    if type_of(before.x).same_shape(operation.result_types[0]):
        return before.x
    return rewriter.insert(operation, graph.ReshapeOp([before.x], operation.result_types))


def _transpose(operation: graph.TransposeOp, rewriter: Rewriter) -> SSAValue | None:
    """transpose(transpose(x)) -> transpose(x); one that only moves axes of length 1 is a reshape."""
    permutation, x = operation.permutation, operation.x
    before = defined_by(x, graph.TransposeOp)
    if before is not None:
        permutation = tuple(before.permutation[axis] for axis in permutation)
        x = before.x
    if list(permutation) == list(range(len(permutation))):
        return x
    dims = type_of(x).dims
    if sorted(moved := [axis for axis in permutation if dims[axis] != 1]) == moved:
        return rewriter.insert(operation, graph.ReshapeOp([x], operation.result_types))
    if before is None:
        return None
    return rewriter.insert(operation, graph.TransposeOp([x], operation.result_types, permutation=permutation))


def _cast(operation: graph.CastOp, rewriter: Rewriter) -> SSAValue | None:
    """A cast to the type that is there, or back from a wider one."""
    target = operation.result_types[0].element_type
    if type_of(operation.x).element_type == target:
        return operation.x
    before = defined_by(operation.x, graph.CastOp)
    if before is None or type_of(before.x).element_type != target:
        return None
    middle = type_of(operation.x)
    wider = middle.dtype.itemsize > operation.result_types[0].dtype.itemsize
    same_kind = is_float(middle.element_type) == is_float(target) and is_integer(middle.element_type) == is_integer(
        target
    )
    return before.x if wider and same_kind and not operation.saturate else None


def _slice(operation: graph.SliceOp, rewriter: Rewriter) -> SSAValue | None:
    if is_full_slice(operation):
        return operation.x
    concat = defined_by(operation.x, graph.ConcatOp)
    if concat is not None and operation.axes == (concat.axis,) and operation.all_steps == (1,):
        return _part_of_concat(operation, concat, rewriter)
    return None


def _part_of_concat(operation: graph.SliceOp, concat: graph.ConcatOp, rewriter: Rewriter) -> SSAValue | None:
    """slice(concat(a, b)) that lies within a or b is a slice of it, or all of it."""
    start, end, offset = operation.starts[0], operation.ends[0], 0
    for part in concat.parts:
        size = type_of(part).dims[concat.axis]
        if not all(isinstance(d, int) for d in (start, end, offset, size)):
            matches = same_dimension(start, offset) and same_dimension(end, add(offset, size))
            if matches:
                return part
        elif offset <= start and end <= offset + size:  # pyright: ignore[reportOperatorIssue]
            if end - start == size:  # pyright: ignore[reportOperatorIssue]
                return part
            bounds: dict[str, Any] = {"starts": [start - offset], "ends": [end - offset]}  # pyright: ignore
            return rewriter.insert(operation, graph.SliceOp([part], axes=operation.axes, **bounds))
        offset = add(offset, size)
    return None


def _concat(operation: graph.ConcatOp, rewriter: Rewriter) -> SSAValue | None:
    return operation.parts[0] if len(operation.parts) == 1 else None


def _pad(operation: graph.PadOp, rewriter: Rewriter) -> SSAValue | None:
    return operation.x if all(same_dimension(p, 0) for p in operation.pads) else None


def _twice(operation: GraphOperation, rewriter: Rewriter) -> SSAValue | None:
    """relu(relu(x)) -> relu(x), and so for all that change nothing the second time."""
    return operation.operands[0] if defined_by(operation.operands[0], type(operation)) is not None else None


def _undone(operation: GraphOperation, rewriter: Rewriter) -> SSAValue | None:
    """neg(neg(x)) -> x."""
    before = defined_by(operation.operands[0], type(operation))
    return None if before is None else before.operands[0]


def _neutral(element: float, *, commutes: bool) -> Callable[[Any, Rewriter], SSAValue | None]:
    """x + -0, x - 0, x * 1 and the like, where the result has the shape of x.

    The sign of a zero counts: -0 + 0 is 0. Integers have one zero.
    """

    def simplify(operation: GraphOperation, rewriter: Rewriter) -> SSAValue | None:
        a, b = operation.operands
        for x, other in ((a, b), (b, a)) if commutes else ((a, b),):
            number = rewriter.number(other)
            if number is None or number != element or not type_of(x).same_shape(operation.result_types[0]):
                continue
            is_signed = is_float(operation.result_types[0].element_type)
            if not is_signed or math.copysign(1, number) == math.copysign(1, element):
                return x
        return None

    return simplify


def _where(operation: graph.WhereOp, rewriter: Rewriter) -> SSAValue | None:
    condition = rewriter.number(operation.condition)
    if condition is None:
        return None
    chosen = operation.a if condition else operation.b
    return chosen if type_of(chosen).same_shape(operation.result_types[0]) else None


_RULES: dict[type, Callable[[Any, Rewriter], SSAValue | None]] = {
    graph.ReshapeOp: _reshape,
    graph.TransposeOp: _transpose,
    graph.BroadcastToOp: _same_type,
    graph.CastOp: _cast,
    graph.SliceOp: _slice,
    graph.ConcatOp: _concat,
    graph.PadOp: _pad,
    graph.ReluOp: _twice,
    graph.AbsOp: _twice,
    graph.FloorOp: _twice,
    graph.CeilOp: _twice,
    graph.NegOp: _undone,
    graph.NotOp: _undone,
    graph.AddOp: _neutral(-0.0, commutes=True),
    graph.SubOp: _neutral(0.0, commutes=False),
    graph.MulOp: _neutral(1.0, commutes=True),
    graph.DivOp: _neutral(1.0, commutes=False),
    graph.PowOp: _neutral(1.0, commutes=False),
    graph.WhereOp: _where,
}
