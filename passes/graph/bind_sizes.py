"""Finds the sizes that depend on data before the operations that have them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, i1, i64
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass

from ...dialects.graph import (
    BindSizesOp,
    CountNonzeroOp,
    DynamicReduceOp,
    DynamicReshapeOp,
    DynamicSqueezeOp,
    DynamicUnsqueezeOp,
    FindDistinctOp,
    GatherOp,
    ListBoxesOp,
    NonMaxSuppressionOp,
    NonzeroOp,
    ReduceOp,
    ReshapeOp,
    SliceOp,
    SuppressBoxesOp,
    TopKOp,
    TransposeOp,
    UniqueOp,
)
from ...dialects.graph.types import GraphTensorType, string
from ...dialects.shape import Dim, minimum, product
from .computed_shapes import (
    SizeWriter,
    reduced,
    reduced_sizes,
    reshaped_sizes,
    squeezed_sizes,
    unsqueezed_sizes,
)
from .rewriting import Rewriter, graph_blocks, type_of

_Reshaping = DynamicReshapeOp | DynamicSqueezeOp | DynamicUnsqueezeOp


@dataclass(frozen=True)
class GraphBindSizesPass(ModulePass):
    """What has a size that depends on data gets that size from a count, so that it is compiled like anything else.

    before::

        %0 = graph.nonzero %x : (!graph.tensor<N x f32>) -> !graph.tensor<1 x found x i64>

    after::

        %1 = graph.count_nonzero %x : (!graph.tensor<N x f32>) -> !graph.tensor<1 x i64>
        %2 = graph.bind_sizes %1 : (!graph.tensor<1 x i64>) -> !graph.tensor<found x i1>
        %0 = graph.nonzero %x : (!graph.tensor<N x f32>) -> !graph.tensor<1 x found x i64>

    Counting is compiled, too; the host does no more than to read the count.
    """

    name = "graph-bind-sizes"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        rewriter = Rewriter(ctx)
        origins: dict[Operation, str] = ctx.origins  # pyright: ignore[reportAttributeAccessIssue]
        for block in list(graph_blocks(op)):
            for operation in list(block.ops):
                rule = _RULES.get(type(operation))
                place = origins.get(operation, "")
                if rule and (bind := rule(rewriter, operation)):
                    origins[bind] = place


def _bind(rewriter: Rewriter, before: Operation, sizes: SSAValue, dims: Sequence[Dim]) -> Operation:
    """Before an operation; gives what binds."""
    if type_of(sizes).dims != (len(dims),):
        flat = type_of(sizes).with_dims([len(dims)])
        sizes = rewriter.insert(before, ReshapeOp([sizes], [flat]))
    bind = BindSizesOp([sizes], [GraphTensorType.of(dims, i1)])
    rewriter.insert(before, bind)
    return bind


def _nonzero(rewriter: Rewriter, op: NonzeroOp) -> Operation:
    count = rewriter.insert(op, CountNonzeroOp([op.x]))
    return _bind(rewriter, op, count, [type_of(op.result).dims[1]])


def _topk(rewriter: Rewriter, op: TopKOp) -> Operation | None:
    """How many are wanted may be known."""
    if op.computed:
        return _bind(rewriter, op, op.k, [type_of(op.top).dims[op.axis]])
    return None


def _non_max_suppression(rewriter: Rewriter, op: NonMaxSuppressionOp) -> Operation:
    """Boxes are kept class by class, in a tensor of as many as there may be; their rows are counted and listed."""
    *classes, boxes = type_of(op.scores).dims
    limit = rewriter.array(op.max_boxes)
    most = boxes if limit is None else minimum(boxes, max(0, int(limit.reshape(-1)[0])))
    types = [GraphTensorType.of([*classes, most], i64), GraphTensorType.of(classes, i64)]
    suppress = SuppressBoxesOp(list(op.operands), types, center_point_box=op.center_point_box)
    rewriter.insert(op, suppress)
    total = rewriter.insert(op, ReduceOp([suppress.counts], kind="sum", axes=(0, 1)))
    rows = ListBoxesOp([suppress.kept, suppress.counts], [type_of(op.result)])
    bind = _bind(rewriter, op, total, [type_of(op.result).dims[0]])
    rewriter.replace_with(op, rows)
    return bind


def _unique(rewriter: Rewriter, op: UniqueOp) -> Operation | None:
    """Rows are compared, of one element or of what lies along the other axes; those that are distinct are gathered."""
    x = type_of(op.x)
    if x.element_type == string:
        return None
    if op.axes:
        (axis,) = op.axes
        order = [axis, *(other for other in range(x.rank) if other != axis)]
        turned = rewriter.insert(op, TransposeOp([op.x], permutation=order))
        shape, source = [x.dims[axis], product([x.dims[other] for other in order[1:]])], op.x
    else:
        axis, shape = 0, [product(x.dims), 1]
        turned = source = rewriter.insert(op, ReshapeOp([op.x], [x.with_dims(shape[:1])]))
    rows = rewriter.insert(op, ReshapeOp([turned], [x.with_dims(shape)]))
    found = FindDistinctOp([rows], unsorted=op.unsorted)
    rewriter.insert(op, found)
    (number,) = type_of(op.counts).dims
    bind = _bind(rewriter, op, found.number, [number])
    first, counts = (
        rewriter.insert(op, SliceOp([values], [type_of(op.counts)], axes=(0,), starts=(0,), ends=(number,)))
        for values in (found.first, found.counts)
    )
    distinct = rewriter.insert(op, GatherOp([source, first], [type_of(op.distinct)], axis=axis))
    rewriter.replace(op, [distinct, first, found.inverse, counts])
    return bind


def _reduce(rewriter: Rewriter, op: DynamicReduceOp) -> Operation | None:
    if not type_of(op.x).rank:
        return None
    writer = SizeWriter(rewriter, op)
    named, sizes = reduced_sizes(writer, op)
    bind = _bind(rewriter, op, sizes, type_of(op.result).dims)
    rewriter.replace(op, [reduced(writer, op, named)])
    return bind


def _reshape(rewriter: Rewriter, op: _Reshaping) -> Operation | None:
    """Sizes whose product is another are told of when they are bound."""
    x, result = type_of(op.operands[0]), type_of(op.results[0])
    given = type_of(op.operands[1])
    if not all(isinstance(size, int) for size in given.dims) or x.element_type == string:
        return None
    writer = SizeWriter(rewriter, op)
    match op:
        case DynamicSqueezeOp():
            sizes = squeezed_sizes(writer, x, op.axes, result.rank)
        case DynamicUnsqueezeOp():
            sizes = unsqueezed_sizes(writer, x, op.axes, result.rank)
        case _:
            sizes = reshaped_sizes(writer, x, op.shape, op.allow_zero)
    count = writer.total(sizes, kind="prod") if result.rank else writer.constant(1)
    bind = _bind(rewriter, op, sizes, result.dims)
    _bind(rewriter, op, count, [product(x.dims)])
    rewriter.replace_with(op, ReshapeOp([op.operands[0]], [result]))
    return bind


_RULES: dict[type[Operation], Callable] = {
    DynamicReduceOp: _reduce,
    DynamicReshapeOp: _reshape,
    DynamicSqueezeOp: _reshape,
    DynamicUnsqueezeOp: _reshape,
    NonzeroOp: _nonzero,
    TopKOp: _topk,
    NonMaxSuppressionOp: _non_max_suppression,
    UniqueOp: _unique,
}
