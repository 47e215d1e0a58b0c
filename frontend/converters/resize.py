"""Resize and Upsample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...dialects import graph
from ...dialects.shape import floordiv
from ..contents import as_exact
from ..node import MAKE_CONSTANT, Node
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
    if fields["coordinates"] == "tf_half_pixel_for_nn":
        fields |= {"coordinates": "half_pixel", "nearest": "floor"}
    if fields["coordinates"] == "tf_crop_and_resize" and roi is not None:
        fields["roi"] = _region(node, axes, x.rank)
    if sizes is not None and sizes.dims != (0,):
        return _by_sizes(node, x, sizes, axes, fields)
    if scales is None:
        node.invalid("neither scales nor sizes are given", "give one of them")
    return _by_scales(node, x, scales, axes, fields)


def _region(node: Node, axes: list[int], rank: int) -> list[float]:
    given = node.constant_input(1, "the region").tolist()
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
    all_scales: list[Any] = [1.0] * x.rank
    for axis, factor in zip(axes, factors):
        dims[axis] = _scaled(node, dims[axis], factor, fields, axis, x.rank)
        all_scales[axis] = factor
    if all(isinstance(factor, int | float) for factor in all_scales):
        fields = {**fields, "scales": all_scales}
    return _resized(node, x, dims, fields)


def _scaled(node: Node, size: Dim, factor: Any, fields: dict[str, Any], axis: int, rank: int) -> Dim:
    """floor(size * (end - start of the region) * factor)."""
    if isinstance(size, int) and isinstance(factor, int | float):
        roi: list[float] = fields.get("roi", [])
        extent: float = roi[rank + axis] - roi[axis] if roi else 1.0
        # In float32, as onnxruntime has it: 0.6 * 5 is 3 there.
        return int(np.floor(np.float32(float(size) * extent) * np.float32(factor)))
    exact = as_exact(factor)
    if exact is None or "roi" in fields:
        node.unknown_size(f"the scale {factor}", size)
    return floordiv(exact * size, 1)


def _by_sizes(node: Node, x: Value, sizes: Value, axes: list[int], fields: dict[str, Any]) -> Value:
    wanted = sizes.dimensions()
    if wanted is None:
        return _dynamic(node, x, sizes, axes, fields)
    dims = list(x.dims)
    policy = node.attribute("keep_aspect_ratio_policy", "stretch")
    if policy != "stretch":
        wanted = _keeping_ratio(node, [dims[axis] for axis in axes], wanted, policy)
    for axis, size in zip(axes, wanted):
        dims[axis] = size
    return _resized(node, x, dims, fields)


def _keeping_ratio(node: Node, current: list[Dim], wanted: list[Dim], policy: str) -> list[Dim]:
    known = [size for size in current if isinstance(size, int)]
    targets = [size for size in wanted if isinstance(size, int)]
    if len(known) < len(current) or len(targets) < len(wanted):
        node.unsupported("keep_aspect_ratio_policy needs axes of known size", node.how_to_fix(*current, *wanted))
    ratios = [target / size for size, target in zip(known, targets)]
    scale = min(ratios) if policy == "not_larger" else max(ratios)
    return [int(np.floor(scale * size + 0.5)) for size in known]


def _resized(node: Node, x: Value, dims: list[Dim], fields: dict[str, Any]) -> Value:
    crop = fields["coordinates"] == "tf_crop_and_resize"
    wanted = x.type.with_dims(dims)
    if wanted.same_shape(x.type) and not crop and all(s == 1.0 for s in fields.get("scales", [])):
        return x
    (result,) = node.b.emit(graph.ResizeOp, [x], [wanted], **fields)
    return result


def _dynamic(node: Node, x: Value, sizes: Value, axes: list[int], fields: dict[str, Any]) -> Value:
    """Sizes or scales that only the run knows."""
    if axes != list(range(x.rank)) or node.attribute("keep_aspect_ratio_policy", "stretch") != "stretch":
        node.unsupported("sizes or scales of some axes must be known when the model is compiled", MAKE_CONSTANT)
    dims: list[Any] = [None] * x.rank
    known = sizes.known()
    if known is not None and sizes.type.dtype.kind == "i":
        dims = known.reshape(-1).tolist()
    return node.dynamic(graph.DynamicResizeOp, [x, sizes], dims, **fields)
