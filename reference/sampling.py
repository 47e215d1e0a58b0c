"""Interpolation: resize, grid_sample, roi_align."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from .coordinates import FIRST_IF_SINGLE, IN_FLOAT32, cropped_line, source_line
from .elementwise import Arrays, Attributes, Operation, widened

Scale = float | tuple[int, int]
"""A given scale, a float32; or a fraction that follows from sizes."""


Fractions = tuple[np.ndarray, int]
"""Numerators, Python integers of any length, and their one denominator."""


def source_positions(
    coordinates: str, size: int, out_size: int, scale: Scale | None, roi: tuple[float, float] = (0.0, 1.0)
) -> Fractions:
    """For each output place along one axis its position in the input, as ONNX's modes define it."""
    if coordinates == "tf_crop_and_resize":
        step, start, divisor = cropped_line(size, out_size, roi)
    elif out_size == 1 and coordinates in FIRST_IF_SINGLE:
        step, start, divisor = 0, 0, 1
    elif isinstance(scale, float) and coordinates in IN_FLOAT32:
        return _in_float32(coordinates, out_size, scale)
    else:
        fraction = scale if scale is None or isinstance(scale, tuple) else scale.as_integer_ratio()
        step, start, divisor = source_line(coordinates, size, out_size, fraction)
    return np.array([step * place + start for place in range(out_size)], object), divisor


def _in_float32(coordinates: str, out_size: int, scale: float) -> Fractions:
    """Positions by a given scale, each step rounded to float32."""
    half = np.float32(0.5)
    places = np.arange(out_size, dtype=np.float32)
    rounded = (places if coordinates == "asymmetric" else places + half) / np.float32(scale)
    if coordinates in ("half_pixel", "pytorch_half_pixel"):
        rounded = rounded - half
    unit = 1 << 149  # The smallest float32 is one part of it.
    return np.array([_whole_parts(position, unit) for position in rounded.tolist()], object), unit


def _whole_parts(number: float, unit: int) -> int:
    numerator, denominator = number.as_integer_ratio()
    return numerator * unit // denominator


def nearest_indices(positions: Fractions, nearest: str, size: int) -> np.ndarray:
    """Positions rounded to places inside the axis."""
    numerators, divisor = positions
    rounded = {
        "round_prefer_floor": lambda: -((divisor - 2 * numerators) // (2 * divisor)),
        "round_prefer_ceil": lambda: (2 * numerators + divisor) // (2 * divisor),
        "floor": lambda: numerators // divisor,
        "ceil": lambda: -(-numerators // divisor),
    }[nearest]()
    return np.clip(rounded, 0, size - 1).astype(np.int64)


def _cubic(distance: np.ndarray, a: float) -> np.ndarray:
    d = np.abs(distance)
    near = (a + 2) * d**3 - (a + 3) * d**2 + 1
    far = a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0.0))


def axis_weights(mode: str, positions: Fractions, size: int, scale: float, attributes: dict[str, Any]) -> np.ndarray:
    """The matrix [outputs, size] that interpolates one axis linearly or cubically."""
    numerators, divisor = positions
    if len(numerators) == 0:
        return np.zeros((0, size))
    cubic = mode == "cubic"
    stretch = min(scale, 1.0) if attributes.get("antialias") else 1.0
    support = (2.0 if cubic else 1.0) / stretch
    reach = int(np.ceil(support))
    weights = np.zeros((len(numerators), size))
    floors = numerators // divisor
    beyond_floor = ((numerators - floors * divisor) / divisor).astype(np.float64)
    # Further away, an element is outside whatever its neighbours are.
    base = np.clip(floors, -reach - 1, size + reach).astype(np.int64)
    rows = np.arange(len(numerators))
    exclude = attributes.get("exclude_outside")
    for offset in range(-reach + 1, reach + 1):
        places = base + offset
        distance = (beyond_floor - offset) * stretch
        if cubic:
            share = _cubic(distance, attributes.get("cubic_coefficient", -0.75))
        else:
            share = np.maximum(1.0 - np.abs(distance), 0.0)
        if exclude:
            share = np.where((places >= 0) & (places < size), share, 0.0)
        np.add.at(weights, (rows, np.clip(places, 0, size - 1)), share)
    if not exclude and not attributes.get("antialias"):
        return weights
    total = np.sum(weights, 1, keepdims=True)
    return weights / np.where(total == 0, 1.0, total)


def _resize(inputs: Arrays, attributes: Attributes) -> Arrays:
    x, shape = inputs[0], attributes["shape"]
    given = attributes.get("scales") or [0.0] * x.ndim
    common = attributes.get("common_scale")
    # A scale of 0 is not given.
    return [resize(x, shape, [scale or (tuple(common) if common else None) for scale in given], attributes)]


def resize(x: np.ndarray, shape: tuple[int, ...], scales: Sequence[Scale | None], attributes: Attributes) -> np.ndarray:
    """``x`` interpolated to ``shape``, one axis after another; where no scale is given, it follows from the sizes.

    Integers are cut off, and rounded where neighbours are averaged against aliasing, as onnxruntime has both.
    """
    mode, coordinates = attributes["mode"], attributes.get("coordinates", "half_pixel")
    roi = attributes.get("roi") or [0.0] * x.ndim + [1.0] * x.ndim
    result = x if mode == "nearest" else widened(x).astype(np.float64)
    outside = np.zeros(shape, bool)
    for axis, (size, out_size, scale) in enumerate(zip(x.shape, shape, scales)):
        crop = coordinates == "tf_crop_and_resize"
        factor = scale_factor(scale, size, out_size)
        if size == out_size and factor == 1 and not crop:
            continue
        numerators, divisor = source_positions(coordinates, size, out_size, scale, (roi[axis], roi[x.ndim + axis]))
        if crop:
            beyond = (numerators < 0) | (numerators > (size - 1) * divisor)
            outside |= beyond.astype(bool).reshape([-1 if a == axis else 1 for a in range(x.ndim)])
        if mode == "nearest":
            nearest = attributes.get("nearest", "round_prefer_floor")
            result = np.take(result, nearest_indices((numerators, divisor), nearest, size), axis)
        else:
            weights = axis_weights(mode, (numerators, divisor), size, factor, attributes)
            result = np.moveaxis(np.tensordot(weights, result, (1, axis)), 0, axis)
    if outside.any():
        result = np.where(outside, attributes.get("extrapolation", 0.0), result)
    if x.dtype.kind in "iu" and result.dtype != x.dtype:
        limits = np.iinfo(x.dtype)
        whole = np.rint(result) if attributes.get("antialias") else np.trunc(result)
        result = np.clip(whole, limits.min, limits.max)
    return np.ascontiguousarray(result.astype(x.dtype, copy=False))


def scale_factor(scale: Scale | None, size: int, out_size: int) -> float:
    if scale is not None and not isinstance(scale, tuple):
        return scale
    numerator, denominator = scale or (out_size, size)
    return 1.0 if numerator == denominator else numerator / denominator


def _dynamic_resize(inputs: Arrays, attributes: Attributes) -> Arrays:
    x, wanted = inputs
    axes = attributes.get("axes") or tuple(range(x.ndim))
    shape = list(x.shape)
    scales: list[Scale | None] = [None] * x.ndim
    if wanted.dtype.kind == "f":
        for axis, scale in zip(axes, wanted, strict=True):
            scales[axis] = float(scale)
            shape[axis] = _scaled(shape[axis], float(scale), axis, attributes)
        return [resize(x, tuple(shape), scales, attributes)]
    policy = attributes.get("policy", "stretch")
    if policy == "stretch":
        for axis, size in zip(axes, wanted, strict=True):
            shape[axis] = int(size)
        return [resize(x, tuple(shape), scales, attributes)]
    scale = common_scale([x.shape[axis] for axis in axes], [int(size) for size in wanted], policy)
    for axis in axes:
        scales[axis], shape[axis] = scale, (2 * scale[0] * x.shape[axis] + scale[1]) // (2 * scale[1])
    return [resize(x, tuple(shape), [scale or 1.0 for scale in scales], attributes)]


def _scaled(size: int, scale: float, axis: int, attributes: Attributes) -> int:
    """A size times the extent of the region along an axis and the scale, rounded down; in float32 without a region."""
    roi = attributes.get("roi")
    extent = Fraction(roi[len(roi) // 2 + axis]) - Fraction(roi[axis]) if roi else 1
    if extent == 1:
        return int(np.floor(np.float32(size) * np.float32(scale)))
    return max(math.floor(size * extent * Fraction(scale)), 0)


def common_scale(sizes: Sequence[int], wanted: Sequence[int], policy: str) -> tuple[int, int]:
    """The one scale of all axes by which none becomes larger than wanted (not_larger), or smaller (not_smaller)."""
    scale = wanted[0], sizes[0]
    for size, target in zip(sizes[1:], wanted[1:]):
        is_smaller = target * scale[1] < scale[0] * size
        if is_smaller == (policy == "not_larger"):
            scale = target, size
    return scale


def _reflected(positions: np.ndarray, size: int, align_corners: bool) -> np.ndarray:
    low, high = (0.0, size - 1.0) if align_corners else (-0.5, size - 0.5)
    span = high - low
    if span <= 0:
        return np.zeros_like(positions)
    offset = np.abs(positions - low)
    folded, turns = np.fmod(offset, span), np.floor(offset / span)
    return np.where(turns % 2 == 0, folded + low, high - folded)


def _sample_at(x: np.ndarray, places: list[np.ndarray], padding: str, align_corners: bool) -> np.ndarray:
    """x [C, spatial] at integer places, one array an axis: [C, ...]."""
    inside = np.ones(places[0].shape, bool)
    indices = []
    for axis, place in enumerate(places):
        size = x.shape[axis + 1]
        if padding == "reflection":
            place = _reflected(place.astype(np.float64), size, align_corners)
        else:
            inside &= (place >= 0) & (place < size)
        indices.append(np.clip(place, 0, size - 1).astype(np.int64))
    values = x[(slice(None), *indices)]
    return np.where(inside, values, 0) if padding == "zeros" else values


def _in_elements(positions: np.ndarray, size: int, align_corners: bool) -> np.ndarray:
    return (positions + 1) / 2 * (size - 1) if align_corners else ((positions + 1) * size - 1) / 2


def _grid_sample(inputs: Arrays, attributes: Attributes) -> Arrays:
    x, grid = widened(inputs[0]), widened(inputs[1])
    mode, padding = attributes.get("mode", "linear"), attributes.get("padding", "zeros")
    align = attributes.get("align_corners", False)
    spatial = x.shape[2:]
    results = np.zeros((*x.shape[:2], *grid.shape[1:-1]), x.dtype)
    for image, positions, result in zip(x, grid, results):
        # The grid lists coordinates innermost axis first.
        axes = [positions[..., len(spatial) - 1 - i] for i in range(len(spatial))]
        if not attributes.get("in_elements"):
            axes = [_in_elements(p, size, align) for p, size in zip(axes, spatial)]
        if padding == "border" and mode != "cubic":
            axes = [np.clip(p, 0, size - 1) for p, size in zip(axes, spatial)]
        elif padding == "reflection" and mode != "cubic":
            axes = [_reflected(p, size, align) for p, size in zip(axes, spatial)]
        result[...] = _interpolated(image, axes, mode, padding, align)
    return [results.astype(inputs[0].dtype, copy=False)]


def _interpolated(image: np.ndarray, axes: list[np.ndarray], mode: str, padding: str, align: bool) -> np.ndarray:
    if mode == "nearest":
        return _sample_at(image, [np.rint(p) for p in axes], padding, align)
    offsets = range(-1, 3) if mode == "cubic" else range(2)
    bases = [np.floor(p) for p in axes]
    total = np.zeros((image.shape[0], *axes[0].shape), image.dtype)
    for corner in itertools.product(offsets, repeat=len(axes)):
        places = [base + offset for base, offset in zip(bases, corner)]
        weight = np.ones(axes[0].shape, image.dtype)
        for position, place in zip(axes, places):
            distance = position - place
            weight = weight * (_cubic(distance, -0.75) if mode == "cubic" else 1 - np.abs(distance))
        total += _sample_at(image, places, padding, align) * weight
    return total


def _bilinear_taps(position: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Low place, high place, share of the high one, and whether the sample counts."""
    valid = (position >= -1.0) & (position <= size)
    clamped = np.maximum(position, 0.0)
    low = np.minimum(np.floor(clamped), size - 1).astype(np.int64)
    high = np.minimum(low + 1, size - 1)
    share = np.where(low >= size - 1, 0.0, clamped - low)
    return low, high, share, valid


def _roi_align(inputs: Arrays, attributes: Attributes) -> Arrays:
    x, rois, batch_indices = widened(inputs[0]), widened(inputs[1]), inputs[2]
    height, width = attributes["size"]
    scale, ratio = attributes["spatial_scale"], attributes["sampling_ratio"]
    shift = 0.5 if attributes.get("half_pixel") else 0.0
    outside = batch_indices[(batch_indices < 0) | (batch_indices >= len(x))]
    if outside.size:
        raise IndexError(f"roi_align: batch index {outside[0]} is out of range for {len(x)} images")
    results = np.zeros((len(rois), x.shape[1], height, width), x.dtype)
    for index, (roi, batch) in enumerate(zip(rois, batch_indices)):
        left, top, right, bottom = (float(c) * scale - shift for c in roi)
        extent_y, extent_x = bottom - top, right - left
        if not attributes.get("half_pixel"):
            extent_y, extent_x = max(extent_y, 1.0), max(extent_x, 1.0)
        bin_y, bin_x = extent_y / height, extent_x / width
        count_y, count_x = (ratio if ratio > 0 else int(np.ceil(extent)) for extent in (bin_y, bin_x))
        if count_y <= 0 or count_x <= 0:
            continue
        ys = top + (np.arange(height * count_y) + 0.5) * bin_y / count_y
        xs = left + (np.arange(width * count_x) + 0.5) * bin_x / count_x
        samples = _roi_samples(x[batch], ys, xs, attributes["mode"])
        grouped = samples.reshape(-1, height, count_y, width, count_x)
        results[index] = grouped.max((2, 4)) if attributes["mode"] == "max" else grouped.mean((2, 4))
    return [results.astype(inputs[0].dtype, copy=False)]


def _roi_samples(image: np.ndarray, ys: np.ndarray, xs: np.ndarray, mode: str) -> np.ndarray:
    low_y, high_y, share_y, valid_y = _bilinear_taps(ys, image.shape[1])
    low_x, high_x, share_x, valid_x = _bilinear_taps(xs, image.shape[2])
    share_y, share_x = share_y[:, None], share_x[None, :]
    corners = [
        image[:, low_y][:, :, low_x] * ((1 - share_y) * (1 - share_x)),
        image[:, low_y][:, :, high_x] * ((1 - share_y) * share_x),
        image[:, high_y][:, :, low_x] * (share_y * (1 - share_x)),
        image[:, high_y][:, :, high_x] * (share_y * share_x),
    ]
    # ONNX's max mode takes the largest weighted corner, not the largest interpolated value.
    samples = np.max(corners, 0) if mode == "max" else np.sum(corners, 0)
    return np.where(valid_y[:, None] & valid_x[None, :], samples, 0)


SAMPLING: dict[str, Operation] = {
    "resize": _resize,
    "dynamic_resize": _dynamic_resize,
    "grid_sample": _grid_sample,
    "roi_align": _roi_align,
}
