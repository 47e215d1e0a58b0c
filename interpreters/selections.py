"""What kernels that order, count or select elements mean, in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..dialects import kernel_selections as k
from ..reference.operations import evaluate

_Arrays = list[np.ndarray]


def _top_k(run: Any, op: k.TopKOp, operands: _Arrays) -> _Arrays:
    x = _with_sign(operands[0], op)
    count = np.array(run.sizes(op.type.dims)[-1:], np.int64)
    top, places = evaluate("topk", [x, count], {"axis": x.ndim - 1, "smallest": op.get("smallest")})
    return [top.view(operands[0].dtype), places]


def _with_sign(array: np.ndarray, op: k.SelectionOp) -> np.ndarray:
    """Arrays of kernels hold signed integers: as what the kernel takes them to be."""
    if not op.get("unsigned") or array.dtype == np.bool_:
        return array
    return array.view(f"u{array.dtype}")


def _count_nonzero(run: Any, op: k.CountNonzeroOp, operands: _Arrays) -> _Arrays:
    return evaluate("count_nonzero", operands, {})


def _nonzero(run: Any, op: k.NonzeroOp, operands: _Arrays) -> _Arrays:
    return evaluate("nonzero", operands, {})


def _suppress_boxes(run: Any, op: k.SuppressBoxesOp, operands: _Arrays) -> _Arrays:
    shape = run.sizes(op.type.dims)
    return evaluate("suppress_boxes", operands, {"center_point_box": op.get("center_point_box"), "shape": shape})


def _list_boxes(run: Any, op: k.ListBoxesOp, operands: _Arrays) -> _Arrays:
    return evaluate("list_boxes", operands, {})


def _find_distinct(run: Any, op: k.FindDistinctOp, operands: _Arrays) -> _Arrays:
    return evaluate("find_distinct", [_with_sign(operands[0], op)], {"unsorted": op.get("unsorted")})


SELECTIONS: dict[Any, Callable[[Any, Any, _Arrays], _Arrays]] = {
    k.TopKOp: _top_k,
    k.CountNonzeroOp: _count_nonzero,
    k.NonzeroOp: _nonzero,
    k.SuppressBoxesOp: _suppress_boxes,
    k.ListBoxesOp: _list_boxes,
    k.FindDistinctOp: _find_distinct,
}
