"""Products of 8-bit integers whose left scale is found while they run: DynamicQuantizeLinear and MatMulInteger."""

from __future__ import annotations

import numpy as np
from onnx import helper

from .forms import corrected_bias
from .layers import Layer
from .onnx_graph import OnnxGraph
from .schemes import quantised, weight_scheme


class DynamicForm:
    """ui8 by the range of each run's tensor, times i8 with a scale for each column; the result is f32."""

    kind = "int8-dynamic"

    def obstacle(self, graph: OnnxGraph, layer: Layer) -> str:
        if layer.is_convolution:
            return "int8-dynamic is for products of matrices: int8 with --data takes convolutions, too"
        return "" if layer.weight_name else "both of its matrices are computed"

    def weight_bytes(self, graph: OnnxGraph, layer: Layer) -> int:
        w = layer.matrix(graph)
        return w.size + 4 * w.shape[1]

    def write(self, graph: OnnxGraph, layer: Layer, output: str, correction: np.ndarray | None = None) -> None:
        x, x_scale, x_zero = self._quantised_input(graph, layer.inputs[0])
        w, w_scale = self._weights(graph, layer)
        total = graph.add("MatMulInteger", [x, w, x_zero], graph.unique(f"{output}_integers"))
        real = graph.add("Cast", [total], graph.unique(f"{output}_sums"), to=1)
        scale = graph.add("Mul", [x_scale, w_scale], graph.unique(f"{output}_scale"))
        bias = corrected_bias(graph, layer, correction)
        if bias is None:
            graph.add("Mul", [real, scale], output)
            return
        product = graph.add("Mul", [real, scale], graph.unique(f"{output}_product"))
        graph.add("Add", [product, graph.add_constant(f"{output}_bias", bias)], output)

    def _quantised_input(self, graph: OnnxGraph, value: str) -> tuple[str, ...]:
        """The integers, their scale and their zero point; every reader shares them."""

        def write() -> tuple[str, ...]:
            names = [graph.unique(f"{value}_{part}") for part in ("quantized", "scale", "zero_point")]
            graph.insert(helper.make_node("DynamicQuantizeLinear", [value], names, f"{names[0]}_node"))
            return tuple(names)

        return graph.shared(("dynamic", value), write)

    def _weights(self, graph: OnnxGraph, layer: Layer) -> tuple[str, ...]:
        def write() -> tuple[str, ...]:
            w = layer.matrix(graph)
            scheme = weight_scheme(w, 1, clip=True)
            integers = graph.add_constant(f"{layer.weight_name}_quantized", quantised(w, scheme, 1))
            return integers, graph.add_constant(f"{layer.weight_name}_scale", scheme.scale)

        return graph.shared(("dynamic weights", layer.weight_name, layer.axis), write)
