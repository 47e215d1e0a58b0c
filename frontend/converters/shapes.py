"""Operators about shapes: reading them, and changing them by computed ones."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ...dialects import graph
from ...dialects.graph.types import GraphTensorType, i64
from ...dialects.shape import canonical, ceildiv, floordiv, multiply, product, same_dimension, subtract
from ..element_types import element_of
from ..node import MAKE_CONSTANT, Node
from ..registry import converter
from ..values import Value

if TYPE_CHECKING:
    from ...dialects.shape import Dim


@converter("Shape")
def convert_shape(node: Node) -> Value:
    dims = node.input(0).dims
    start, end = node.attribute("start", 0), node.attribute("end", len(dims))
    return node.b.dim_values(dims[slice(start, end)])


@converter("Size")
def convert_size(node: Node) -> Value:
    return node.b.dim_values([product(node.input(0).dims)], shape=())


def elements(value: Value) -> list[Any] | None:
    """What is known of each element of a vector of integers: a dimension or None; None where nothing is."""
    known = value.known()
    if known is not None:
        return known.reshape(-1).tolist()
    count = value.dims[0] if value.rank == 1 else None
    return [None] * count if isinstance(count, int) else None


@converter("Reshape", since=5)
def convert_reshape(node: Node) -> Value:
    x, shape = node.input(0), node.input(1)
    wanted = elements(shape)
    if wanted is None:
        node.unsupported(
            "the number of dimensions of the shape (input #1) must be known when the model is compiled", MAKE_CONSTANT
        )
    allow_zero = bool(node.attribute("allowzero", 0))
    if not allow_zero:
        wanted = [x.dims[i] if d == 0 and i < x.rank else d for i, d in enumerate(wanted)]
    unknown = [d is None or (not isinstance(d, int) and d.is_negative) for d in wanted]
    if any(unknown):
        dims = [None if d is None or d == -1 else d for d in wanted]
        return node.dynamic(graph.DynamicReshapeOp, [x, shape], dims, allow_zero=allow_zero)
    return node.b.reshape(x, _with_remainder(node, x, wanted))


@converter("Reshape", since=1)
def convert_reshape_attribute(node: Node) -> Value:
    x = node.input(0)
    wanted = [x.dims[i] if d == 0 else d for i, d in enumerate(node.attribute("shape"))]
    return node.b.reshape(x, _with_remainder(node, x, wanted))


def _with_remainder(node: Node, x: Value, wanted: list[Dim]) -> list[Dim]:
    """The shape with -1 replaced by what remains."""
    if -1 not in wanted:
        if not node.b.symbols.unify(product(wanted), product(x.dims), f"Reshape in {node.b.name}"):
            node.contradiction(f"{x.type} cannot be reshaped to {wanted}: the number of elements differs")
        return wanted
    place = wanted.index(-1)
    remaining = remainder(node, list(x.dims), [d for i, d in enumerate(wanted) if i != place])
    return [*wanted[:place], remaining, *wanted[place + 1 :]]


def remainder(node: Node, dims: list[Dim], used: list[Dim]) -> Dim:
    """The product of ``dims`` divided by that of ``used``; equal factors cancel before anything is multiplied."""
    for dimension in list(used):
        match = next((d for d in dims if same_dimension(d, dimension)), None)
        if match is not None:
            dims.remove(match)
            used.remove(dimension)
    total, divisor = product(dims), product(used)
    if isinstance(divisor, int) and divisor == 0:
        return 0
    quotient = _exact_quotient(total, divisor)
    if quotient is not None:
        return quotient
    if isinstance(total, int) and isinstance(divisor, int):
        node.contradiction(f"{total} elements cannot be divided into rows of {divisor}")
    result = floordiv(total, divisor)
    node.b.symbols.unify(multiply(result, divisor), total, f"Reshape in {node.b.name}: the sizes must divide")
    return result


def _exact_quotient(total: Dim, divisor: Dim) -> Dim | None:
    if isinstance(total, int) and isinstance(divisor, int):
        return total // divisor if total % divisor == 0 else None
    import sympy

    quotient = sympy.cancel(sympy.sympify(total) / sympy.sympify(divisor))
    numerator, denominator = sympy.fraction(sympy.together(quotient))
    if denominator != 1:
        return None
    return canonical(numerator)


@converter("Flatten")
def convert_flatten(node: Node) -> Value:
    x = node.input(0)
    axis = node.attribute("axis", 1)
    axis = axis + x.rank if axis < 0 else axis
    return node.b.reshape(x, [product(x.dims[:axis]), product(x.dims[axis:])])


@converter("Squeeze")
def convert_squeeze(node: Node) -> Value:
    x, given = node.input(0), node.optional(1)
    if given is not None and node.has_computed_axes:
        return _by_computed_axes(node, graph.DynamicSqueezeOp, x, given, -1)
    axes = node.listed_axes()
    if axes is None:
        # A symbol may have turned out to be 1 on the way here. Others stay for now: see vanishing_axes.
        axes = [axis for axis, d in enumerate(x.dims) if node.b.symbols.resolve(d) == 1]
    return node.b.squeeze(x, node.axes(axes, x.rank)) if axes else x


@converter("Unsqueeze")
def convert_unsqueeze(node: Node) -> Value:
    x, given = node.input(0), node.optional(1)
    if given is not None and node.has_computed_axes:
        return _by_computed_axes(node, graph.DynamicUnsqueezeOp, x, given, 1)
    axes = node.listed_axes()
    if axes is None:
        node.invalid("the axes are missing")
    return node.b.unsqueeze(x, node.axes(axes, x.rank + len(axes)))


def _by_computed_axes(node: Node, operation: Any, x: Value, axes: Value, sign: int) -> Value:
    """With so many axes more, or fewer, as ``axes`` has elements."""
    count = axes.dims[0] if axes.rank else 1
    if not isinstance(count, int) or x.rank + sign * count < 0:
        node.unsupported("the number of axes (input #1) must be known when the model is compiled", MAKE_CONSTANT)
    return node.dynamic(operation, [x, axes], [None] * (x.rank + sign * count))


@converter("Expand")
def convert_expand(node: Node) -> Value:
    x, shape = node.input(0), node.input(1)
    wanted = elements(shape)
    if wanted is None:
        node.unsupported(
            "the number of dimensions of the shape (input #1) must be known when the model is compiled", MAKE_CONSTANT
        )
    rank = max(x.rank, len(wanted))
    padded = [*[1] * (rank - x.rank), *x.dims], [*[1] * (rank - len(wanted)), *wanted]
    dims = [d if w is None else _expanded(node, d, w) for d, w in zip(*padded)]
    if None not in wanted:
        return node.b.broadcast_to(x, dims)
    unknown = [None if w is None and d == 1 else common for d, w, common in zip(*padded, dims)]
    return node.dynamic(graph.DynamicExpandOp, [x, shape], unknown)


def _expanded(node: Node, size: Dim, wanted: Dim) -> Dim:
    common = node.b.symbols.broadcast(size, wanted, f"Expand in {node.b.name}")
    if common is None:
        node.contradiction(f"an axis of {size} does not broadcast to {wanted}")
    return common


@converter("Tile", since=6)
def convert_tile(node: Node) -> Value:
    x, repeats = node.input(0), node.input(1)
    counts = elements(repeats)
    if counts is None or any(count is None for count in counts):
        return _tile_as_computed(node, x, repeats, counts or [None] * x.rank)
    return tile(node, x, counts)


def _tile_as_computed(node: Node, x: Value, repeats: Value, counts: list[Any]) -> Value:
    """As ``tile``, all axes with one before them; None for what only a run gives."""
    b = node.b
    node.relate(repeats.dims[0], x.rank, "the number of repeats")
    pairs = b.concat([b.reshape(b.cast(repeats, i64), [x.rank, 1]), b.reshape(b.dim_values(x.dims), [x.rank, 1])], 1)
    spread: list[Dim] = [size for axis in x.dims for size in (1, axis)]
    target = [size for count, axis in zip(counts, x.dims, strict=True) for size in (count, axis)]
    repeated = node.dynamic(graph.DynamicExpandOp, [b.reshape(x, spread), b.reshape(pairs, [2 * x.rank])], target)
    return b.reshape(repeated, [multiply(*pair) for pair in zip(repeated.dims[::2], repeated.dims[1::2])])


def tile(node: Node, x: Value, counts: list[Dim]) -> Value:
    """Each repeated axis gets a broadcast axis before it; a reshape merges the two."""
    if all(isinstance(count, int) and count == 1 for count in counts):
        return x
    spread: list[Dim] = []
    target: list[Dim] = []
    for size, count in zip(x.dims, counts):
        once = isinstance(count, int) and count == 1
        spread += [size] if once else [1, size]
        target += [size] if once else [count, size]
    repeated = node.b.broadcast_to(node.b.reshape(x, spread), target)
    return node.b.reshape(repeated, [multiply(size, count) for size, count in zip(x.dims, counts)])


@converter("ConstantOfShape")
def convert_constant_of_shape(node: Node) -> Value:
    return _filled(node).of_code(node.tensor_code("value"))


def _filled(node: Node) -> Value:
    value = node.attribute("value", np.zeros(1, np.float32)).reshape(())
    shape = node.input(0)
    dims = elements(shape)
    fill = node.b.constant(value)
    if dims is None:
        node.unsupported(
            "the number of dimensions of the shape (input #0) must be known when the model is compiled", MAKE_CONSTANT
        )
    if all(d is not None for d in dims):
        if all(isinstance(d, int) for d in dims) and math.prod(dims) <= 256:
            return node.b.constant(np.full(dims, value))
        return node.b.broadcast_to(fill, dims)
    return node.dynamic(graph.DynamicExpandOp, [fill, shape], dims)


@converter("Range")
def convert_range(node: Node) -> Value:
    parts = [node.b.reshape(node.input(i), ()) for i in range(3)]
    start, limit, step = (_scalar(part) for part in parts)
    element = parts[0].element_type
    count: Dim | None = None
    if start is not None and limit is not None and step is not None:
        count = _range_count(start, limit, step)
    if count is None:
        (result,) = node.b.emit(graph.RangeOp, parts, [node.fresh_type(element, [None])])
        return result
    if isinstance(count, int):
        (result,) = node.b.emit(graph.RangeOp, parts, [GraphTensorType.of([count], element)])
        return result
    result = node.b.iota(count, element)
    if step != 1:
        result = node.b.mul(result, parts[2])
    return result if start == 0 else node.b.add(result, parts[0])


def _scalar(value: Value) -> Any:
    if value.constant is not None:
        return value.constant.reshape(()).item()
    known = value.known()
    return None if known is None else known.reshape(()).item()


def _range_count(start: Any, limit: Any, step: Any) -> Dim | None:
    if all(isinstance(part, int | float) for part in (start, limit, step)):
        return max(int(np.ceil((limit - start) / step)), 0)
    start, limit, step = (_whole(part) for part in (start, limit, step))
    if start is None or limit is None or not isinstance(step, int):
        return None
    if step > 0:
        return ceildiv(subtract(limit, start), step)
    return ceildiv(subtract(start, limit), -step)


def _whole(part: Any) -> Dim | None:
    """An integer or a dimension, also where it was cast to a float; None for fractions."""
    if isinstance(part, float):
        return int(part) if part.is_integer() else None
    return part if isinstance(part, int) or part.is_integer else None


@converter("EyeLike")
def convert_eye_like(node: Node) -> Value:
    x, b = node.input(0), node.b
    code = node.attribute("dtype", None)
    element = x.element_type if code is None else element_of(code)
    rows, columns = x.dims
    if isinstance(rows, int) and isinstance(columns, int):
        eye = np.eye(rows, columns, node.attribute("k", 0), dtype=GraphTensorType.of((), element).dtype)
        return b.constant(eye)
    shifted = b.add_scalar(b.unsqueeze(b.iota(rows), [1]), node.attribute("k", 0))
    return b.cast(b.op(graph.EqualOp, shifted, b.iota(columns)), element)
