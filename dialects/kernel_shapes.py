"""What the operands, properties and result of each kernel must have to do with each other.

Only what surely differs is refused: sizes that depend on symbols may be equal in ways that cannot be seen here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol

from xdsl.ir import SSAValue
from xdsl.utils.exceptions import VerifyException

from . import shape as dims
from .cells import CELLS, DIRECTIONS
from .layout import TensorType
from .shape import Dim

Shape = tuple[Dim, ...]


class Kernel(Protocol):
    """What the rules ask of a kernel's operation."""

    name: ClassVar[str]

    @property
    def ins(self) -> Sequence[SSAValue]: ...
    @property
    def epilogue_ins(self) -> Sequence[SSAValue]: ...
    @property
    def outs(self) -> Sequence[SSAValue]: ...
    @property
    def type(self) -> TensorType: ...
    @property
    def region_type(self) -> TensorType: ...
    @property
    def has_epilogue(self) -> bool: ...
    def in_type(self, index: int, /) -> TensorType: ...
    def get(self, name: str, /) -> Any: ...


OPERANDS: dict[str, tuple[int, ...]] = {
    "conv": (2, 3),
    "gemm": (2, 3),
    "block_gemm": (2,),
    "attention": (3, 4),
    "layer_norm": (3,),
    "gather": (2,),
    "gather_elements": (2,),
    "gather_nd": (2,),
    "scatter_elements": (3,),
    "scatter_nd": (3,),
    "grid_sample": (2,),
    "roi_align": (3,),
    "weigh": (3,),
    "dim_values": (0,),
    "range": (2,),
    "tree_ensemble": (5,),
    "recurrence": (3, 4, 5, 6),
    "reverse_sequence": (2,),
    "suppress_boxes": (4, 5),
    "list_boxes": (2,),
}
"""How many operands a kernel takes: one where it does not say otherwise; map and concat take any number."""

RESULTS: dict[str, int] = {"top_k": 2, "suppress_boxes": 2, "find_distinct": 4}
"""How many results a kernel has: one where it does not say otherwise."""

WORDS: dict[tuple[str, str], tuple[str, ...]] = {
    ("reduce", "kind"): ("sum", "mean", "max", "min", "prod"),
    ("arg_reduce", "kind"): ("max", "min"),
    ("pool", "kind"): ("max", "average"),
    ("tree_ensemble", "kind"): ("sum", "min", "max"),
    ("pad", "mode"): ("constant", "edge", "reflect", "wrap"),
    ("resize", "mode"): ("nearest", "linear"),
    ("scatter_elements", "reduction"): ("none", "add", "mul", "max", "min"),
    ("scatter_nd", "reduction"): ("none", "add", "mul", "max", "min"),
    ("recurrence", "cell"): tuple(CELLS),
    ("recurrence", "direction"): tuple(DIRECTIONS),
    ("grid_sample", "mode"): ("linear", "nearest", "cubic"),
    ("grid_sample", "padding"): ("zeros", "border", "reflection"),
    ("grid_sample", "coordinates"): ("edges", "centers", "elements"),
    ("roi_align", "kind"): ("avg", "max"),
}
_COPIES = (
    "pad",
    "concat",
    "slice",
    "broadcast",
    "gather",
    "gather_elements",
    "gather_nd",
    "scatter_elements",
    "scatter_nd",
)
_LIMIT = 1 << 31
"""Of strides, windows and their like."""


def check_kernel(op: Kernel) -> None:
    """Raises VerifyException for operands, properties or a result that cannot belong together."""
    name = op.name.removeprefix("kernel.")
    _check_operands(op, name)
    _check_words(op, name)
    if name in _RULES:
        _require_shape(op.type, _RULES[name](op), "result")
    for value in op.epilogue_ins:
        _require_broadcast(_type(value), op.region_type, "epilogue operand")
    if name in _COPIES and not op.has_epilogue and op.in_type(0).element_type != op.type.element_type:
        raise VerifyException(f"C3: the result holds {op.type.element_type}, x {op.in_type(0).element_type}")


def _check_operands(op: Kernel, name: str) -> None:
    counts = OPERANDS.get(name, (1,))
    if name in ("map", "concat"):
        counts = (max(len(op.ins), name == "concat"),)
    if len(op.ins) not in counts:
        raise VerifyException(f"C3: {len(op.ins)} operands, expected {' or '.join(map(str, counts))}")
    results = _results(op) if name == "recurrence" else RESULTS.get(name, 1)
    if len(op.outs) != results:
        raise VerifyException(f"C3: {len(op.outs)} results, expected {results}")


def _results(op: Kernel) -> int:
    cell = CELLS.get(op.get("cell"))
    return 1 + (cell.states if cell else 1)


def _check_words(op: Kernel, name: str) -> None:
    for (kernel, word), known in WORDS.items():
        if kernel == name and op.get(word) not in known:
            raise VerifyException(f"C3: {word} is '{op.get(word)}', expected one of {', '.join(known)}")


def _type(value: SSAValue) -> TensorType:
    assert isinstance(value.type, TensorType)
    return value.type


def _require_shape(type_: TensorType, expected: Sequence[Dim], what: str) -> None:
    if len(expected) != type_.rank or any(map(dims.surely_differ, type_.dims, expected)):
        raise VerifyException(f"C3: the {what} has shape {_text(type_.dims)}, expected {_text(expected)}")


def _require_broadcast(type_: TensorType, target: TensorType, what: str) -> None:
    """That a tensor can be repeated to the shape of another."""
    aligned = target.dims[target.rank - type_.rank :] if type_.rank else ()
    fits = type_.rank <= target.rank and all(
        size == 1 or not dims.surely_differ(size, wanted) for size, wanted in zip(type_.dims, aligned, strict=True)
    )
    if not fits:
        raise VerifyException(
            f"C3: the {what} has shape {_text(type_.dims)}, which does not broadcast to {_text(target.dims)}"
        )


def _text(shape: Sequence[Dim]) -> str:
    return f"[{', '.join(map(str, shape))}]"


def _axis(op: Kernel, rank: int) -> int:
    axis = op.get("axis")
    if not 0 <= axis < rank:
        raise VerifyException(f"C3: axis {axis} of a tensor of {rank} axes")
    return axis


def _entries(op: Kernel, name: str, count: int, lowest: int = -_LIMIT) -> tuple[int, ...]:
    values = op.get(name)
    if len(values) != count:
        raise VerifyException(f"C3: {name} has {len(values)} entries, expected {count}")
    if any(isinstance(value, int) and not lowest <= value < _LIMIT for value in values):
        raise VerifyException(f"C3: {name} is {list(values)}, expected numbers from {lowest} to {_LIMIT - 1}")
    return values


# --- a rule for each kernel: the shape of its result --------------------------------------------------


def _conv(op: Kernel) -> Shape:
    x, w = op.in_type(0), op.in_type(1)
    spatial = x.rank - 2
    window = w.dims[2:] if w.rank == x.rank else (3,) * spatial  # Transformed for Winograd, of 3 x 3.
    channels = w.dims[0] if w.rank == x.rank else w.dims[-1]
    if len(op.ins) > 2:
        _require_shape(op.in_type(2), (channels,), "bias")
    return (x.dims[0], channels, *_window_places(op, x.dims[2:], window))


def _window_places(op: Kernel, sizes: Sequence[Dim], window: Sequence[Dim]) -> Shape:
    """How often a window fits along each axis."""
    count = len(sizes)
    strides, dilations = _entries(op, "strides", count, 1), _entries(op, "dilations", count, 1)
    pads = _entries(op, "pads", 2 * count)
    places: list[Dim] = []
    for axis, (size, length) in enumerate(zip(sizes, window, strict=True)):
        padded = dims.add(size, pads[axis] + pads[count + axis])
        reach = dims.add(dims.multiply(dilations[axis], dims.subtract(length, 1)), 1)
        places.append(dims.add(dims.floordiv(dims.subtract(padded, reach), strides[axis]), 1))
    return tuple(places)


def _gemm(op: Kernel) -> Shape:
    a, b = op.in_type(0), op.in_type(1)
    rows = a.dims[-1 if op.get("transpose_a") else -2]
    columns = b.dims[-2 if op.get("transpose_b") else -1]
    if len(op.ins) > 2:
        _require_shape(op.in_type(2), (columns,), "bias")
    return (*_broadcast_shape(a.dims[:-2], b.dims[:-2]), rows, columns)


def _block_gemm(op: Kernel) -> Shape:
    return (*op.in_type(0).dims[:-1], op.in_type(1).dims[1])


def _attention(op: Kernel) -> Shape:
    q, k, v = (op.in_type(index) for index in range(3))
    leading = q.dims[:-2]
    for type_ in (k, v):
        leading = _broadcast_shape(leading, _shared_by_heads(type_.dims[:-2], leading))
    if len(op.ins) > 3:
        _require_broadcast(
            op.in_type(3), TensorType.of([*leading, q.dims[-2], 1], op.type.element_type), "operand of empty rows"
        )
    return (*leading, q.dims[-2], v.dims[-1])


def _shared_by_heads(leading: Shape, of_queries: Shape) -> Shape:
    """Leading axes of keys or values as those of queries see them, of which several heads may share one."""
    if not leading or not of_queries:
        return leading
    heads, shared = of_queries[-1], leading[-1]
    is_grouped = isinstance(heads, int) and isinstance(shared, int) and shared > 0 and heads % shared == 0
    return (*leading[:-1], heads) if is_grouped and shared != 1 else leading


def _broadcast_shape(left: Shape, right: Shape) -> Shape:
    count = max(len(left), len(right))
    pairs = zip((1,) * (count - len(left)) + left, (1,) * (count - len(right)) + right, strict=True)
    return tuple(two if one == 1 else one for one, two in pairs)


def _map(op: Kernel) -> Shape:
    for value in op.ins:
        _require_broadcast(_type(value), op.type, "operand")
    return op.type.dims


def _reduce(op: Kernel) -> Shape:
    x, axes = op.in_type(0), op.get("axes")
    if sorted(set(axes)) != sorted(axes) or not all(0 <= axis < x.rank for axis in axes):
        raise VerifyException(f"C3: axes {list(axes)} of a tensor of {x.rank} axes: expected some of them, each once")
    return tuple(1 if axis in axes else size for axis, size in enumerate(x.dims))


def _arg_reduce(op: Kernel) -> Shape:
    x = op.in_type(0)
    return _with_axis(x.dims, _axis(op, x.rank), 1)


def _with_axis(shape: Shape, axis: int, size: Dim) -> Shape:
    return (*shape[:axis], size, *shape[axis + 1 :])


def _unchanged(op: Kernel) -> Shape:
    return op.in_type(0).dims


def _layer_norm(op: Kernel) -> Shape:
    x = op.in_type(0)
    axis = _axis(op, x.rank)
    for index, what in ((1, "scale"), (2, "bias")):
        _require_shape(op.in_type(index), x.dims[axis:], what)
    return x.dims


def _pool(op: Kernel) -> Shape:
    """A last window that begins inside of the image and its pads may reach beyond (ONNX's ``ceil_mode``)."""
    x = op.in_type(0)
    count = x.rank - 2
    places = list(_window_places(op, x.dims[2:], _entries(op, "window", count, 1)))
    strides, pads = _entries(op, "strides", count, 1), _entries(op, "pads", 2 * count)
    for axis, (size, wanted) in enumerate(zip(x.dims[2:], op.type.dims[2:])):
        one_more = dims.add(places[axis], 1)
        begin = dims.multiply(places[axis], strides[axis])
        within = dims.subtract(dims.add(size, pads[axis]), begin)
        if wanted == one_more and (not isinstance(within, int) or within > 0):
            places[axis] = one_more
    return (*x.dims[:2], *places)


def _pad(op: Kernel) -> Shape:
    x = op.in_type(0)
    lower, upper = _entries(op, "lower", x.rank), _entries(op, "upper", x.rank)
    return tuple(dims.add(size, dims.add(before, after)) for size, before, after in zip(x.dims, lower, upper))


def _concat(op: Kernel) -> Shape:
    first = op.in_type(0)
    axis, total = _axis(op, first.rank), 0
    for index in range(len(op.ins)):
        type_ = op.in_type(index)
        if type_.rank == first.rank:
            total = dims.add(total, type_.dims[axis])
            _require_shape(type_, _with_axis(first.dims, axis, type_.dims[axis]), f"operand {index}")
        else:
            _require_shape(type_, first.dims, f"operand {index}")
    return _with_axis(first.dims, axis, total)


def _slice(op: Kernel) -> Shape:
    x, result = op.in_type(0), op.type
    starts, steps = _entries(op, "starts", x.rank), _entries(op, "steps", x.rank)
    if result.rank != x.rank:
        return x.dims
    for size, start, step, count in zip(x.dims, starts, steps, result.dims, strict=True):
        if not (isinstance(size, int) and isinstance(start, int) and isinstance(count, int)) or count == 0:
            continue
        last = start + step * (count - 1)
        if not (0 <= start < size and 0 <= last < size):
            raise VerifyException(f"C3: elements {start} to {last} of an axis of {size}")
    return result.dims


def _broadcast(op: Kernel) -> Shape:
    _require_broadcast(op.in_type(0), op.type, "operand")
    return op.type.dims


def _gather(op: Kernel) -> Shape:
    x, indices = op.in_type(0), op.in_type(1)
    axis = _axis(op, x.rank)
    return (*x.dims[:axis], *indices.dims, *x.dims[axis + 1 :])


def _gather_elements(op: Kernel) -> Shape:
    x, indices = op.in_type(0), op.in_type(1)
    axis = _axis(op, x.rank)
    pairs = zip(x.dims, indices.dims) if x.rank == indices.rank else [(0, 1)]
    for other, (size, count) in enumerate(pairs):
        if other != axis and isinstance(size, int) and isinstance(count, int) and count > size:
            raise VerifyException(f"C3: indices of shape {_text(indices.dims)} into x of shape {_text(x.dims)}")
    return indices.dims


def _position_length(op: Kernel) -> int:
    """How many axes the positions in the last axis of the indices name."""
    indices = op.in_type(1)
    length = indices.dims[-1] if indices.rank else None
    if not isinstance(length, int) or not length >= 1:
        raise VerifyException(f"C3: positions of {length} numbers in indices of shape {_text(indices.dims)}")
    return length


def _gather_nd(op: Kernel) -> Shape:
    x, indices, batch, length = op.in_type(0), op.in_type(1), op.get("batch_dims"), _position_length(op)
    if not 0 <= batch < indices.rank or batch + length > x.rank:
        raise VerifyException(f"C3: {batch} shared axes and positions on {length} of a tensor of {x.rank} axes")
    _require_shape(indices, (*x.dims[:batch], *indices.dims[batch:]), "indices")
    return (*indices.dims[:-1], *x.dims[batch + length :])


def _scatter_elements(op: Kernel) -> Shape:
    result, updates = op.type, op.in_type(2)
    axis = _axis(op, result.rank)
    _require_broadcast(op.in_type(0), result, "operand 0")
    if updates.rank != result.rank or op.in_type(1).rank != result.rank:
        raise VerifyException(f"C3: updates of shape {_text(updates.dims)} of a result of {result.rank} axes")
    _require_broadcast(op.in_type(1), updates, "operand 1")
    for other, (size, count) in enumerate(zip(result.dims, updates.dims, strict=True)):
        if other != axis and isinstance(size, int) and isinstance(count, int) and count > size:
            raise VerifyException(f"C3: updates of shape {_text(updates.dims)} of {_text(result.dims)}")
    return result.dims


def _scatter_nd(op: Kernel) -> Shape:
    result, length = op.type, _position_length(op)
    _require_broadcast(op.in_type(0), result, "operand 0")
    if length > result.rank:
        raise VerifyException(f"C3: positions on {length} of {result.rank} axes")
    _require_shape(op.in_type(2), (*op.in_type(1).dims[:-1], *result.dims[length:]), "operand 2")
    return result.dims


def _grid_sample(op: Kernel) -> Shape:
    x, grid = op.in_type(0), op.in_type(1)
    if x.rank < 3 or grid.rank != x.rank or dims.surely_differ(grid.dims[-1], x.rank - 2):
        raise VerifyException(f"C3: a grid of shape {_text(grid.dims)} of x of shape {_text(x.dims)}")
    channels = x.dims[-1 if op.get("channels_last") else 1]
    places = (*grid.dims[1:-1], channels) if op.get("channels_last") else (channels, *grid.dims[1:-1])
    return (x.dims[0], *places)


def _roi_align(op: Kernel) -> Shape:
    x, regions = op.in_type(0), op.in_type(1)
    if x.rank != 4 or regions.rank != 2:
        raise VerifyException(f"C3: regions of shape {_text(regions.dims)} of x of shape {_text(x.dims)}")
    _require_shape(regions, (regions.dims[0], 4), "operand 1")
    _require_shape(op.in_type(2), (regions.dims[0],), "operand 2")
    size = _entries(op, "size", 2, 1)
    if op.get("channels_last"):
        return (regions.dims[0], *size, x.dims[3])
    return (regions.dims[0], x.dims[1], *size)


def _weigh(op: Kernel) -> Shape:
    x, first, weights = (op.in_type(index) for index in range(3))
    axis = _axis(op, x.rank)
    if weights.rank != 2 or not isinstance(weights.dims[1], int):
        raise VerifyException(f"C3: weights of shape {_text(weights.dims)}, expected [results, neighbours]")
    _require_shape(first, (weights.dims[0],), "operand 1")
    return _with_axis(x.dims, axis, weights.dims[0])


def _resize(op: Kernel) -> Shape:
    x = op.in_type(0)
    if op.get("scales") and len(op.get("scales")) != x.rank:
        raise VerifyException(f"C3: scales has {len(op.get('scales'))} entries, expected {x.rank}")
    return op.type.dims if op.type.rank == x.rank else x.dims


def _dim_values(op: Kernel) -> Shape:
    count = len(op.get("values"))
    return () if count == 1 and op.type.rank == 0 else (count,)


def _range(op: Kernel) -> Shape:
    for index, what in ((0, "start"), (1, "delta")):
        _require_shape(op.in_type(index), (), what)
    return op.type.dims if op.type.rank == 1 else (1,)


def _cumulative_sum(op: Kernel) -> Shape:
    _axis(op, op.in_type(0).rank)
    return op.in_type(0).dims


def _recurrence(op: Kernel) -> Shape:
    cell, count = CELLS[op.get("cell")], DIRECTIONS[op.get("direction")]
    x, h = op.in_type(0), op.in_type(2)
    if x.rank != 3 or h.rank != 3:
        raise VerifyException(f"C3: x has {x.rank} axes and h {h.rank}, expected 3 and 3")
    (steps, batch, _), hidden = x.dims, h.dims[2]
    state = (count, batch, hidden)
    added = {
        "linear_before_reset": (count, hidden),
        "peepholes": (count, dims.multiply(3, hidden)),
        "lengths": (batch,),
    }
    expected = [
        ("x", (steps, batch, dims.multiply(count * cell.gates, hidden))),
        ("recurrence", (count, hidden, cell.gates, hidden)),
        *[("state", state)] * cell.states,
        *((flag, shape) for flag, shape in added.items() if op.get(flag)),
    ]
    if len(op.ins) != len(expected):
        raise VerifyException(f"C3: {len(op.ins)} operands, expected {len(expected)}")
    for index, (what, shape) in enumerate(expected):
        _require_shape(op.in_type(index), shape, what)
    for last in op.outs[1:]:
        _require_shape(_type(last), state, "last state")
    return (steps, count, batch, hidden)


def _reverse_sequence(op: Kernel) -> Shape:
    x = op.in_type(0)
    _require_shape(op.in_type(1), (x.dims[op.get("batch_axis")],), "vector of lengths")
    return x.dims


def _top_k(op: Kernel) -> Shape:
    x, values, places = op.in_type(0), op.type, _type(op.outs[1])
    if x.rank == 0 or values.rank != x.rank:
        raise VerifyException(f"C3: the result has rank {values.rank}, x {x.rank}: expected the same, and 1 or more")
    count = values.dims[-1]
    if isinstance(count, int) and isinstance(x.dims[-1], int) and count > x.dims[-1]:
        raise VerifyException(f"C3: {count} of {x.dims[-1]} elements are wanted")
    _require_shape(places, values.dims, "places")
    return _with_axis(x.dims, x.rank - 1, count)


def _count_nonzero(op: Kernel) -> Shape:
    return (1,)


def _nonzero(op: Kernel) -> Shape:
    x, result = op.in_type(0), op.type
    return (max(x.rank, 1), result.dims[-1] if result.rank else 0)


def _tree_ensemble(op: Kernel) -> Shape:
    x, thresholds, words, weights, roots = (op.in_type(index) for index in range(5))
    if (x.rank, weights.rank, roots.rank) != (2, 2, 2):
        raise VerifyException("C3: x, weights and roots must have two axes")
    nodes = weights.dims[0]
    for type_, what in ((thresholds, "thresholds"), (words, "words")):
        _require_shape(type_, (nodes,), what)
    return (x.dims[0], dims.multiply(roots.dims[0], weights.dims[1]))


def _suppress_boxes(op: Kernel) -> Shape:
    boxes, scores, kept = op.in_type(0), op.in_type(1), op.type
    if scores.rank != 3 or kept.rank != 3:
        raise VerifyException(f"C3: scores have rank {scores.rank} and kept {kept.rank}, expected 3")
    batches, classes, count = scores.dims
    _require_shape(boxes, (batches, count, 4), "boxes")
    _require_shape(_type(op.outs[1]), (batches, classes), "counts")
    return (batches, classes, kept.dims[2])


def _list_boxes(op: Kernel) -> Shape:
    kept, counts, result = op.in_type(0), op.in_type(1), op.type
    if kept.rank != 3:
        raise VerifyException(f"C3: kept has rank {kept.rank}, expected 3")
    _require_shape(counts, kept.dims[:2], "counts")
    return (result.dims[0] if result.rank else 0, 3)


def _find_distinct(op: Kernel) -> Shape:
    x = op.in_type(0)
    if x.rank != 2:
        raise VerifyException(f"C3: x has rank {x.rank}, expected 2")
    for index, what in ((1, "inverse"), (2, "counts")):
        _require_shape(_type(op.outs[index]), x.dims[:1], what)
    _require_shape(_type(op.outs[3]), (1,), "number")
    return x.dims[:1]


_RULES: dict[str, Callable[[Kernel], Shape]] = {
    "conv": _conv,
    "gemm": _gemm,
    "block_gemm": _block_gemm,
    "attention": _attention,
    "map": _map,
    "reduce": _reduce,
    "arg_reduce": _arg_reduce,
    "softmax": _unchanged,
    "layer_norm": _layer_norm,
    "pool": _pool,
    "pad": _pad,
    "concat": _concat,
    "slice": _slice,
    "broadcast": _broadcast,
    "gather": _gather,
    "gather_elements": _gather_elements,
    "gather_nd": _gather_nd,
    "scatter_elements": _scatter_elements,
    "scatter_nd": _scatter_nd,
    "grid_sample": _grid_sample,
    "roi_align": _roi_align,
    "weigh": _weigh,
    "resize": _resize,
    "dim_values": _dim_values,
    "range": _range,
    "cumulative_sum": _cumulative_sum,
    "top_k": _top_k,
    "count_nonzero": _count_nonzero,
    "nonzero": _nonzero,
    "tree_ensemble": _tree_ensemble,
    "suppress_boxes": _suppress_boxes,
    "list_boxes": _list_boxes,
    "recurrence": _recurrence,
    "reverse_sequence": _reverse_sequence,
    "find_distinct": _find_distinct,
}
