"""Makes channels of activations alike that are far larger than the others: weights take their size.

x w = (x / s) (s w) for any positive numbers s, one a channel. After G. Xiao et al.: SmoothQuant, 2022.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import NodeProto

from .layers import Layer
from .observing import observe
from .onnx_graph import OnnxGraph
from .running import Feeds, Progress
from .schemes import activation_scheme, quantised, weight_scheme

_STRENGTHS = (0.25, 0.5, 0.75)
_ROWS = 256
# An error has to fall at least so far for factors that a norm takes, and for those that need an operation of their own.
_IN_NORM, _APART = 0.8, 0.5


class _Rows:
    """Some rows of a tensor, and how large each of its columns becomes."""

    def __init__(self, runs: int) -> None:
        self._each = max(1, _ROWS // runs)
        self.rows: list[np.ndarray] = []
        self.largest = np.zeros(1, np.float32)

    def see(self, array: np.ndarray) -> None:
        rows = array.reshape(-1, array.shape[-1])
        if not len(rows):
            return
        self.largest = np.maximum(self.largest, np.abs(rows).max(axis=0))
        self.rows.append(rows[:: -(-len(rows) // self._each)])


def smooth(
    graph: OnnxGraph, layers: Sequence[Layer], samples: Sequence[Feeds], floats: set[str], progress: Progress | None
) -> dict[str, float]:
    """Smooths the inputs of matrix products where their error falls by it, in place.

    Gives the errors of these layers as they would have been, by name.
    """
    groups: dict[str, list[Layer]] = {}
    for layer in layers:
        if not layer.is_convolution and layer.weight_name:
            groups.setdefault(layer.inputs[0], []).append(layer)
    if not groups:
        return {}
    seen = {name: _Rows(len(samples)) for name in groups}
    observe(graph, groups, samples, lambda name, array: seen[name].see(array), progress)
    before: dict[str, float] = {}
    for name, group in groups.items():
        if not seen[name].rows:
            continue
        matrices = [layer.matrix(graph) for layer in group]
        worthwhile = _APART if _norm_of(graph, name, group) is None else _IN_NORM
        rows = np.concatenate(seen[name].rows)
        factors, errors = _best_factors(rows, seen[name].largest, matrices, worthwhile)
        if factors is not None:
            before |= {layer.name: error for layer, error in zip(group, errors)}
            _apply(graph, name, group, factors, floats)
    return before


def _best_factors(
    rows: np.ndarray, largest: np.ndarray, matrices: Sequence[np.ndarray], worthwhile: float
) -> tuple[np.ndarray | None, list[float]]:
    """The factors s, or None where none is worth it; and the errors of the products without them."""
    plain = [_error(rows, w, np.ones(len(largest), np.float32)) for w in matrices]
    of_weights = np.max([np.abs(w).max(axis=1) for w in matrices], axis=0)
    best, least = None, worthwhile * float(np.mean(plain))
    for strength in _STRENGTHS:
        with np.errstate(divide="ignore"):
            factors = largest**strength / of_weights ** (1 - strength)
        usable = np.isfinite(factors) & (factors > 0)
        if not usable.any():
            continue
        factors = np.where(usable, factors, 1.0) / np.exp(np.log(factors[usable]).mean())
        factors = factors.astype(np.float32)
        error = float(np.mean([_error(rows, w, factors) for w in matrices]))
        if error < least:
            best, least = factors, error
    return best, plain


def _error(rows: np.ndarray, w: np.ndarray, factors: np.ndarray) -> float:
    """Relative error of the rounded product."""
    x, w = rows / factors, w * factors[:, None]
    x_scheme, w_scheme = activation_scheme(float(x.min()), float(x.max())), weight_scheme(w, 1, clip=False)
    x_rounded = (quantised(x, x_scheme).astype(np.float32) - np.float32(x_scheme.zero)) * x_scheme.scale
    w_rounded = quantised(w, w_scheme, 1) * w_scheme.scale
    exact = x @ w
    norm = float(np.linalg.norm(exact))
    return float(np.linalg.norm(x_rounded @ w_rounded - exact)) / norm if norm else 0.0


def _apply(graph: OnnxGraph, name: str, group: Sequence[Layer], factors: np.ndarray, floats: set[str]) -> None:
    norm = _norm_of(graph, name, group)
    if norm is not None:
        for position in range(1, len(norm.input)):
            part = graph.array(norm.input[position])
            assert part is not None
            graph.redirect(norm, position, graph.add_constant(f"{norm.input[position]}_smoothed", part / factors))
    else:
        inverse = graph.add_constant(f"{name}_smoothing", (1 / factors).astype(np.float32))
        smoothed = graph.add("Mul", [name, inverse], graph.unique(f"{name}_smoothed"))
        floats.add(smoothed)
        for layer in group:
            graph.redirect(layer.node, layer.data[0], smoothed)
    for layer in group:
        assert layer.weight is not None
        w = layer.matrix(graph) * factors[:, None]
        weights = graph.add_constant(f"{layer.weight_name}_smoothed", np.ascontiguousarray(w if layer.axis else w.T))
        floats.add(weights)
        graph.redirect(layer.node, layer.weight, weights)


def _norm_of(graph: OnnxGraph, name: str, group: Sequence[Layer]) -> NodeProto | None:
    """The LayerNormalization that makes the tensor for these layers alone, its scale and bias being constants."""
    norm = graph.maker(name)
    if norm is None or norm.op_type != "LayerNormalization" or name in graph.outputs:
        return None
    nodes = [layer.node for layer in group]
    if any(all(reader is not node for node in nodes) for reader in graph.readers(name)):
        return None
    depth = group[0].matrix(graph).shape[0]
    parts = [graph.array(value) for value in norm.input[1:]]
    return norm if all(part is not None and part.shape == (depth,) for part in parts) else None
