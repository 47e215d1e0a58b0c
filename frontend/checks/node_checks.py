"""What ONNX asks of the attributes and constant inputs of single operators, beyond what its schemas state.

A check runs before the operator's converter, which may then rely on it. It looks at what is known when the model is
compiled; what is not, the runtime checks where it matters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from ..values import Value

if TYPE_CHECKING:
    from ...dialects.shape import Dim
    from ..node import Node

Check: TypeAlias = "Callable[[Node], None]"

_AUTO_PADS = ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")

# Attributes that count something, of which there must be one at least.
_COUNTS = ("group", "blocksize", "hidden_size", "num_heads", "num_outputs")


def check_node(node: Node) -> None:
    """Raises InvalidModelError that says which rule of its operator the node breaks."""
    for name in _COUNTS:
        count = node.attribute(name, None)
        if count is not None and not 1 <= count < 1 << 31:
            node.invalid(f"the attribute '{name}' is {count}, but must be at least 1")
    check = _CHECKS.get(node.operator)
    if check is not None:
        check(node)


def _known(node: Node, index: int) -> list[int] | None:
    """The integers of an input, if it is there and they are known."""
    value = node.optional(index)
    return value.integers() if isinstance(value, Value) else None


def _length(node: Node, index: int) -> int | None:
    """How many elements an input that is a vector has, where that is known. Raises where it is no vector."""
    value = node.optional(index)
    if not isinstance(value, Value):
        return None
    if value.rank != 1:
        node.invalid(f"input #{index} must be a vector, but has {value.rank} dimensions")
    return value.dims[0] if isinstance(value.dims[0], int) else None


# --- windows --------------------------------------------------------------------------------------


def _spatial_rank(node: Node) -> int:
    rank = node.input(0).rank
    if rank < 3:
        node.invalid(f"input #0 must have a batch, channels and at least one more dimension, but has {rank} dimensions")
    return rank - 2


def _check_window(node: Node, rank: int) -> None:
    """Strides, dilations, kernel and pads of as many dimensions as there are."""
    for name in ("kernel_shape", "strides", "dilations"):
        if not node.has(name):
            continue
        values: Sequence[int] = node.attribute(name)
        _check_count(node, name, values, rank)
        if any(not 1 <= value < 1 << 31 for value in values):
            node.invalid(f"the attribute '{name}' is {values}, but its numbers must be at least 1")
    if node.has("pads"):
        pads: Sequence[int] = node.attribute("pads")
        _check_count(node, "pads", pads, 2 * rank)
        if any(abs(pad) >= 1 << 31 for pad in pads):
            node.invalid(f"the attribute 'pads' is {pads}")
    mode = node.attribute("auto_pad", "NOTSET")
    if mode not in _AUTO_PADS:
        node.invalid(f"the attribute 'auto_pad' is '{mode}', but must be one of {', '.join(_AUTO_PADS)}")


def _check_count(node: Node, name: str, values: Sequence[int], count: int) -> None:
    if len(values) != count:
        node.invalid(f"the attribute '{name}' has {len(values)} numbers, but {count} are needed")


def _check_kernel_fits(node: Node, kernel: Sequence[object], rank: int) -> None:
    """No kernel may be larger than what it moves over, pads included."""
    if node.attribute("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        return
    dilations, pads = node.attribute("dilations", [1] * rank), node.attribute("pads", [0] * 2 * rank)
    for axis in range(rank):
        size, width = node.input(0).dims[2 + axis], kernel[axis]
        if not isinstance(width, int) or size == 0:
            continue
        reach = (width - 1) * dilations[axis] + 1
        if not isinstance(size, int):
            _require_room(node, size, reach - pads[axis] - pads[rank + axis], 2 + axis)
            continue
        padded = size + pads[axis] + pads[rank + axis]
        if reach > padded:
            node.invalid(f"the window reaches over {reach} elements, but dimension {2 + axis} has only {padded}")


def _require_room(node: Node, size: Dim, least: int, axis: int) -> None:
    """Has the run check that a window fits into a free dimension."""
    if least > 1:
        reason = f"{node.describe()}: dimension {axis} has room for the window, which needs {least} elements"
        node.b.symbols.require_at_least(size, least, reason)


def _conv(node: Node) -> None:
    rank = _spatial_rank(node)
    w = node.input(1)
    if w.rank != rank + 2:
        node.invalid(f"the kernel has {w.rank} dimensions, but the input has {rank + 2}")
    _check_window(node, rank)
    kernel = node.attribute("kernel_shape", None)
    if kernel is not None and any(isinstance(size, int) and size != k for size, k in zip(w.dims[2:], kernel)):
        node.invalid(f"the attribute 'kernel_shape' is {kernel}, but the kernel is {w.type}")
    if node.operator == "Conv":
        _check_kernel_fits(node, w.dims[2:], rank)


def _pool(node: Node) -> None:
    rank = _spatial_rank(node)
    _check_window(node, rank)


def _global_pool(node: Node) -> None:
    _spatial_rank(node)


# --- shapes ---------------------------------------------------------------------------------------


def _gemm(node: Node) -> None:
    for index in (0, 1):
        if node.input(index).rank != 2:
            node.invalid(f"input #{index} must be a matrix, but is {node.input(index).type}")


def _flatten(node: Node) -> None:
    axis, rank = node.attribute("axis", 1), node.input(0).rank
    if not -rank <= axis <= rank:
        node.invalid(f"axis {axis} is out of range for rank {rank}")


def _concat(node: Node) -> None:
    if any(isinstance(value, Value) and value.rank == 0 for value in node.inputs):
        node.invalid("a scalar cannot be concatenated")


def _unsqueeze(node: Node) -> None:
    axes = node.attribute("axes", None) or _known(node, 1)
    if axes is None:
        return
    rank = node.input(0).rank + len(axes)
    places = [node.axis(axis, rank) for axis in axes]
    if len(set(places)) < len(places):
        node.invalid(f"the axes {list(axes)} name one place more than once")


def _shape_input(index: int) -> Check:
    """An input that is a shape: a vector of sizes."""

    def check(node: Node) -> None:
        _length(node, index)
        sizes = _known(node, index) or []
        if any(size < 0 for size in sizes):
            node.invalid(f"the shape in input #{index} is {sizes}: a size cannot be negative")

    return check


def _reshape(node: Node) -> None:
    if len(node.inputs) > 1:
        _length(node, 1)


def _slice(node: Node) -> None:
    if len(node.inputs) < 2:
        _slice_attributes(node)
        return
    lengths = [_length(node, index) for index in range(1, 5)]
    known = [length for length in lengths if length is not None]
    if len(set(known)) > 1:
        node.invalid(f"starts, ends, axes and steps must have the same length, got {', '.join(map(str, known))}")
    steps, axes = _known(node, 4), _known(node, 3)
    if steps is not None and 0 in steps:
        node.invalid(f"the steps are {steps}: a step cannot be 0")
    _check_distinct(node, axes)


def _slice_attributes(node: Node) -> None:
    lengths = [len(node.attribute(name, node.attribute("starts"))) for name in ("starts", "ends", "axes")]
    if len(set(lengths)) > 1:
        node.invalid(f"starts, ends and axes must have the same length, got {', '.join(map(str, lengths))}")
    _check_distinct(node, node.attribute("axes", None))


def _check_distinct(node: Node, axes: Sequence[int] | None) -> None:
    if axes is None:
        return
    places = node.axes(axes, node.input(0).rank)
    if len(set(places)) < len(places):
        node.invalid(f"the axes {list(axes)} name one axis more than once")


def _split(node: Node) -> None:
    x = node.input(0)
    sizes = node.attribute("split", None) or _known(node, 1)
    if sizes is None:
        return
    if len(sizes) != node.output_count:
        node.invalid(f"{len(sizes)} sizes are given for {node.output_count} outputs")
    if any(size < 0 for size in sizes):
        node.invalid(f"the sizes are {sizes}: a size cannot be negative")
    size = x.dims[node.axis(node.attribute("axis", 0), x.rank)]
    if isinstance(size, int) and sum(sizes) != size:
        node.invalid(f"the sizes {sizes} together are {sum(sizes)}, but the axis has {size}")


def _pad(node: Node) -> None:
    rank, pads = node.input(0).rank, node.attribute("pads", None)
    length = len(pads) if pads is not None else _length(node, 1) if len(node.inputs) > 1 else None
    axes = node.optional(3)
    count = rank if axes is None else _length(node, 3)
    if length is not None and count is not None and length != 2 * count:
        node.invalid(f"there are {length} pads, but {2 * count} are needed")
    if pads is None and len(node.inputs) > 1 and count is not None:
        node.b.symbols.unify(node.input(1).dims[0], 2 * count, f"{node.describe()}: two pads an axis")
    mode = node.attribute("mode", "constant")
    if mode not in ("constant", "reflect", "edge", "wrap"):
        node.invalid(f"the attribute 'mode' is '{mode}', but must be constant, reflect, edge or wrap")


def _affine_grid(node: Node) -> None:
    """theta is [N, 2, 3] for a size of four numbers, [N, 3, 4] for five."""
    theta, size = node.input(0), node.input(1)
    count = _length(node, 1)
    if theta.rank != 3:
        node.invalid(f"theta must have 3 dimensions, but has {theta.rank}")
    if count is None:
        return
    known = size.dimensions() or [None] * count
    for axis, wanted in enumerate((known[0], count - 2, count - 1)):
        if wanted is not None:
            node.relate(theta.dims[axis], wanted, f"dimension {axis} of theta")


def _class_loss(node: Node) -> None:
    """The target has the shape of the scores without their classes."""
    scores, target = node.input(0).dims, node.input(1).dims
    wanted = (*scores[:1], *scores[2:])
    if len(target) != len(wanted):
        node.invalid(f"the target must have {len(wanted)} dimensions, but has {len(target)}")
    for axis, (size, other) in enumerate(zip(target, wanted)):
        node.relate(size, other, f"dimension {axis} of the target")


# --- elements -------------------------------------------------------------------------------------


def _gather(node: Node) -> None:
    x, index = node.input(0), _known(node, 1)
    size = x.dims[node.axis(node.attribute("axis", 0), x.rank)] if x.rank else node.invalid("a scalar has no elements")
    if not index or not isinstance(size, int):
        return
    wrong = next((i for i in index if not -size <= i < size), None)
    if wrong is not None:
        node.invalid(f"the index {wrong} is out of range for an axis of {size} elements")


def _top_k(node: Node) -> None:
    x = node.input(0)
    axis = node.axis(node.attribute("axis", -1), x.rank)
    known = [node.attribute("k")] if node.has("k") else _known(node, 1)
    if not known:
        return
    size = x.dims[axis] if x.rank else 1
    if known[0] < 0 or (isinstance(size, int) and known[0] > size):
        node.invalid(f"{known[0]} elements are asked for along an axis of {size}")


def _range(node: Node) -> None:
    step = node.input(2).constant
    if step is not None and step.size == 1 and step.reshape(()).item() == 0:
        node.invalid("the step (input #2) is 0")


def _resize(node: Node) -> None:
    x = node.input(0)
    count = len(node.attribute("axes", range(x.rank)))
    first = 2 if node.opset >= 11 else 1
    for index in (first, 3):
        length = _length(node, index) if index < len(node.inputs) else None
        if length not in (None, 0, count):
            node.invalid(f"input #{index} has {length} numbers, but {count} are needed")
    scales = node.optional(first)
    if scales is not None and scales.constant is not None and not (scales.constant > 0).all():
        node.invalid(f"the scales are {scales.constant.tolist()}, but must be positive")
    sizes = _known(node, 3)
    if sizes is not None and any(size < 0 for size in sizes):
        node.invalid(f"the sizes are {sizes}: a size cannot be negative")


_CHECKS: dict[str, Check] = {
    **dict.fromkeys(("Conv", "ConvTranspose", "FusedConv"), _conv),
    **dict.fromkeys(("MaxPool", "AveragePool", "LpPool"), _pool),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"), _global_pool),
    **dict.fromkeys(("NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"), _class_loss),
    "AffineGrid": _affine_grid,
    "Gemm": _gemm,
    "Flatten": _flatten,
    "Concat": _concat,
    "Unsqueeze": _unsqueeze,
    "Reshape": _reshape,
    "Expand": _shape_input(1),
    "ConstantOfShape": _shape_input(0),
    "Slice": _slice,
    "Split": _split,
    "Pad": _pad,
    "Gather": _gather,
    "TopK": _top_k,
    "Range": _range,
    "Resize": _resize,
}
