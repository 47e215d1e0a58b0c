"""The bridge from operations to their reference semantics: fields as plain attributes of numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xdsl.dialects.builtin import ArrayAttr, DenseArrayBase

from ...reference.operations import NEVER_FOLDED, SHAPED_BY_RESULT
from ..shape import is_static
from .types import is_container

if TYPE_CHECKING:
    from xdsl.dialects.func import FuncOp

    from ..shape import Dim
    from .types import GraphTensorType

# Fields that hold dimensions.
DIMENSION_FIELDS = ("starts", "ends", "pads", "dimensions", "common_scale")


def reference_attributes(
    name: str,
    values: Mapping[str, Any],
    result_types: Sequence[GraphTensorType],
    evaluate: Callable[[Dim], int] | None = None,
) -> dict[str, Any] | None:
    """What ``REFERENCE[name]`` takes as attributes, dimensions as integers.

    ``name`` is the operation's without "graph.". Symbolic dimensions are evaluated by ``evaluate``;
    without it the result is None where one occurs that matters.
    """
    # Constants are tensors.
    if evaluate is None and (name in NEVER_FOLDED or any(is_container(t.element_type) for t in result_types)):
        return None
    attributes = dict(values)
    if name in SHAPED_BY_RESULT:
        attributes["shape"] = result_types[0].dims
        attributes["dtype"] = result_types[0].dtype
    for field in ("shape", *DIMENSION_FIELDS):
        if field not in attributes:
            continue
        dims = attributes[field]
        if evaluate is not None:
            attributes[field] = tuple(evaluate(dimension) for dimension in dims)
        elif not is_static(dims) and not (field == "shape" and name in ("cast", "bitcast")):
            return None
    return attributes


def vanishing_axes(main: FuncOp) -> list[list[int]]:
    """For each result of @main the axes that it does not have where their size is 1 (``lamina.vanishing``)."""
    if not isinstance(main.res_attrs, ArrayAttr):
        return []
    found = [entry.data.get("lamina.vanishing") for entry in main.res_attrs]
    return [[int(axis) for axis in axes.get_values()] if isinstance(axes, DenseArrayBase) else [] for axes in found]
