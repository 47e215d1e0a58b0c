"""How a product is written narrow: each form gives the same result as the product, from the same inputs."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from onnx import NodeProto

from .layers import Layer
from .onnx_graph import OnnxGraph


class Form(Protocol):
    """A way to write products narrow. ``kind`` names it in reports."""

    kind: str

    def obstacle(self, graph: OnnxGraph, layer: Layer) -> str:
        """Why a layer cannot be written so; empty where it can."""
        ...

    def weight_bytes(self, graph: OnnxGraph, layer: Layer) -> int:
        """Bytes of the weights, their scales and zero points."""
        ...

    def write(self, graph: OnnxGraph, layer: Layer, output: str, correction: np.ndarray | None = None) -> None:
        """Adds nodes that compute the layer's result, as the value ``output``; the layer's own nodes stay.

        ``correction`` is added to the bias.
        """
        ...


def corrected_bias(graph: OnnxGraph, layer: Layer, correction: np.ndarray | None) -> np.ndarray | None:
    """The bias in f32 with the correction, which is left out where the layer has no bias to take it."""
    bias = graph.array(layer.bias_name) if layer.bias_name else None
    if correction is None or not (bias is not None or takes_bias(layer)):
        return bias
    return correction.astype(np.float32) if bias is None else (bias + correction).astype(np.float32)


def takes_bias(layer: Layer) -> bool:
    """Whether a bias costs no operator more."""
    return layer.bias_node is not None


def copied(node: NodeProto, inputs: list[str], output: str, name: str) -> NodeProto:
    """The same operation on other inputs."""
    copy = NodeProto()
    copy.CopyFrom(node)
    del copy.input[:], copy.output[:]
    copy.input.extend(inputs)
    copy.output.append(output)
    copy.name = name
    return copy
