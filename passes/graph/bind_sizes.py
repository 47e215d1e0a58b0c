"""Finds the sizes that depend on data before the operations that have them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, i1, i64
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass

from ...dialects.graph import (
    AndOp,
    BindSizesOp,
    BroadcastToOp,
    CountNonzeroOp,
    DynamicExpandOp,
    DynamicPadOp,
    DynamicReduceOp,
    DynamicReshapeOp,
    DynamicResizeOp,
    DynamicSliceOp,
    DynamicSqueezeOp,
    DynamicUnsqueezeOp,
    EqualOp,
    FindDistinctOp,
    GatherOp,
    GreaterOp,
    ListBoxesOp,
    NonMaxSuppressionOp,
    NonzeroOp,
    PadOp,
    RangeOp,
    ReduceOp,
    ReshapeOp,
    ResizeOp,
    SliceOp,
    SuppressBoxesOp,
    TopKOp,
    TransposeOp,
    UniqueOp,
    WhereOp,
)
from ...dialects.graph.types import GraphTensorType, is_integer, string
from ...dialects.shape import Dim, add, minimum, product, subtract, symbol, symbols_of
from ...lowering.graph_to_kernel import is_compiled
from .computed_shapes import (
    SizeWriter,
    expanded_sizes,
    padded_sizes,
    range_size,
    ranged,
    reduced,
    reduced_sizes,
    reshaped_sizes,
    sliced,
    slices,
    squeezed_sizes,
    unsqueezed_sizes,
)
from .rewriting import Rewriter, fields_of, graph_blocks, type_of

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


def _expand(rewriter: Rewriter, op: DynamicExpandOp) -> Operation | None:
    x, result = type_of(op.x), type_of(op.result)
    if not all(isinstance(size, int) for size in type_of(op.shape).dims) or x.element_type == string:
        return None
    sizes = expanded_sizes(SizeWriter(rewriter, op), x, op.shape, result.rank)
    bind = _bind(rewriter, op, sizes, result.dims)
    rewriter.replace_with(op, BroadcastToOp([op.x], [result]))
    return bind


def _slice(rewriter: Rewriter, op: DynamicSliceOp) -> Operation | None:
    x, result = type_of(op.x), type_of(op.result)
    if x.element_type == string or not all(isinstance(size, int) for size in type_of(op.starts).dims):
        return None
    writer = SizeWriter(rewriter, op)
    found = slices(writer, op)
    if not found.axes:
        return None
    bind = _bind(rewriter, op, found.counts, [result.dims[axis] for axis in found.axes])
    rewriter.replace(op, [sliced(writer, op, found)])
    return bind


def _pad(rewriter: Rewriter, op: DynamicPadOp) -> Operation | None:
    """How much is cut before each axis, how much is kept and how much added before that are sizes, too."""
    x, result = type_of(op.x), type_of(op.result)
    if x.element_type == string or not x.rank or type_of(op.pads).dims != (2 * x.rank,):
        return None
    cut, kept, before = (_fresh_sizes(op, name, x.rank) for name in ("cut_before", "kept", "pad_before"))
    writer = SizeWriter(rewriter, op)
    bind = _bind(rewriter, op, padded_sizes(writer, x, op.pads), [*cut, *kept, *before, *result.dims])
    ends = [add(start, size) for start, size in zip(cut, kept)]
    inside = writer.add(SliceOp([op.x], axes=range(x.rank), starts=cut, ends=ends))
    after = [subtract(subtract(size, inner), first) for size, inner, first in zip(result.dims, kept, before)]
    rewriter.replace_with(op, PadOp([inside, op.value], [result], mode=op.mode, pads=[*before, *after]))
    return bind


def _fresh_sizes(op: Operation, hint: str, count: int) -> list[Dim]:
    """Symbols that nothing in the module of the operation has."""
    module = op
    while (parent := module.parent_op()) is not None:
        module = parent
    tensors = [value.type for each in module.walk() for value in (*each.results, *_arguments(each))]
    known = symbols_of(*(size for type_ in tensors if isinstance(type_, GraphTensorType) for size in type_.dims))
    names = (name for number in itertools.count() if (name := f"{hint}_{number}") not in known)
    return [symbol(name) for name in itertools.islice(names, count)]


def _arguments(op: Operation) -> list[SSAValue]:
    return [argument for region in op.regions for block in region.blocks for argument in block.args]


def _resize(rewriter: Rewriter, op: DynamicResizeOp) -> Operation | None:
    """To sizes. An axis without elements has none to make others of, so that it counts -1 of them."""
    x, result = type_of(op.x), type_of(op.result)
    axes = list(op.axes or range(x.rank))
    if not is_integer(type_of(op.sizes).element_type) or op.policy != "stretch":
        return None
    if op.mode == "nearest" and sum(x.dims[axis] != result.dims[axis] for axis in axes) > 2:
        return None  # What is copied is found faster along one axis after another.
    writer = SizeWriter(rewriter, op)
    fields = {name: value for name, value in fields_of(op).items() if name not in ("axes", "policy")}
    resized = ResizeOp([op.x], [result], **fields)
    if not is_compiled(resized) or type_of(op.sizes).dims != (len(axes),):
        resized.erase()
        return None
    sizes, own = writer.cast(op.sizes), writer.dims([x.dims[axis] for axis in axes])
    is_empty = writer.add(EqualOp([own, writer.constant(0)]))
    wanted = writer.add(AndOp([is_empty, writer.add(GreaterOp([sizes, writer.constant(0)]))]))
    bind = _bind(
        rewriter, op, writer.add(WhereOp([wanted, writer.constant(-1), sizes])), [result.dims[axis] for axis in axes]
    )
    rewriter.replace_with(op, resized)
    return bind


def _range(rewriter: Rewriter, op: RangeOp) -> Operation | None:
    (size,) = type_of(op.result).dims
    writer = SizeWriter(rewriter, op)
    bind = _bind(rewriter, op, range_size(writer, op), [size])
    rewriter.replace(op, [ranged(writer, op)])
    return bind


_RULES: dict[type[Operation], Callable] = {
    DynamicExpandOp: _expand,
    DynamicPadOp: _pad,
    DynamicReduceOp: _reduce,
    DynamicReshapeOp: _reshape,
    DynamicResizeOp: _resize,
    DynamicSliceOp: _slice,
    DynamicSqueezeOp: _reshape,
    DynamicUnsqueezeOp: _reshape,
    NonzeroOp: _nonzero,
    RangeOp: _range,
    TopKOp: _topk,
    NonMaxSuppressionOp: _non_max_suppression,
    UniqueOp: _unique,
}
