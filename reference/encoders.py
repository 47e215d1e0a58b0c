"""Tables of keys, and the coupling of probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np

from .containers import boxed
from .elementwise import Arrays, Attributes, Operation

# A result is good enough if this, shared among the classes, is the most that it is off.
_TOLERANCE = 0.005
_MOST_ROUNDS = 100


def _look_up(inputs: Arrays, attributes: Attributes) -> Arrays:
    x, keys, table, default = inputs
    result = np.empty(x.shape, table.dtype)
    if x.dtype == object:
        known = dict(zip(reversed(keys.tolist()), reversed(table.tolist()), strict=True))
        otherwise = default.item()
        result.reshape(-1)[:] = [known.get(element, otherwise) for element in x.reshape(-1).tolist()]
        return [result]
    order = np.argsort(keys, kind="stable")
    place = np.minimum(np.searchsorted(keys[order], x), max(len(keys) - 1, 0))
    if not len(keys):
        return [np.full(x.shape, default)]
    found = keys[order][place]
    is_known = (found == x) | ((found != found) & (x != x))
    result[...] = np.where(is_known, table[order][place], default)
    return [result]


def _couple_probabilities(inputs: Arrays, attributes: Attributes) -> Arrays:
    """By fixed-point rounds until all rows are good enough.

    Source: Wu, Lin and Weng, Probability Estimates for Multi-class Classification by Pairwise Coupling (2004),
    algorithm 2.
    """
    (pairs,) = inputs
    count = pairs.shape[1]
    against = np.swapaxes(pairs, 1, 2)
    off_diagonal = -against * pairs
    diagonal = np.sum(np.where(np.eye(count, dtype=bool), 0, against**2), axis=2)
    matrix = np.where(np.eye(count, dtype=bool), diagonal[:, :, np.newaxis], off_diagonal)
    result = np.full(pairs.shape[:2], 1 / count, pairs.dtype)
    active = np.arange(len(pairs))
    for _ in range(_MOST_ROUNDS):
        product = np.einsum("nij,nj->ni", matrix[active], result[active])
        total = np.sum(result[active] * product, axis=1)
        is_off = np.abs(product - total[:, np.newaxis]).max(axis=1, initial=0) >= _TOLERANCE / count
        active, product, total = active[is_off], product[is_off], total[is_off]
        if not len(active):
            break
        result[active] = _round(matrix[active], result[active], product, total)
    return [result]


def _round(matrix: np.ndarray, p: np.ndarray, product: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Each probability moved in turn to where its equation holds, and all scaled to a sum of 1."""
    for i in range(p.shape[1]):
        own = matrix[:, i, i]
        step = (total - product[:, i]) / own
        p[:, i] += step
        total = (total + step * (step * own + 2 * product[:, i])) / (1 + step) ** 2
        scale = (1 + step)[:, np.newaxis]
        product = (product + step[:, np.newaxis] * matrix[:, i]) / scale
        p = p / scale
    return p


def _zip_map(inputs: Arrays, attributes: Attributes) -> Arrays:
    x, keys = inputs
    names = keys.tolist()
    return [boxed(tuple(dict(zip(names, row, strict=True)) for row in x.tolist()))]


def _unzip_map(inputs: Arrays, attributes: Attributes) -> Arrays:
    known: Any = inputs[0][()]
    dtype = np.dtype(attributes["dtype"])
    keys = inputs[1].tolist() if len(inputs) > 1 else sorted(known)
    missing = "" if dtype.kind == "O" else 0
    result = np.empty((1, len(keys)), dtype)
    result[0, :] = [known.get(key, missing) for key in keys]
    return [result]


ENCODERS: dict[str, Operation] = {
    "look_up": _look_up,
    "couple_probabilities": _couple_probabilities,
    "zip_map": _zip_map,
    "unzip_map": _unzip_map,
}
