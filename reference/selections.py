"""What finds sizes that depend on data, and what is selected: graph-bind-sizes writes most of these operations."""

from __future__ import annotations

import numpy as np

from .elementwise import Arrays, Attributes, Operation


def _bind_sizes(inputs: Arrays, attributes: Attributes) -> Arrays:
    """Zeros without memory of their own."""
    return [np.broadcast_to(np.zeros((), np.bool_), inputs[0].tolist())]


def _count_nonzero(inputs: Arrays, attributes: Attributes) -> Arrays:
    return [np.array([np.count_nonzero(inputs[0])], np.int64)]


def _corners(boxes: np.ndarray, center_point: bool) -> np.ndarray:
    """Boxes as [low, low, high, high] in the two axes."""
    if center_point:
        centre, size = boxes[:, :2], boxes[:, 2:]
        return np.concatenate([centre - size / 2, centre + size / 2], 1)
    return np.concatenate([np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])], 1)


def _overlaps(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of one box with others."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    shared = np.prod(np.maximum(high - low, 0), 1)
    areas = np.prod(others[:, 2:] - others[:, :2], 1) + np.prod(box[2:] - box[:2]) - shared
    return np.divide(shared, areas, out=np.zeros_like(shared), where=areas > 0)


def _suppressed(boxes: np.ndarray, scores: np.ndarray, limit: int, iou: float, least: float | None) -> list[int]:
    candidates = np.argsort(-scores, kind="stable")
    candidates = candidates[~np.isnan(scores[candidates])]
    if least is not None:
        candidates = candidates[scores[candidates] > least]
    kept: list[int] = []
    while len(candidates) and len(kept) < limit:
        best, candidates = int(candidates[0]), candidates[1:]
        kept.append(best)
        candidates = candidates[_overlaps(boxes[best], boxes[candidates]) <= iou]
    return kept


def _suppress_boxes(inputs: Arrays, attributes: Attributes) -> Arrays:
    """Of each class what is kept, then -1; and the counts."""
    boxes, scores = inputs[:2]
    limit, iou = int(inputs[2].reshape(-1)[0]), float(inputs[3].reshape(-1)[0])
    least = float(inputs[4].reshape(-1)[0]) if len(inputs) > 4 else None
    batches, classes, _ = scores.shape
    kept = np.full((batches, classes, attributes["shape"][2]), -1, np.int64)
    counts = np.zeros((batches, classes), np.int64)
    for batch in range(batches):
        corners = _corners(boxes[batch], attributes.get("center_point_box", False))
        for category in range(classes):
            found = _suppressed(corners, scores[batch, category], limit, iou, least)
            kept[batch, category, : len(found)], counts[batch, category] = found, len(found)
    return [kept, counts]


def _list_boxes(inputs: Arrays, attributes: Attributes) -> Arrays:
    kept, counts = inputs
    is_kept = np.arange(kept.shape[2]) < counts[:, :, None]
    batch, category, _ = np.nonzero(is_kept)
    return [np.stack([batch, category, kept[is_kept]], 1).astype(np.int64)]


def _non_max_suppression(inputs: Arrays, attributes: Attributes) -> Arrays:
    return _list_boxes(_suppress_boxes(inputs, {**attributes, "shape": inputs[1].shape}), {})


def _unique(inputs: Arrays, attributes: Attributes) -> Arrays:
    axes = attributes.get("axes") or ()
    axis = axes[0] if axes else None
    distinct, first, inverse, counts = np.unique(inputs[0], True, True, True, axis=axis)
    inverse = inverse.reshape(-1)
    if attributes.get("unsorted"):
        order = np.argsort(first, kind="stable")
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        distinct = np.take(distinct, order, axis or 0)
        first, counts, inverse = first[order], counts[order], rank[inverse]
    return [distinct, first.astype(np.int64), inverse.astype(np.int64), counts.astype(np.int64)]


def _find_distinct(inputs: Arrays, attributes: Attributes) -> Arrays:
    x = inputs[0]
    count = len(x)
    axis = None if x.shape[1] == 1 else 0
    if x.shape[1] == 0:
        x, axis = np.zeros((count, 1), x.dtype), None
    attributes = {"axes": [] if axis is None else [axis], "unsorted": attributes.get("unsorted")}
    _, first, inverse, counts = _unique([x], attributes)
    rest = np.full(count - len(first), -1, np.int64)
    number = np.array([len(first)], np.int64)
    return [np.concatenate([first, rest]), inverse, np.concatenate([counts, rest]), number]


SELECTIONS: dict[str, Operation] = {
    "bind_sizes": _bind_sizes,
    "count_nonzero": _count_nonzero,
    "suppress_boxes": _suppress_boxes,
    "list_boxes": _list_boxes,
    "find_distinct": _find_distinct,
    "unique": _unique,
    "non_max_suppression": _non_max_suppression,
}
