"""How long a layer takes in float and narrow on a target, as its table of costs says: estimates that rank choices."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .layers import Layer
from .onnx_graph import OnnxGraph, attribute

if TYPE_CHECKING:
    from ..machines import Target

# Products that Winograd's transforms save in f32, transforms taken off.
_WINOGRAD_GAIN = 2.8
_LEAST_WINOGRAD_CHANNELS = 16
# Beginning a stage.
_STAGE = 200e-9


@dataclass(frozen=True)
class Work:
    """What a layer does on the data seen: multiply-adds, elements read and written, weights."""

    products: float
    read: int
    written: int
    weights: int
    depth: int
    """Channels, or the depth of the matrices: what sums run along."""

    has_winograd: bool = False


def work_of(graph: OnnxGraph, layer: Layer, shapes: Mapping[str, tuple[int, ...]]) -> Work:
    """Of tensors of these shapes."""
    inputs = [shapes.get(name, ()) for name in layer.inputs]
    result = math.prod(shapes.get(layer.output, (0,)))
    read = sum(math.prod(shape) for shape in inputs)
    w = layer.weights(graph)
    if w is None:
        depth = inputs[0][-1] if inputs[0] else 1
        return Work(float(result) * depth, read, result, 0, depth)
    if not layer.is_convolution:
        depth = w.size // w.shape[layer.axis]
        return Work(float(result) * depth, read, result, w.size, depth)
    if layer.operator == "ConvTranspose":
        return Work(float(read) * w.size / w.shape[0], read, result, w.size, w.shape[0] // layer.groups)
    return Work(float(result) * w[0].size, read, result, w.size, w.shape[1], _may_use_winograd(layer, w.shape))


def _may_use_winograd(layer: Layer, shape: tuple[int, ...]) -> bool:
    plain = (
        all(value == 1 for name in ("strides", "dilations") for value in attribute(layer.node, name, [1]))
        and layer.groups == 1
    )
    return plain and shape[2:] == (3, 3) and min(shape[:2]) >= _LEAST_WINOGRAD_CHANNELS


class Estimator:
    """Of one target."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._costs = target.costs
        self._peak = target.lanes * target.fma_per_cycle * target.costs.gigahertz * 1e9
        """Multiply-adds of f32 in a second."""

    def exact(self, work: Work) -> float:
        return self._seconds(work.products / self._exact_rate(work), 4 * work.weights, 4 * (work.read + work.written))

    def static(self, work: Work, converted: int) -> float:
        """Of integers of 8 bits; ``converted`` of the numbers read come in f32."""
        rate = self._peak * self._integer_gain(work)
        return self._seconds(work.products / rate, work.weights, work.read + work.written) + self._moving(5 * converted)

    def dynamic(self, work: Work) -> float:
        """The numbers read are quantised by their range, which is found first; results are f32."""
        rate = self._peak * self._integer_gain(work)
        moved = work.read + 4 * work.written
        return self._seconds(work.products / rate, work.weights, moved) + self._moving(9 * work.read) + 2 * _STAGE

    def narrow_weights(self, work: Work, bits: float) -> float:
        """Weights of so many bits, widened as they are read; arithmetic in f32."""
        exact = work.products / self._exact_rate(work)
        return self._seconds(exact, work.weights * bits / 8, 4 * (work.read + work.written))

    def bf16(self, work: Work) -> float:
        """Both factors of bf16 where an instruction multiplies them, else weights alone."""
        pairs = [self._target.atom_for("bf16", "bf16", "f32", tiles=tiles) for tiles in (False, True)]
        atom = next((found for found in pairs if found is not None), None)
        gain = atom.depth if atom is not None and work.depth > 1 else 1
        return self._seconds(work.products / (self._peak * gain), 2 * work.weights, 4 * (work.read + work.written))

    def _exact_rate(self, work: Work) -> float:
        """Multiply-adds of f32 in a second, by the best algorithm."""
        if work.depth == 1:
            return self._peak * self._costs.depthwise_share
        return self._peak * (_WINOGRAD_GAIN if work.has_winograd else 1.0)

    def _integer_gain(self, work: Work) -> float:
        """How many times the multiply-adds of f32 the target does of 8-bit integers."""
        if work.depth == 1:
            # Neighbouring taps are multiplied in pairs.
            return self._costs.depthwise_share if self._pair_gain() > 1 else self._costs.widened_share
        bytes_atom = self._target.atom_for("ui8", "i8", "i32")
        if bytes_atom is not None:
            return bytes_atom.depth
        return self._pair_gain()

    def _pair_gain(self) -> float:
        pairs = self._target.atom_for("i16", "i16", "i32")
        return self._costs.widened_share if pairs is None else float(pairs.depth)

    def _seconds(self, products: float, weight_bytes: float, moved: int) -> float:
        """Weights come from memory while there is arithmetic; what is read and written mostly from the caches."""
        is_far = weight_bytes > self._target.l3_bytes / 4
        bandwidth = self._costs.far_weight_bandwidth if is_far else self._costs.near_weight_bandwidth
        return max(products, weight_bytes / bandwidth) + self._moving(moved) + _STAGE

    def _moving(self, moved: int) -> float:
        return moved / self._costs.transform_bandwidth
