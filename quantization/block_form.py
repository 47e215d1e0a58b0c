"""Weights of 4 bits in blocks, each with a scale and a zero point: com.microsoft's MatMulNBits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .forms import corrected_bias
from .layers import Layer
from .onnx_graph import OnnxGraph
from .rounding import BlockedMatrix, Moments, round_in_blocks

BITS = 4
BLOCK = 32
_DOMAIN = "com.microsoft"


class BlockForm:
    """``moments``: of the rows of each tensor seen, by which rounding errors are made up for."""

    kind = "int4"

    def __init__(self, moments: Mapping[str, Moments]) -> None:
        self._moments = moments
        self._rounded: dict[tuple[str, int, str], BlockedMatrix] = {}

    def obstacle(self, graph: OnnxGraph, layer: Layer) -> str:
        if layer.is_convolution or not layer.weight_name:
            return "int4 is for products of matrices with constant weights"
        return "" if layer.matrix(graph).shape[0] >= BLOCK else f"sums of fewer than {BLOCK} products fill no block"

    def weight_bytes(self, graph: OnnxGraph, layer: Layer) -> int:
        depth, columns = layer.matrix(graph).shape
        blocks = -(-depth // BLOCK)
        return columns * (blocks * BLOCK // 2 + 4 * blocks + -(-blocks // 2))

    def rounded(self, graph: OnnxGraph, layer: Layer) -> BlockedMatrix:
        """The weights, rounded once."""
        key = (layer.weight_name, layer.axis, layer.inputs[0] if layer.inputs[0] in self._moments else "")
        if key not in self._rounded:
            self._rounded[key] = round_in_blocks(layer.matrix(graph), BITS, BLOCK, self._moments.get(key[2]))
        return self._rounded[key]

    def write(self, graph: OnnxGraph, layer: Layer, output: str, correction: np.ndarray | None = None) -> None:
        depth, columns = layer.matrix(graph).shape
        graph.require_domain(_DOMAIN, 1)
        bias = corrected_bias(graph, layer, correction)
        product = output if bias is None else graph.unique(f"{output}_product")
        inputs = [layer.inputs[0], *self._weights(graph, layer)]
        graph.add("MatMulNBits", inputs, product, _DOMAIN, K=depth, N=columns, bits=BITS, block_size=BLOCK)
        if bias is not None:
            graph.add("Add", [product, graph.add_constant(f"{output}_bias", bias)], output)

    def _weights(self, graph: OnnxGraph, layer: Layer) -> tuple[str, ...]:
        """Integers as [N, blocks, bytes], scales as [N, blocks], zero points as [N, bytes]: the earlier of two in the
        lower half of a byte."""

        def write() -> tuple[str, ...]:
            matrix = self.rounded(graph, layer)
            blocks, columns = matrix.scales.shape
            padded = np.zeros((columns, blocks * BLOCK), np.uint8)
            padded[:, : len(matrix.integers)] = matrix.integers.T
            zeros = np.zeros((columns, -(-blocks // 2) * 2), np.uint8)
            zeros[:, :blocks] = matrix.zeros.T
            stem = layer.weight_name
            return (
                graph.add_constant(f"{stem}_int4", _packed(padded).reshape(columns, blocks, BLOCK // 2)),
                graph.add_constant(f"{stem}_scales", np.ascontiguousarray(matrix.scales.T)),
                graph.add_constant(f"{stem}_zero_points", _packed(zeros)),
            )

        return graph.shared(("int4", layer.weight_name, layer.axis, layer.inputs[0]), write)


def _packed(numbers: np.ndarray) -> np.ndarray:
    """Two neighbours of the last axis in a byte."""
    return numbers[..., ::2] | numbers[..., 1::2] << 4
