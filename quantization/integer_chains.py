"""Keeps tensors in integers from one quantised product to the next.

What stands between two products and computes on few numbers each (sums, pools, activations, moves) takes and gives
integers, too: a pair of QuantizeLinear and DequantizeLinear stands on each of its tensors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from onnx import NodeProto

from .layers import Layer
from .onnx_graph import OnnxGraph, attribute
from .ranges import Calibration, RangeObserver
from .schemes import Scheme, activation_scheme
from .static_form import StaticForm

# Their results are some of their numbers, so that both have one scale; all else about them is no number.
_MOVES = frozenset(
    (
        *("DepthToSpace", "Expand", "Flatten", "Gather", "Identity", "MaxPool", "Pad", "Reshape", "Resize", "Slice"),
        *("SpaceToDepth", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze"),
    )
)
_ARITHMETIC = frozenset(
    (
        *("Add", "AveragePool", "Clip", "Concat", "Gelu", "GlobalAveragePool", "HardSigmoid", "HardSwish", "LeakyRelu"),
        *("Mul", "ReduceMean", "Relu", "Sigmoid", "Tanh"),
    )
)
_ELEMENTWISE = frozenset(
    (
        *("Add", "Clip", "Div", "Elu", "Erf", "Exp", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Max", "Min"),
        *("Mish", "Mul", "Neg", "PRelu", "Pow", "Relu", "Sigmoid", "Softplus", "Sqrt", "Sub", "Swish", "Tanh"),
    )
)
# Operators of which every input is a tensor; of the others it is the first.
_OF_SEVERAL = frozenset(("Add", "Concat", "Mul"))


class Engine(StrEnum):
    """Whose way to read pairs a model is written for.

    Lamina multiplies in integers whatever a product's result becomes, and does what follows it elementwise in f32 in
    registers; onnxruntime takes a convolution for one of integers only where its result is quantised at once.
    """

    LAMINA = "lamina"
    ONNXRUNTIME = "onnxruntime"


@dataclass(frozen=True)
class Chains:
    """``behind``: elementwise nodes that stay f32, in a product's registers. ``between``: nodes on integers. ``made``:
    results of both and of the products; ``quantised``: those with a pair."""

    behind: Sequence[NodeProto]
    between: Sequence[NodeProto]
    made: set[str]
    quantised: set[str]


class Connections:
    """Nodes between products that may take integers, and the tensors that this concerns."""

    def __init__(self, graph: OnnxGraph, floats: set[str]) -> None:
        self._graph = graph
        self.nodes = [node for node in graph.nodes if _may_take_integers(graph, node, floats)]

    def tensors(self) -> Iterable[str]:
        for node in self.nodes:
            yield from tensors_of(node)
            yield from node.output

    def schemes(self, seen: Mapping[str, RangeObserver], calibration: Calibration) -> dict[str, Scheme]:
        """A scheme for each tensor seen; those of a move's input and results are one, that of its input."""
        source = {result: node.input[0] for node in self.nodes if node.op_type in _MOVES for result in node.output}
        schemes = {}
        for name in seen:
            root = name
            while root in source:
                root = source[root]
            schemes[name] = activation_scheme(*seen[root if root in seen else name].range(calibration))
        return schemes

    def chains(self, products: Sequence[Layer], engine: Engine) -> Chains:
        """How tensors pass between these products."""
        behind = [] if engine == Engine.ONNXRUNTIME else self._behind(products)
        made = {layer.output for layer in products} | {node.output[0] for node in behind}
        read = {name for layer in products for name in layer.inputs}
        joined = [node for node in self.nodes if all(node is not other for other in behind)]
        while True:
            results = made | {name for node in joined for name in node.output}
            wanted = read | {name for node in joined for name in tensors_of(node)}
            kept = [
                node
                for node in joined
                if all(name in results for name in tensors_of(node)) and all(name in wanted for name in node.output)
            ]
            if len(kept) == len(joined):
                break
            joined = kept
        if engine == Engine.ONNXRUNTIME:
            wanted |= {layer.output for layer in products if layer.operator == "Conv"}
        return Chains(behind, joined, results, results & wanted)

    def _behind(self, products: Sequence[Layer]) -> list[NodeProto]:
        """Elementwise operations on what a single product gives, which its kernel does in registers."""
        source = {layer.output: layer.name for layer in products}
        found = []
        for node in self._graph.model().graph.node:
            tensors = [name for name in node.input if name and not self._graph.is_constant(name)]
            sources = {source.get(name) for name in tensors}
            if node.op_type not in _ELEMENTWISE or node.domain or len(sources) != 1 or None in sources:
                continue
            own = self._graph.maker(node.output[0])
            assert own is not None
            source[node.output[0]] = source[tensors[0]]
            found.append(own)
        return found


def write_chains(graph: OnnxGraph, products: Sequence[Layer], chains: Chains, form: StaticForm) -> None:
    """Puts pairs on all tensors between quantised nodes; the products are still to be written.

    A Relu or Clip whose lower bound is 0 is dropped where its result is quantised: the least integer stands for 0.
    """
    quantised = chains.quantised & form.schemes.keys()
    dropped = _drop_bounds(graph, products, chains, quantised)
    for value in sorted(quantised - dropped):
        maker = graph.maker(value)
        assert maker is not None
        computed = graph.unique(f"{value}_computed")
        graph.rename_result(maker, value, computed)
        form.quantise_result(graph, value, computed)


def tensors_of(node: NodeProto) -> list[str]:
    """The inputs that are quantised where the node is."""
    return list(node.input) if node.op_type in _OF_SEVERAL else [node.input[0]]


def _may_take_integers(graph: OnnxGraph, node: NodeProto, floats: set[str]) -> bool:
    if node.domain or node.op_type not in _MOVES | _ARITHMETIC:
        return False
    if node.op_type == "Resize" and attribute(node, "mode", b"nearest") == b"cubic":
        return False
    if node.op_type in ("Expand", "Gather", "Identity", "Tile") and graph.is_constant(node.input[0]):
        return False
    if node.op_type == "Pad" and not _pads_with_tensor_or_zero(graph, node):
        return False
    if len(node.output) != 1 and node.op_type != "Split":
        return False
    names = [*tensors_of(node), *node.output]
    return all(name in floats and not graph.is_constant(name) for name in names)


def _pads_with_tensor_or_zero(graph: OnnxGraph, node: NodeProto) -> bool:
    if attribute(node, "mode", b"constant") != b"constant" or len(node.input) < 3 or not node.input[2]:
        return True
    value = graph.array(node.input[2])
    return value is not None and not value.any()


def _drop_bounds(graph: OnnxGraph, products: Sequence[Layer], chains: Chains, quantised: set[str]) -> set[str]:
    """Drops what only bounds a result that is quantised; gives the names of what was bounded, which are no more."""
    sums = (node for node in (*chains.behind, *chains.between) if node.op_type in ("Add", "Mul"))
    dropped = set()
    for maker in [*(layer.nodes[-1] for layer in products), *sums]:
        value = maker.output[0]
        after = graph.only_reader(value)
        if after is None or after.output[0] not in quantised or not _is_bounded_by_zero(graph, after):
            continue
        graph.remove(after)
        graph.rename_result(maker, value, after.output[0])
        dropped.add(value)
    return dropped


def _is_bounded_by_zero(graph: OnnxGraph, node: NodeProto) -> bool:
    if node.op_type == "Relu":
        return True
    if node.op_type != "Clip" or len(node.input) < 2:
        return False
    low = graph.array(node.input[1])
    return low is not None and low.size == 1 and float(np.asarray(low).reshape(-1)[0]) == 0.0
