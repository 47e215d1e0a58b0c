"""Products of 8-bit integers whose scales are known beforehand, written in pairs of QuantizeLinear, DequantizeLinear.

Engines read such text as integer arithmetic: onnxruntime's QDQ format. Activations are ui8 with a zero point for each
tensor, weights i8 with a scale for each output channel, the bias i32 in the scale of the products.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .forms import copied, corrected_bias, takes_bias
from .layers import Layer
from .onnx_graph import OnnxGraph
from .schemes import Scheme, quantised, weight_scheme

# A bias may fill so many units of its scale.
_LARGEST_BIAS = 2.0**30


class StaticForm:
    """``schemes`` has one for each tensor that may be quantised; ``clip``: see ``weight_scheme``."""

    kind = "int8"

    def __init__(self, schemes: Mapping[str, Scheme], *, clip: bool = True) -> None:
        self.schemes = schemes
        self._clip = clip

    def obstacle(self, graph: OnnxGraph, layer: Layer) -> str:
        unseen = [name for name in layer.inputs if name not in self.schemes]
        return f"'{unseen[0]}' was not seen on the data" if unseen else ""

    def weight_bytes(self, graph: OnnxGraph, layer: Layer) -> int:
        w = layer.weights(graph)
        return 0 if w is None else w.size + 4 * w.shape[layer.axis]

    def write(self, graph: OnnxGraph, layer: Layer, output: str, correction: np.ndarray | None = None) -> None:
        node = layer.node
        inputs = list(node.input)
        for position in layer.data:
            inputs[position] = self.dequantised(graph, inputs[position])
        bias = corrected_bias(graph, layer, correction)
        if layer.weight is not None:
            scheme = self._weight_scheme(graph, layer, bias)
            inputs[layer.weight] = self._constant_weights(graph, layer, scheme)
            if layer.bias_node is node and bias is not None:
                del inputs[2:]
                inputs.append(self._constant_bias(graph, layer, scheme, bias))
        is_separate = layer.bias_node is not None and layer.bias_node is not node
        product = graph.unique(f"{output}_product") if is_separate else output
        graph.insert(copied(node, inputs, product, graph.unique(f"{layer.name}_narrow")))
        if is_separate:
            assert bias is not None
            graph.add("Add", [product, graph.add_constant(f"{output}_bias", bias)], output)

    def dequantised(self, graph: OnnxGraph, value: str) -> str:
        """The tensor rounded to its integers, as f32 again; every reader of it shares the pair."""

        def write() -> str:
            return self._pair(graph, value, value, graph.unique(f"{value}_dequantized"))

        return graph.shared(("int8", value), write)

    def quantise_result(self, graph: OnnxGraph, value: str, computed: str) -> None:
        """``value`` becomes ``computed`` rounded to its integers: whoever reads it reads that."""
        graph.shared(("int8", value), lambda: self._pair(graph, value, computed, value))

    def _pair(self, graph: OnnxGraph, name: str, value: str, result: str) -> str:
        scale, zero = self._parameters(graph, name, self.schemes[name])
        integers = graph.add("QuantizeLinear", [value, scale, zero], graph.unique(f"{name}_quantized"))
        return graph.add("DequantizeLinear", [integers, scale, zero], result)

    def _parameters(self, graph: OnnxGraph, value: str, scheme: Scheme) -> tuple[str, str]:
        return (
            graph.add_constant(f"{value}_scale", scheme.scale),
            graph.add_constant(f"{value}_zero_point", scheme.zero),
        )

    def _weight_scheme(self, graph: OnnxGraph, layer: Layer, bias: np.ndarray | None) -> Scheme:
        """Scales large enough for the bias to fit into 32 bits."""
        w = layer.weights(graph)
        assert w is not None
        scheme = weight_scheme(w, layer.axis, clip=self._clip)
        if bias is None or not _has_integer_bias(layer):
            return scheme
        x_scale = self.schemes[layer.inputs[0]].scale
        least = (np.abs(bias) / (_LARGEST_BIAS * x_scale)).astype(np.float32)
        return Scheme(np.maximum(scheme.scale, least), scheme.zero)

    def _constant_weights(self, graph: OnnxGraph, layer: Layer, scheme: Scheme) -> str:
        """Of layers that share weights and scales, the same."""
        stem = layer.weight_name

        def write() -> str:
            w = layer.weights(graph)
            assert w is not None
            inputs = [
                graph.add_constant(f"{stem}_quantized", quantised(w, scheme, layer.axis)),
                graph.add_constant(f"{stem}_scale", scheme.scale),
                graph.add_constant(f"{stem}_zero_point", scheme.zero),
            ]
            return graph.add("DequantizeLinear", inputs, graph.unique(f"{stem}_dequantized"), axis=layer.axis)

        return graph.shared(("int8 weights", stem, layer.axis, scheme.scale.tobytes()), write)

    def _constant_bias(self, graph: OnnxGraph, layer: Layer, scheme: Scheme, bias: np.ndarray) -> str:
        """i32 in units of the products, which engines add to their sums; f32 where those do not run in integers."""
        stem = layer.bias_name or f"{layer.name}_bias"
        if not _has_integer_bias(layer):
            return graph.add_constant(f"{stem}_corrected", bias)
        scale = (self.schemes[layer.inputs[0]].scale * scheme.scale).astype(np.float32)
        integers = np.rint(bias.astype(np.float64) / scale).astype(np.int32)
        inputs = [
            graph.add_constant(f"{stem}_quantized", integers),
            graph.add_constant(f"{stem}_scale", scale),
            graph.add_constant(f"{stem}_zero_point", np.zeros(len(scale), np.int32)),
        ]
        return graph.add("DequantizeLinear", inputs, graph.unique(f"{stem}_dequantized"), axis=0)


def _has_integer_bias(layer: Layer) -> bool:
    return layer.operator in ("Conv", "Gemm") and takes_bias(layer)
