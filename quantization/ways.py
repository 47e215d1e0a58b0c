"""The ways to make a model narrow: what each has to see of the data, what it costs, and how the model is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from .costs import Estimator, Work
from .forms import Form
from .integer_chains import Connections, write_chains
from .layers import Layer
from .onnx_graph import OnnxGraph
from .ranges import Calibration, RangeObserver
from .running import Feeds, Progress
from .schemes import Scheme
from .static_form import StaticForm

Corrections = Mapping[str, np.ndarray]
"""By the name of a layer: what is added to its bias."""


class Way:
    """Base of the ways: layers are written one by one, each with its own nodes. ``opset``: at least."""

    opset = 13
    needs_data = False

    def __init__(self, calibration: Calibration) -> None:
        self.calibration = calibration
        self.shapes: dict[str, tuple[int, ...]] = {}

    def tensors(self, graph: OnnxGraph, layers: Sequence[Layer], floats: set[str]) -> Iterable[str]:
        """Names of what is to be seen on the data."""
        for layer in layers:
            yield from layer.inputs
            yield layer.output

    def see(self, name: str, array: np.ndarray) -> None:
        """Takes note of one run's tensor."""
        self.shapes[name] = array.shape

    def look_ahead(
        self, graph: OnnxGraph, layers: Sequence[Layer], samples: Sequence[Feeds], progress: Progress | None
    ) -> None:
        """May change what the layers compute with before anything is measured; the model's results stay the same."""

    def form(self, graph: OnnxGraph, layers: Sequence[Layer], floats: set[str]) -> Form:
        """How layers are written, after all has been seen."""
        raise NotImplementedError

    def seconds(self, estimator: Estimator, work: Work, converted: int) -> float:
        """Of a narrow layer; ``converted``: how many of the numbers it reads come in f32."""
        raise NotImplementedError

    def write(
        self, graph: OnnxGraph, layers: Sequence[Layer], form: Form, corrections: Corrections, floats: set[str]
    ) -> None:
        """Writes these layers narrow, in place."""
        for layer in layers:
            replace(graph, layer, form, corrections)


def replace(graph: OnnxGraph, layer: Layer, form: Form, corrections: Corrections) -> None:
    """Writes one layer in the place of its nodes."""
    result = layer.output
    for node in layer.nodes:
        graph.remove(node)
    form.write(graph, layer, result, corrections.get(layer.name))


class StaticWay(Way):
    """Integers of 8 bits, whose scales are found on data."""

    needs_data = True

    def __init__(self, calibration: Calibration) -> None:
        super().__init__(calibration)
        self._observers: dict[str, RangeObserver] = {}
        self._schemes: dict[str, Scheme] = {}

    def tensors(self, graph: OnnxGraph, layers: Sequence[Layer], floats: set[str]) -> Iterable[str]:
        yield from super().tensors(graph, layers, floats)
        yield from Connections(graph, floats).tensors()

    def see(self, name: str, array: np.ndarray) -> None:
        super().see(name, array)
        self._observers.setdefault(name, RangeObserver()).see(array)

    def form(self, graph: OnnxGraph, layers: Sequence[Layer], floats: set[str]) -> Form:
        self._schemes = Connections(graph, floats).schemes(self._observers, self.calibration)
        return self._fresh_form()

    def seconds(self, estimator: Estimator, work: Work, converted: int) -> float:
        return estimator.static(work, converted)

    def write(
        self, graph: OnnxGraph, layers: Sequence[Layer], form: Form, corrections: Corrections, floats: set[str]
    ) -> None:
        own = self._fresh_form()  # Pairs belong to one graph.
        write_chains(graph, layers, Connections(graph, floats).between(layers), own)
        super().write(graph, layers, own, corrections, floats)

    def _fresh_form(self) -> StaticForm:
        return StaticForm(self._schemes, clip=self.calibration == Calibration.MEAN_SQUARE)


WAYS: dict[str, type[Way]] = {"int8": StaticWay}
