"""A model in which each layer can be made narrow while it runs, to see what that does to results.

Every layer is there twice, as it was and narrow; a flag says which of the two the rest of the model reads. So one
compiled model tries every choice of layers, and every correction of their biases.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from onnx import TensorProto, helper

from .forms import Form
from .layers import Layer
from .onnx_graph import OnnxGraph
from .running import Feeds, Progress, compiled, run_all

_FLAGS = "lamina_narrow"


@dataclass(frozen=True)
class LayerError:
    """What rounding does to a layer's result, its inputs being exact: ``relative`` is the root of the sum of squares
    of the errors over that of the result, ``mean`` the mean error of each column (channel)."""

    relative: float
    mean: np.ndarray


class LayerTrial:
    """Of a graph, which is left as it is. ``samples`` are what it is tried on."""

    def __init__(
        self,
        graph: OnnxGraph,
        layers: Sequence[Layer],
        form: Form,
        samples: Sequence[Feeds],
        progress: Progress | None = None,
    ) -> None:
        self._layers = list(layers)
        self._samples = samples
        self._progress = progress
        self._outputs = list(graph.outputs)
        copy = OnnxGraph(graph.model())
        self._corrections = {}
        extra_outputs, inputs = [], [helper.make_tensor_value_info(_FLAGS, TensorProto.BOOL, [len(self._layers)])]
        for number, layer in enumerate(self._layers):
            columns = layer.columns(graph)
            self._corrections[layer.name] = np.zeros(max(columns, 1), np.float32)
            inputs.append(helper.make_tensor_value_info(_correction(number), TensorProto.FLOAT, [max(columns, 1)]))
            extra_outputs += _write_twice(copy, layer.of(copy), form, number, columns)
        model = copy.model(extra_outputs)
        model.graph.input.extend(inputs)
        self._executable = compiled(model, samples, progress)
        self._exact: list[dict[str, np.ndarray]] = []

    def layer_errors(self, corrections: dict[str, np.ndarray] | None = None) -> dict[str, LayerError]:
        """By name, each layer's error alone; ``corrections`` are added to the narrow layers' columns."""
        errors, results = np.zeros(len(self._layers)), np.zeros(len(self._layers))
        means = [np.zeros(1) for _ in self._layers]
        exact = []
        for outputs in self._run((), corrections, "errors of layers"):
            exact.append({name: outputs[name] for name in self._outputs})
            for number in range(len(self._layers)):
                mean, error, result = (outputs[f"lamina_{what}_{number}"] for what in ("mean", "error", "result"))
                means[number] = means[number] + mean.astype(np.float64) / len(self._samples)
                errors[number] += float(error)
                results[number] += float(result)
        self._exact = exact
        return {
            layer.name: LayerError(float(np.sqrt(error / result)) if result else 0.0, mean.reshape(-1))
            for layer, error, result, mean in zip(self._layers, errors, results, means)
        }

    def output_error(
        self, narrow: Iterable[str], corrections: dict[str, np.ndarray] | None = None, what: str = "trial"
    ) -> float:
        """The error of the model's results with these layers narrow: see ``relative_error``."""
        assert self._exact, "the errors of the layers come first"
        results = list(self._run(narrow, corrections, what))
        return relative_error(self._exact, results)

    def _run(self, narrow: Iterable[str], corrections: dict[str, np.ndarray] | None, what: str):
        chosen = set(narrow)
        feeds: dict[str, np.ndarray] = {_FLAGS: np.array([layer.name in chosen for layer in self._layers])}
        for number, layer in enumerate(self._layers):
            correction = (corrections or {}).get(layer.name)
            feeds[_correction(number)] = self._corrections[layer.name] if correction is None else correction
        return run_all(self._executable, self._samples, what, self._progress, feeds)


def relative_error(exact: Sequence[Feeds], found: Sequence[Feeds]) -> float:
    """Over all runs, the root of the sum of squares of the errors over that of the results; the worst output's.

    Of outputs that are no floats, the share of the numbers that differ.
    """
    worst = 0.0
    for name in exact[0]:
        error = total = 0.0
        for wanted, got in zip((run[name] for run in exact), (run[name] for run in found)):
            if wanted.shape != got.shape:
                return float("inf")
            if wanted.dtype.kind == "f":
                error += float(np.square(got.astype(np.float64) - wanted).sum())
                total += float(np.square(wanted.astype(np.float64)).sum())
            else:
                error += float((got != wanted).sum())
                total += wanted.size
        is_float = exact[0][name].dtype.kind == "f"
        share = error / total if total else float(error > 0)
        worst = max(worst, float(np.sqrt(share)) if is_float else share)
    return worst


def _correction(number: int) -> str:
    return f"lamina_correction_{number}"


def _write_twice(graph: OnnxGraph, layer: Layer, form: Form, number: int, columns: int) -> list[str]:
    """result = narrow if its flag else exact; gives the outputs that tell how far the two are apart."""
    exact, narrow = graph.unique(f"{layer.output}_exact"), graph.unique(f"{layer.output}_narrow")
    form.write(graph, layer, narrow)
    result = layer.output
    graph.rename_result(layer.nodes[-1], result, exact)
    correction = _correction(number)
    rank = 0
    if layer.is_convolution:
        w = layer.weights(graph)
        assert w is not None
        rank = w.ndim - 2
    if rank:
        shape = graph.add_constant(f"{correction}_shape", np.array([-1, *[1] * rank], np.int64))
        correction = graph.add("Reshape", [correction, shape], graph.unique(f"{correction}_column"))
    narrow = graph.add("Add", [narrow, correction], graph.unique(f"{narrow}_corrected"))
    place = graph.add_constant(f"lamina_place_{number}", np.array(number, np.int64))
    flag = graph.add("Gather", [_FLAGS, place], graph.unique(f"lamina_flag_{number}"))
    graph.add("Where", [flag, narrow, exact], result)
    difference = graph.add("Sub", [narrow, exact], graph.unique(f"{narrow}_difference"))
    mean, error, magnitude = (f"lamina_{what}_{number}" for what in ("mean", "error", "result"))
    _add_mean(graph, difference, mean, columns, rank)
    graph.add("ReduceSumSquare", [difference], error, keepdims=0)
    graph.add("ReduceSumSquare", [exact], magnitude, keepdims=0)
    return [mean, error, magnitude]


def _add_mean(graph: OnnxGraph, value: str, output: str, columns: int, rank: int) -> None:
    """The mean of each channel (axis 1 of a convolution's result), or column (last axis)."""
    if not columns:
        graph.add("ReduceMean", [value], output, keepdims=0)
        return
    axes = [0]
    if rank:
        axes = [0, *range(2, rank + 2)]
    else:
        shape = graph.add_constant(f"{output}_shape", np.array([-1, columns], np.int64))
        value = graph.add("Reshape", [value, shape], graph.unique(f"{output}_rows"))
    if graph.opset >= 18:
        places = graph.add_constant(f"{output}_axes", np.array(axes, np.int64))
        graph.add("ReduceMean", [value, places], output, keepdims=0)
    else:
        graph.add("ReduceMean", [value], output, axes=axes, keepdims=0)
