"""Products of floats of 16 bits, written in casts: what they hold is rounded, and they multiply and add in f32.

A factor cast to bf16 and back holds a number of bf16: engines with an instruction for products of those may take it as
that, and all others compute the same numbers in f32. Of f16 the weights alone are narrow.
"""

from __future__ import annotations

import ml_dtypes
import numpy as np
from onnx import TensorProto

from .forms import copied, corrected_bias
from .layers import Layer
from .onnx_graph import OnnxGraph

_TYPES = {"bf16": TensorProto.BFLOAT16, "f16": TensorProto.FLOAT16}
_DTYPES = {"bf16": np.dtype(ml_dtypes.bfloat16), "f16": np.dtype(np.float16)}


class CastForm:
    """``kind`` is ``bf16`` or ``f16``."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def obstacle(self, graph: OnnxGraph, layer: Layer) -> str:
        w = layer.weights(graph)
        if w is None:
            return "" if self.kind == "bf16" else "it has no weights"
        largest = float(ml_dtypes.finfo(_DTYPES[self.kind]).max)
        too_large = np.isfinite(w) & (np.abs(w) > largest)
        return f"a weight is too large for {self.kind}" if too_large.any() else ""

    def weight_bytes(self, graph: OnnxGraph, layer: Layer) -> int:
        w = layer.weights(graph)
        return 0 if w is None else 2 * w.size

    def write(self, graph: OnnxGraph, layer: Layer, output: str, correction: np.ndarray | None = None) -> None:
        node = layer.node
        inputs = list(node.input)
        if self.kind == "bf16":
            for position in layer.data:
                inputs[position] = self._rounded(graph, inputs[position])
        if layer.weight is not None:
            inputs[layer.weight] = self._weights(graph, layer)
        bias = corrected_bias(graph, layer, correction)
        is_separate = layer.bias_node is not None and layer.bias_node is not node
        if not is_separate and bias is not None:
            del inputs[2:]
            inputs.append(layer.bias_name if correction is None else graph.add_constant(f"{output}_bias", bias))
        product = graph.unique(f"{output}_product") if is_separate else output
        graph.insert(copied(node, inputs, product, graph.unique(f"{layer.name}_narrow")))
        if is_separate:
            assert bias is not None
            graph.add("Add", [product, graph.add_constant(f"{output}_bias", bias)], output)

    def _rounded(self, graph: OnnxGraph, value: str) -> str:
        def write() -> str:
            narrow = graph.add("Cast", [value], graph.unique(f"{value}_{self.kind}"), to=_TYPES[self.kind])
            return graph.add("Cast", [narrow], graph.unique(f"{value}_rounded"), to=TensorProto.FLOAT)

        return graph.shared((self.kind, value), write)

    def _weights(self, graph: OnnxGraph, layer: Layer) -> str:
        def write() -> str:
            w = layer.weights(graph)
            assert w is not None
            narrow = graph.add_constant(f"{layer.weight_name}_{self.kind}", w.astype(_DTYPES[self.kind]))
            return graph.add("Cast", [narrow], graph.unique(f"{layer.weight_name}_rounded"), to=TensorProto.FLOAT)

        return graph.shared((self.kind, layer.weight_name), write)
