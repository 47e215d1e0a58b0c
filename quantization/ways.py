"""The ways to make a model narrow: what each has to see of the data, what it costs, and how the model is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from .block_form import BITS, BLOCK, BlockForm
from .cast_form import CastForm
from .costs import Estimator, Work
from .dynamic_form import DynamicForm
from .forms import Form
from .integer_chains import Connections, Engine, write_chains
from .layers import Layer
from .onnx_graph import OnnxGraph
from .ranges import Calibration, RangeObserver
from .rounding import Moments
from .running import Feeds, Progress
from .schemes import Scheme
from .smoothing import smooth
from .static_form import StaticForm

Corrections = Mapping[str, np.ndarray]
"""By the name of a layer: what is added to its bias."""


class Way:
    """Base of the ways: layers are written one by one, each with its own nodes. ``opset``: at least."""

    opset = 13
    largest_error = 0.05
    """Of a layer's result: one that is further off stays as it is, unless all layers shall be narrow."""

    def __init__(self, calibration: Calibration, engine: Engine) -> None:
        self.calibration, self.engine = calibration, engine
        self.is_fitted = True
        """Whether what is seen is data, and no mere probe."""
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
        self,
        graph: OnnxGraph,
        layers: Sequence[Layer],
        samples: Sequence[Feeds],
        floats: set[str],
        progress: Progress | None,
    ) -> dict[str, float]:
        """May change what the layers compute with before anything is measured; the model's results stay the same.

        Gives the errors that the layers changed would have had, by name.
        """
        return {}

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


class IntegerWay(Way):
    """Activations of 8 bits: channels that are far larger than the others are smoothed."""

    def look_ahead(
        self,
        graph: OnnxGraph,
        layers: Sequence[Layer],
        samples: Sequence[Feeds],
        floats: set[str],
        progress: Progress | None,
    ) -> dict[str, float]:
        return smooth(graph, layers, samples, floats, progress)


class StaticWay(IntegerWay):
    """Integers of 8 bits, whose scales are found on data."""

    def __init__(self, calibration: Calibration, engine: Engine) -> None:
        super().__init__(calibration, engine)
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
        write_chains(graph, layers, Connections(graph, floats).chains(layers, self.engine), own)
        super().write(graph, layers, own, corrections, floats)

    def _fresh_form(self) -> StaticForm:
        return StaticForm(self._schemes, clip=self.calibration == Calibration.MEAN_SQUARE)


class DynamicWay(IntegerWay):
    """Integers of 8 bits, whose scales are found at each run."""

    def form(self, graph: OnnxGraph, layers: Sequence[Layer], floats: set[str]) -> Form:
        return DynamicForm()

    def seconds(self, estimator: Estimator, work: Work, converted: int) -> float:
        return estimator.dynamic(work)


class CastWay(Way):
    """Floats of 16 bits."""

    kind = ""

    def form(self, graph: OnnxGraph, layers: Sequence[Layer], floats: set[str]) -> Form:
        return CastForm(self.kind)


class Bfloat16Way(CastWay):
    kind = "bf16"

    def seconds(self, estimator: Estimator, work: Work, converted: int) -> float:
        return estimator.bf16(work)


class Float16Way(CastWay):
    kind = "f16"

    def seconds(self, estimator: Estimator, work: Work, converted: int) -> float:
        return estimator.narrow_weights(work, 16)


class BlockWay(Way):
    """Weights of 4 bits in blocks."""

    largest_error = 0.5

    def __init__(self, calibration: Calibration, engine: Engine) -> None:
        super().__init__(calibration, engine)
        self._moments: dict[str, Moments] = {}
        self._inputs: set[str] = set()

    def tensors(self, graph: OnnxGraph, layers: Sequence[Layer], floats: set[str]) -> Iterable[str]:
        self._inputs = {layer.inputs[0] for layer in layers if not layer.is_convolution and layer.weight_name}
        yield from super().tensors(graph, layers, floats)

    def see(self, name: str, array: np.ndarray) -> None:
        super().see(name, array)
        if self.is_fitted and name in self._inputs:
            self._moments.setdefault(name, Moments.none(array.shape[-1])).add(array)

    def form(self, graph: OnnxGraph, layers: Sequence[Layer], floats: set[str]) -> Form:
        return BlockForm(self._moments)

    def seconds(self, estimator: Estimator, work: Work, converted: int) -> float:
        return estimator.narrow_weights(work, BITS + 36 / BLOCK)


WAYS: dict[str, type[Way]] = {
    "int8": StaticWay,
    "int8-dynamic": DynamicWay,
    "bf16": Bfloat16Way,
    "f16": Float16Way,
    "int4": BlockWay,
}
