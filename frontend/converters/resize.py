"""Resize and Upsample."""

from __future__ import annotations

import functools
import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from ...dialects import graph
from ...dialects.graph.types import is_integer
from ...dialects.shape import add, canonical, floordiv, maximum, minimum, multiply, same_dimension, scaled
from ..contents import as_exact
from ..node import Node
from ..registry import converter
from ..values import Value

if TYPE_CHECKING:
    from ...dialects.shape import Dim


@converter("Upsample", since=7)
def convert_upsample(node: Node) -> Value:
    x = node.input(0)
    scales = node.optional(1) or node.b.constant(np.array(node.attribute("scales"), np.float32))
    fields = {"mode": node.attribute("mode", "nearest"), "coordinates": "asymmetric", "nearest": "floor"}
    return _by_scales(node, x, scales, list(range(x.rank)), fields)


@converter("Resize", since=10)
def convert_resize_opset_10(node: Node) -> Value:
    """Nearest elements are those above where an axis shrinks, as onnxruntime has it; ONNX does not say."""
    x = node.input(0)
    scales, axes = node.input(1), list(range(x.rank))
    fields = {"mode": node.attribute("mode", "nearest"), "coordinates": "asymmetric", "nearest": "floor"}
    known = scales.constant
    if fields["mode"] != "nearest" or known is None or not (known < 1).any():
        return _by_scales(node, x, scales, axes, fields)
    x = _by_scales(node, x, node.b.constant(np.maximum(known, 1)), axes, fields)
    return _by_scales(node, x, node.b.constant(np.minimum(known, 1)), axes, {**fields, "nearest": "ceil"})


@converter("Resize", since=11)
def convert_resize(node: Node) -> Value:
    x, roi, scales, sizes = node.input(0), node.optional(1), node.optional(2), node.optional(3)
    axes = node.axes(node.attribute("axes", list(range(x.rank))), x.rank)
    fields: dict[str, Any] = {
        "mode": node.attribute("mode", "nearest"),
        "coordinates": node.attribute("coordinate_transformation_mode", "half_pixel"),
        "nearest": node.attribute("nearest_mode", "round_prefer_floor"),
        "cubic_coefficient": node.attribute("cubic_coeff_a", -0.75),
        "exclude_outside": bool(node.attribute("exclude_outside", 0)),
        "extrapolation": node.attribute("extrapolation_value", 0.0),
        "antialias": bool(node.attribute("antialias", 0)),
    }
    if fields["coordinates"] == "tf_crop_and_resize" and roi is not None:
        fields["roi"] = _region(node, axes, x.rank)
    if sizes is not None and sizes.dims != (0,):
        return _by_sizes(node, x, sizes, axes, fields)
    if scales is None:
        node.invalid("neither scales nor sizes are given", "give one of them")
    return _by_scales(node, x, scales, axes, fields)


def _region(node: Node, axes: list[int], rank: int) -> list[float]:
    given = node.constant_input(1, "the region").tolist()
    if len(given) != 2 * len(axes) or not all(math.isfinite(edge) for edge in given):
        node.invalid(f"the region is {given}: expected {2 * len(axes)} finite numbers, a start and an end an axis")
    region = [0.0] * rank + [1.0] * rank
    for index, axis in enumerate(axes):
        region[axis], region[rank + axis] = given[index], given[len(axes) + index]
    return region


def _by_scales(node: Node, x: Value, scales: Value, axes: list[int], fields: dict[str, Any]) -> Value:
    known = scales.known()
    factors = None if known is None else known.reshape(-1).tolist()
    if factors is None or any(factor is None for factor in factors):
        return _dynamic(node, x, scales, axes, fields)
    dims = list(x.dims)
    all_scales = [1.0] * x.rank
    for axis, factor in zip(axes, factors):
        dims[axis] = _scaled(node, dims[axis], factor, fields, axis)
        # A scale computed from sizes makes a whole number of elements: it follows from that.
        all_scales[axis] = float(factor) if isinstance(factor, int | float) and dims[axis] != 0 else 0.0
    return _resized(node, x, dims, {**fields, "scales": all_scales} if any(all_scales) else fields)


def _scaled(node: Node, size: Dim, factor: Any, fields: dict[str, Any], axis: int) -> Dim:
    """floor(size * (end - start of the region) * factor).

    Without a region, in float32, as engines have it: 0.7 of 10 is 7.
    """
    roi: list[float] = fields.get("roi", [])
    extent = Fraction(roi[len(roi) // 2 + axis]) - Fraction(roi[axis]) if roi else Fraction(1)
    if not isinstance(factor, int | float):
        exact = as_exact(factor) if extent == 1 else None
        whole = None if exact is None else canonical(size * exact)
        if whole is None or not (isinstance(whole, int) or whole.is_integer):
            node.unknown_size(f"the scale {factor}", size)
        return whole
    if extent < 0:
        node.invalid(f"the region along axis {axis} ends before it starts", "give a region that is not empty")
    if extent != 1:
        return _floor_of_product(node, size, Fraction(factor) * extent)
    numerator, denominator = float(factor).as_integer_ratio()
    if numerator < 1 << 8 and denominator < 1 << 60:
        return floordiv(multiply(numerator, size), denominator)
    return scaled(size, numerator, denominator)


def _floor_of_product(node: Node, size: Dim, factor: Fraction) -> Dim:
    """Has the run check that the product fits 64 bits."""
    if not isinstance(size, int):
        most = ((1 << 62) - 1) // max(factor.numerator, 1)
        if most < 1 << 10 or factor.denominator > 1 << 60:
            node.unknown_size(f"the scale {float(factor)}", size)
        if most < 1 << 38:
            why = f"{node.describe()}: by the scale {float(factor)} a size of at most {most} is resized"
            node.b.symbols.require_at_most(size, most, why)
    return floordiv(multiply(factor.numerator, size), factor.denominator)


def _by_sizes(node: Node, x: Value, sizes: Value, axes: list[int], fields: dict[str, Any]) -> Value:
    wanted = sizes.dimensions()
    if wanted is None:
        return _dynamic(node, x, sizes, axes, fields)
    dims = list(x.dims)
    policy = _policy(node)
    if policy != "stretch":
        scale = _common_scale([x.dims[axis] for axis in axes], wanted, policy)
        wanted = [_keeping_ratio([x.dims[axis] for axis in axes], wanted, x.dims[axis], policy) for axis in axes]
        fields = {**fields, "common_scale": scale, "scales": [0.0 if axis in axes else 1.0 for axis in range(x.rank)]}
    for axis, size in zip(axes, wanted):
        dims[axis] = size
    return _resized(node, x, dims, fields)


def _policy(node: Node) -> str:
    policy = node.attribute("keep_aspect_ratio_policy", "stretch")
    if policy not in ("stretch", "not_larger", "not_smaller"):
        node.invalid(f"keep_aspect_ratio_policy is '{policy}'", "use stretch, not_larger or not_smaller")
    return policy


def _common_scale(current: list[Dim], wanted: list[Dim], policy: str) -> tuple[Dim, Dim]:
    """The smallest (not_larger) or largest of wanted / current, as a fraction."""
    numerator, denominator = wanted[0], current[0]
    choose = minimum if policy == "not_larger" else maximum
    for size, target in zip(current[1:], wanted[1:]):
        one, other = multiply(numerator, size), multiply(target, denominator)
        if isinstance(one, int) and isinstance(other, int):
            if choose(one, other) != one:
                numerator, denominator = target, size
        elif not same_dimension(one, other):
            numerator, denominator = choose(one, other), multiply(denominator, size)
    return numerator, denominator


def _keeping_ratio(current: list[Dim], wanted: list[Dim], size: Dim, policy: str) -> Dim:
    """A size times the common scale, to the nearest whole number, the upper one of two."""
    rounded = [
        floordiv(add(multiply(2, multiply(target, size)), other), multiply(2, other))
        for target, other in zip(wanted, current)
    ]
    return functools.reduce(minimum if policy == "not_larger" else maximum, rounded)


def _resized(node: Node, x: Value, dims: list[Dim], fields: dict[str, Any]) -> Value:
    crop = fields["coordinates"] == "tf_crop_and_resize"
    wanted = x.type.with_dims(dims)
    is_same = all(scale in (0.0, 1.0) for scale in fields.get("scales", [])) and "common_scale" not in fields
    if wanted.same_shape(x.type) and not crop and is_same:
        return x
    _require_elements(node, x, dims)
    (result,) = node.b.emit(graph.ResizeOp, [x], [wanted], **fields)
    return result


def _require_elements(node: Node, x: Value, dims: list[Dim]) -> None:
    """An axis without elements has none to take for an axis with elements."""
    for axis, (before, after) in enumerate(zip(x.dims, dims)):
        if isinstance(before, int):
            if before == 0 and after != 0:
                node.invalid(f"axis {axis} has no elements, but {after} are to be made of them")
            continue
        of_none = after if isinstance(after, int) else canonical(after.subs(before, 0))
        if of_none != 0:
            why = f"{node.describe()} makes {after} elements of axis {axis}, which must have some"
            node.b.symbols.require_at_least(before, 1, why)


def _dynamic(node: Node, x: Value, sizes: Value, axes: list[int], fields: dict[str, Any]) -> Value:
    """Sizes or scales that only the run knows."""
    dims: list[Any] = [size if axis not in axes else None for axis, size in enumerate(x.dims)]
    known = sizes.known()
    policy = _policy(node)
    if known is not None and is_integer(sizes.element_type) and policy == "stretch":
        for axis, size in zip(axes, known.reshape(-1).tolist()):
            dims[axis] = size
    return node.dynamic(graph.DynamicResizeOp, [x, sizes], dims, **fields, axes=axes, policy=policy)
