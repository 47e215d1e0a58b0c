"""Where the elements of a resized axis lie in the axis that they are taken from: ONNX's formulas, in whole numbers.

Element ``i`` lies at (step * i + start) / divisor. Such a fraction is rounded exactly, where a float may lie on the
wrong side of a half: resizing 20 elements to 6, element 4 lies at 4.5 / (6 / 20) - 0.5, which is 14.5 and not less.
"""

from __future__ import annotations

from typing import Any, TypeAlias

# Integers here, dimensions where a kernel is lowered: all that is needed is + - *.
Number: TypeAlias = Any
Line: TypeAlias = tuple[Number, Number, Number]

IN_FLOAT32 = frozenset({"half_pixel", "pytorch_half_pixel", "tf_half_pixel_for_nn", "asymmetric"})
"""Coordinates that engines compute in float32 where a scale is given, so that 1 / 0.33333334 is 3 and not less."""

FIRST_IF_SINGLE = frozenset({"pytorch_half_pixel", "align_corners"})
"""Coordinates by which the only element of an axis lies at 0."""


def source_line(coordinates: str, before: Number, after: Number, scale: tuple[Number, Number] | None) -> Line:
    """Step, start and divisor for an axis of ``before`` elements that is resized to ``after`` of them.

    ``scale`` is a fraction; None stands for after / before. A single element may lie elsewhere: see
    FIRST_IF_SINGLE. Raises ValueError for coordinates that it does not know.
    """
    numerator, denominator = scale or (after, before)
    match coordinates:
        case "half_pixel" | "pytorch_half_pixel":
            return 2 * denominator, denominator - numerator, 2 * numerator
        case "half_pixel_symmetric":
            return 2 * denominator, (before - 1) * numerator + (1 - after) * denominator, 2 * numerator
        case "tf_half_pixel_for_nn":
            return 2 * denominator, denominator, 2 * numerator
        case "asymmetric":
            return denominator, 0, numerator
        case "align_corners" if scale is None:
            return before - 1, 0, after - 1
        case "align_corners":
            # The corner is that of the wanted width, which need not be whole where a scale gives it.
            return (before - 1) * denominator, 0, before * numerator - denominator
    raise ValueError(f"unknown coordinate mode '{coordinates}'")


def cropped_line(before: int, after: int, region: tuple[float, float]) -> Line:
    """As source_line, for tf_crop_and_resize to ``region``: its start and end as parts of the axis."""
    (start, start_unit), (end, end_unit) = (edge.as_integer_ratio() for edge in region)
    start, end, unit = start * end_unit, end * start_unit, start_unit * end_unit
    if after == 1:
        return 0, (start + end) * (before - 1), 2 * unit
    return (end - start) * (before - 1), start * (before - 1) * (after - 1), unit * (after - 1)
