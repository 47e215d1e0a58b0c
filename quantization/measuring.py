"""Times single layers on this machine, as they are and narrow, on one thread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper

from .forms import Form
from .layers import Layer
from .onnx_graph import OnnxGraph
from .running import Feeds, Progress, compiled

if TYPE_CHECKING:
    from ..runtime.executable import Executable

_SECONDS = 0.05
_LEAST_RUNS = 5


class Stopwatch:
    """Layers of the same operator, sizes and attributes are timed once.

    ``made``: tensors that come as integers where the form reads them so.
    """

    def __init__(
        self,
        graph: OnnxGraph,
        form: Form,
        shapes: Mapping[str, tuple[int, ...]],
        made: set[str],
        progress: Progress | None,
    ) -> None:
        self._graph, self._form, self._shapes, self._made, self._progress = graph, form, shapes, made, progress
        self._known: dict[Hashable, tuple[float, float]] = {}

    def times(self, layer: Layer) -> tuple[float, float]:
        """Seconds of a run: as it is, and narrow."""
        key = self._key(layer)
        if key not in self._known:
            exact = self._alone(layer)
            narrow = OnnxGraph(exact)
            twin = layer.of(narrow)
            result = twin.output
            for node in twin.nodes:
                narrow.remove(node)
            self._form.write(narrow, twin, result)
            self._known[key] = self._raced(exact, _with_integer_inputs(narrow, self._made))
        return self._known[key]

    def _key(self, layer: Layer) -> Hashable:
        attributes = tuple(sorted(entry.SerializeToString() for entry in layer.node.attribute))
        constants = [self._graph.array(name) for node in layer.nodes for name in node.input]
        weights = tuple(array.shape for array in constants if array is not None)
        inputs = tuple((self._shapes[name], name in self._made) for name in layer.inputs)
        return layer.operator, attributes, weights, inputs

    def _alone(self, layer: Layer) -> onnx.ModelProto:
        """A model of the layer alone, of the sizes seen."""
        inputs = dict.fromkeys(layer.inputs)
        infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, self._shapes[name]) for name in inputs]
        result = helper.make_tensor_value_info(layer.output, TensorProto.FLOAT, None)
        names = dict.fromkeys(name for node in layer.nodes for name in node.input if self._graph.is_constant(name))
        constants = [onnx.numpy_helper.from_array(_array(self._graph, name), name) for name in names]
        graph = helper.make_graph(list(layer.nodes), "layer", infos, [result], constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self._graph.opset)])

    def _raced(self, exact: onnx.ModelProto, narrow: onnx.ModelProto) -> tuple[float, float]:
        runners = [_Runner(model, self._progress) for model in (exact, narrow)]
        begin = time.perf_counter()
        while time.perf_counter() - begin < 2 * _SECONDS or len(runners[0].seconds) < _LEAST_RUNS:
            for runner in runners:
                runner.run()
        before, after = (statistics.median(runner.seconds) for runner in runners)
        return before, after


class _Runner:
    def __init__(self, model: onnx.ModelProto, progress: Progress | None) -> None:
        generator = np.random.default_rng(0)
        self._feeds: Feeds = {value.name: _random(value, generator) for value in model.graph.input}
        self._executable: Executable = compiled(model, [self._feeds], progress)
        self._executable.set_threads(1)
        self._executable.run(self._feeds)
        self.seconds: list[float] = []

    def run(self) -> None:
        begin = time.perf_counter()
        self._executable.run(self._feeds)
        self.seconds.append(time.perf_counter() - begin)


def _random(value: onnx.ValueInfoProto, generator: np.random.Generator) -> np.ndarray:
    shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
    if value.type.tensor_type.elem_type == TensorProto.UINT8:
        return generator.integers(0, 256, shape, dtype=np.uint8)
    return generator.standard_normal(shape, dtype=np.float32)


def _array(graph: OnnxGraph, name: str) -> np.ndarray:
    array = graph.array(name)
    assert array is not None
    return array


def _with_integer_inputs(graph: OnnxGraph, made: set[str]) -> onnx.ModelProto:
    """The model, whose inputs among these come as the integers that they would be rounded to."""
    integers = {}
    for node in list(graph.nodes):
        if node.op_type == "QuantizeLinear" and node.input[0] in made:
            integers[node.input[0]] = node.output[0]
            graph.remove(node)
    model = graph.model()
    for value in model.graph.input:
        if value.name in integers:
            value.name = integers[value.name]
            value.type.tensor_type.elem_type = TensorProto.UINT8
    return model
