"""The layers of a model that can be made narrow: its products, each with weights, bias and activations told apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch

import numpy as np
from onnx import NodeProto

from .onnx_graph import OnnxGraph, attribute, subgraphs

PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")


@dataclass(frozen=True)
class Layer:
    """A product, and the addition of its bias.

    ``data`` are the positions of what is computed among the node's inputs, ``weight`` that of a constant, whose axis
    ``axis`` counts the columns (channels) of the result. The bias is input ``bias`` of ``bias_node``: the product
    itself, or the Add behind a MatMul.
    """

    name: str
    node: NodeProto
    data: tuple[int, ...]
    weight: int | None
    axis: int
    bias_node: NodeProto | None = None
    bias: int = 2

    @property
    def operator(self) -> str:
        return self.node.op_type

    @property
    def is_convolution(self) -> bool:
        return self.operator in ("Conv", "ConvTranspose")

    @property
    def output(self) -> str:
        """The result, bias included."""
        return self.nodes[-1].output[0]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of what is computed."""
        return tuple(self.node.input[position] for position in self.data)

    @property
    def weight_name(self) -> str:
        return "" if self.weight is None else self.node.input[self.weight]

    @property
    def bias_name(self) -> str:
        """Name of the bias; empty where there is none."""
        if self.bias_node is None or len(self.bias_node.input) <= self.bias:
            return ""
        return self.bias_node.input[self.bias]

    @property
    def groups(self) -> int:
        return attribute(self.node, "group", 1) if self.is_convolution else 1

    @property
    def nodes(self) -> tuple[NodeProto, ...]:
        if self.bias_node is None or self.bias_node is self.node:
            return (self.node,)
        return self.node, self.bias_node

    def weights(self, graph: OnnxGraph) -> np.ndarray | None:
        return graph.array(self.weight_name) if self.weight_name else None

    def columns(self, graph: OnnxGraph) -> int:
        """How many columns, or channels, the result has; 0 where that is not known without running."""
        w = self.weights(graph)
        if w is None:
            return 0
        return w.shape[self.axis] * (self.groups if self.operator == "ConvTranspose" else 1)

    def of(self, graph: OnnxGraph) -> Layer:
        """The same layer of a copy of its graph."""
        node, last = graph.maker(self.node.output[0]), graph.maker(self.output)
        assert node is not None
        return Layer(
            self.name, node, self.data, self.weight, self.axis, None if self.bias_node is None else last, self.bias
        )

    def matrix(self, graph: OnnxGraph) -> np.ndarray:
        """Constant weights of a matrix product as [K, N]."""
        w = self.weights(graph)
        assert w is not None and not self.is_convolution
        return w if self.axis == 1 else w.T


@dataclass
class FoundLayers:
    """The layers in the order in which they are computed, and the products that stay as they are, with reasons."""

    layers: list[Layer] = field(default_factory=list)
    left: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By name: the operator, and why."""


def find_layers(graph: OnnxGraph, floats: set[str], keep: Sequence[str] = ()) -> FoundLayers:
    """All products of the main graph; ``keep`` are patterns of names or operators that stay as they are."""
    found = FoundLayers()
    for node in graph.nodes:
        for subgraph in subgraphs(node):
            for inner in subgraph.node:
                if inner.op_type in PRODUCTS:
                    reason = f"it lies in a subgraph of '{node_name(node)}'"
                    found.left[f"{node_name(node)}/{node_name(inner)}"] = (inner.op_type, reason)
        if node.op_type not in PRODUCTS or node.domain:
            continue
        layer = _layer(graph, node, floats)
        if isinstance(layer, str):
            found.left[node_name(node)] = (node.op_type, layer)
        elif any(fnmatch(layer.name, pattern) or pattern == layer.operator for pattern in keep):
            found.left[layer.name] = (layer.operator, "it shall be kept (--keep)")
        else:
            found.layers.append(layer)
    return found


def node_name(node: NodeProto) -> str:
    return node.name or next((name for name in node.output if name), node.op_type)


def _layer(graph: OnnxGraph, node: NodeProto, floats: set[str]) -> Layer | str:
    """The layer, or why the node is none."""
    if not all(name in floats for name in node.input if name):
        return "it is not of float32"
    constants = [graph.is_constant(name) for name in node.input[:2]]
    if all(constants):
        return "it is computed of constants alone"
    if node.op_type == "MatMul":
        return _matmul(graph, node, constants)
    if not constants[1]:
        return "its weights are computed"
    if constants[0]:
        return "its input is constant"
    w = graph.array(node.input[1])
    assert w is not None
    if node.op_type != "Gemm":
        axis = 0 if node.op_type == "Conv" else 1
        return Layer(node_name(node), node, (0,), 1, axis, node)
    if attribute(node, "transA", 0):
        return "its left matrix is transposed"
    c = graph.array(node.input[2]) if len(node.input) > 2 and node.input[2] else None
    has_bias = len(node.input) > 2 and bool(node.input[2])
    axis = 0 if attribute(node, "transB", 0) else 1
    if has_bias and (c is None or c.shape != (w.shape[axis],)):
        return "what it adds is no row of constants"
    return Layer(node_name(node), node, (0,), 1, axis, node)


def _matmul(graph: OnnxGraph, node: NodeProto, constants: list[bool]) -> Layer | str:
    if constants[0]:
        return "its left matrix is constant"
    if not constants[1]:
        return Layer(node_name(node), node, (0, 1), None, 1)
    w = graph.array(node.input[1])
    assert w is not None
    if w.ndim != 2:
        return f"its constant has {w.ndim} dims, not 2"
    after = graph.only_reader(node.output[0])
    if after is not None and after.op_type == "Add":
        position = 1 - list(after.input).index(node.output[0])
        c = graph.array(after.input[position])
        if c is not None and c.dtype == np.float32 and c.shape == w.shape[1:]:
            return Layer(node_name(node), node, (0,), 1, 1, after, position)
    return Layer(node_name(node), node, (0,), 1, 1)
