"""ONNX Resize read off its specification, in fractions: slow, and without rounding until the very end.

Only what engines compute from a given scale in float32 is rounded on the way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction as F
from typing import Any

import numpy as np

HALF = F(1, 2)

# x is the place in the result, n and m the lengths before and after, w the wanted length, s the scale.
COORDINATES: dict[str, Callable[[int, int, int, F, F], F]] = {
    "half_pixel": lambda x, n, m, w, s: (x + HALF) / s - HALF,
    "half_pixel_symmetric": lambda x, n, m, w, s: F(n, 2) * (1 - m / w) + (x + HALF) / s - HALF,
    "pytorch_half_pixel": lambda x, n, m, w, s: (x + HALF) / s - HALF if m > 1 else F(0),
    "tf_half_pixel_for_nn": lambda x, n, m, w, s: (x + HALF) / s,
    "align_corners": lambda x, n, m, w, s: x * (n - 1) / (w - 1) if m > 1 else F(0),
    "asymmetric": lambda x, n, m, w, s: x / s,
}
# With a scale that is given engines compute these in float32: 1 / 0.33333334 is 3.
IN_FLOAT32: dict[str, Callable[[np.float32, np.float32], np.float32]] = {
    "half_pixel": lambda x, s: (x + np.float32(0.5)) / s - np.float32(0.5),
    "pytorch_half_pixel": lambda x, s: (x + np.float32(0.5)) / s - np.float32(0.5),
    "tf_half_pixel_for_nn": lambda x, s: (x + np.float32(0.5)) / s,
    "asymmetric": lambda x, s: x / s,
}
ROUND: dict[str, Callable[[F], int]] = {
    "floor": math.floor,
    "ceil": math.ceil,
    "round_prefer_floor": lambda v: math.ceil(v - HALF),
    "round_prefer_ceil": lambda v: math.floor(v + HALF),
}


def cropped(x: int, n: int, m: int, start: F, end: F) -> F:
    if m == 1:
        return HALF * (start + end) * (n - 1)
    return start * (n - 1) + x * (end - start) * (n - 1) / (m - 1)


def linear(distance: F) -> F:
    return max(1 - abs(distance), F(0))


def cubic(a: F) -> Callable[[F], F]:
    def weight(distance: F) -> F:
        d = abs(distance)
        if d <= 1:
            return (a + 2) * d**3 - (a + 3) * d**2 + 1
        return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else F(0)

    return weight


def weights_at(place: F, size: int, scale: F, attributes: dict[str, Any]) -> list[F]:
    """The share that each element of an axis has in an element of the result at ``place``."""
    mode = attributes.get("mode", "nearest")
    row = [F(0)] * size
    if mode == "nearest":
        chosen = ROUND[attributes.get("nearest_mode", "round_prefer_floor")](place)
        row[min(max(chosen, 0), size - 1)] = F(1)
        return row
    kernel = linear if mode == "linear" else cubic(F(np.float32(attributes.get("cubic_coeff_a", -0.75)).item()))
    reach = 1 if mode == "linear" else 2
    stretch = min(scale, F(1)) if attributes.get("antialias") else F(1)
    total = F(0)
    for element in range(math.floor(place - reach / stretch), math.ceil(place + reach / stretch) + 1):
        share = kernel((element - place) * stretch)
        if attributes.get("exclude_outside") and not 0 <= element < size:
            continue
        total += share
        row[min(max(element, 0), size - 1)] += share
    return [share / total for share in row] if total else row


def result_sizes(
    shape: Sequence[int], axes: Sequence[int], sizes: Sequence[int] | None, scales: Sequence[float] | None, policy: str
) -> tuple[list[int], list[F | None], list[F]]:
    """Length, scale (None: not resized) and wanted length of each axis."""
    lengths, wanted = list(shape), [F(n) for n in shape]
    factors: list[F | None] = [None] * len(shape)
    if sizes is not None:
        ratios = [F(int(size), shape[axis]) for axis, size in zip(axes, sizes)]
        common = {"stretch": None, "not_larger": min(ratios), "not_smaller": max(ratios)}[policy]
        for axis, size, ratio in zip(axes, sizes, ratios):
            factors[axis] = common or ratio
            lengths[axis] = math.floor(common * shape[axis] + HALF) if common else int(size)
            wanted[axis] = factors[axis] * shape[axis]
        return lengths, factors, wanted
    for axis, scale in zip(axes, scales or ()):
        factors[axis] = F(float(np.float32(scale)))
        wanted[axis] = factors[axis] * shape[axis]
        lengths[axis] = math.floor(np.float32(shape[axis]) * np.float32(scale))
    return lengths, factors, wanted


def exact_resize(
    x: np.ndarray,
    *,
    sizes: Sequence[int] | None = None,
    scales: Sequence[float] | None = None,
    roi: Sequence[float] | None = None,
    **attributes: Any,
) -> np.ndarray:
    """What a Resize with these inputs and attributes gives, as float64."""
    axes = [axis % x.ndim for axis in attributes.get("axes", range(x.ndim))]
    coordinates = attributes.get("coordinate_transformation_mode", "half_pixel")
    policy = attributes.get("keep_aspect_ratio_policy", "stretch")
    lengths, factors, wanted = result_sizes(x.shape, axes, sizes, scales, policy)
    result, outside = x.astype(np.float64), np.zeros((1,) * x.ndim, bool)
    for at, axis in enumerate(axes):
        size, scale = x.shape[axis], factors[axis]
        assert scale is not None
        if coordinates == "tf_crop_and_resize":
            assert roi is not None
            start, end = (F(float(np.float32(roi[k]))) for k in (at, len(axes) + at))
            if scales is not None and end - start != 1:
                lengths[axis] = math.floor(wanted[axis] * (end - start))
            places = [cropped(i, size, lengths[axis], start, end) for i in range(lengths[axis])]
            beyond = np.array([not 0 <= place <= size - 1 for place in places], bool)
            outside = outside | beyond.reshape([-1 if a == axis else 1 for a in range(x.ndim)])
        elif scale == 1:
            continue
        elif scales is not None and coordinates in IN_FLOAT32:
            rounded = IN_FLOAT32[coordinates]
            places = [F(float(rounded(np.float32(i), np.float32(scales[at])))) for i in range(lengths[axis])]
            if coordinates == "pytorch_half_pixel" and lengths[axis] == 1:
                places = [F(0)]
        else:
            formula = COORDINATES[coordinates]
            places = [formula(i, size, lengths[axis], wanted[axis], scale) for i in range(lengths[axis])]
        rows = [[float(share) for share in weights_at(place, size, scale, attributes)] for place in places]
        matrix = np.array(rows).reshape(len(places), size)
        result = np.moveaxis(np.tensordot(matrix, result, (1, axis)), 0, axis)
    return np.where(outside, attributes.get("extrapolation_value", 0.0), result)
