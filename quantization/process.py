"""The steps of making a model narrow, in order: prepare, observe, weigh, try, decide, write, check."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import onnx

from ..machines import target_by_name
from ..runtime.errors import LaminaError
from .costs import Estimator, work_of
from .data import read_samples
from .forms import Form, takes_bias
from .integer_chains import Connections, Engine
from .layers import FoundLayers, Layer, find_layers
from .measuring import Stopwatch
from .observing import observe
from .onnx_graph import OnnxGraph, float_values, raised_to
from .prepare import prepare
from .ranges import Calibration
from .report import LayerReport, QuantizationReport
from .running import Feeds, Progress, compiled, run_all
from .trial import LayerError, LayerTrial, relative_error
from .ways import WAYS

# Rows of a result from which the mean of its errors is taken for what it is.
_ROWS_FOR_MEANS = 128
# While the file as written misses the budget, so large a part of its narrow layers is given up.
_GIVEN_UP = 16


class Process:
    """Of one model: see ``quantize``."""

    def __init__(
        self,
        model: onnx.ModelProto,
        to: str,
        data: str | Path | Iterable[Feeds] | None,
        probe: Sequence[Feeds],
        calibration: Calibration,
        engine: Engine,
        target: str,
        progress: Progress | None,
    ) -> None:
        self._progress = progress
        self._way = WAYS[to](calibration, engine)
        self._graph = OnnxGraph(raised_to(model, self._way.opset))
        self._way.is_fitted = data is not None
        self._samples = list(probe) if data is None else read_samples(data, *_input_dims(model))
        try:
            machine = target_by_name(target)
        except ValueError as error:
            raise LaminaError(str(error)) from error
        self._estimator = Estimator(machine)
        self._rows: dict[str, LayerReport] = {}
        self._report = QuantizationReport(to, machine.name, calibration.value, len(self._samples))
        self._report.data = _described(data)

    def run(
        self, keep: Sequence[str], budget: float | None, all_layers: bool, measured: bool
    ) -> tuple[onnx.ModelProto, QuantizationReport]:
        """The narrow model and the report. Raises LaminaError."""
        if budget is not None and not self._samples:
            raise LaminaError("a budget for the error needs data to measure it on: give --data")
        prepare(self._graph)
        self._report.bytes_before = _constant_bytes(self._graph.model())
        self._floats = float_values(self._graph)
        found = find_layers(self._graph, self._floats, keep)
        self._add_rows(found)
        exact = self._observe(found.layers)
        form = self._way.form(self._graph, found.layers, self._floats)
        layers = self._worthwhile(found.layers, form, all_layers, measured)
        corrections: dict[str, np.ndarray] = {}
        if self._samples and layers:
            trial = LayerTrial(self._graph, layers, form, self._samples, self._progress)
            corrections = self._try(trial, layers)
            if not all_layers:
                layers = [layer for layer in layers if self._is_accurate(layer)]
            if budget is not None:
                layers = self._within(trial, layers, corrections, budget)
        model, error = self._written(layers, form, corrections, exact)
        while budget is not None and error is not None and error > budget and layers:
            given_up = max(1, len(layers) // _GIVEN_UP)
            self._leave(layers[-given_up:], budget)
            layers = layers[:-given_up]
            model, error = self._written(layers, form, corrections, exact)
        self._finish(model, layers, form, error, budget)
        return model, self._report

    # --- seeing -----------------------------------------------------------------------------------------

    def _add_rows(self, found: FoundLayers) -> None:
        for layer in found.layers:
            row = LayerReport(layer.name, layer.operator)
            w = layer.weights(self._graph)
            row.bytes_before = row.bytes = 0 if w is None else w.nbytes
            self._rows[layer.name] = row
        for name, (operator, reason) in found.left.items():
            self._rows[name] = LayerReport(name, operator, reason=reason)

    def _observe(self, layers: Sequence[Layer]) -> list[dict[str, np.ndarray]]:
        """Lets the way see what it has to; gives the exact results of each run."""
        if not self._samples:
            return []
        if self._way.is_fitted:
            before = self._way.look_ahead(self._graph, layers, self._samples, self._floats, self._progress)
            for name, error in before.items():
                self._rows[name].error_before = error
                self._rows[name].remedies.append("smoothing")
        names = set(self._way.tensors(self._graph, layers, self._floats))
        return observe(self._graph, names, self._samples, self._way.see, self._progress)

    # --- weighing ---------------------------------------------------------------------------------------

    def _worthwhile(self, layers: Sequence[Layer], form: Form, all_layers: bool, measured: bool) -> list[Layer]:
        """The layers that can be narrow, and are faster so."""
        able = []
        for layer in layers:
            obstacle = form.obstacle(self._graph, layer)
            if obstacle:
                self._rows[layer.name].reason = obstacle
            else:
                able.append(layer)
        if not self._way.shapes:
            return able
        made = Connections(self._graph, self._floats).chains(able, self._way.engine).made
        if measured:
            self._measure(able, form, made)
        return [layer for layer in able if self._is_faster(layer, made) or all_layers]

    def _measure(self, layers: Sequence[Layer], form: Form, made: set[str]) -> None:
        stopwatch = Stopwatch(self._graph, form, self._way.shapes, made, self._progress)
        for layer in layers:
            row = self._rows[layer.name]
            row.measured_before, row.measured = stopwatch.times(layer)

    def _is_faster(self, layer: Layer, made: set[str]) -> bool:
        shapes, row = self._way.shapes, self._rows[layer.name]
        work = work_of(self._graph, layer, shapes)
        converted = sum(math.prod(shapes.get(name, ())) for name in layer.inputs if name not in made)
        row.seconds_before = self._estimator.exact(work)
        row.seconds = self._way.seconds(self._estimator, work, converted)
        before, after = row.seconds_before, row.seconds
        if row.measured_before is not None and row.measured is not None:
            before, after = row.measured_before, row.measured
        if after <= before:
            return True
        row.reason = f"it would take {after * 1e6:.1f} us, and takes {before * 1e6:.1f} us"
        return False

    # --- trying -----------------------------------------------------------------------------------------

    def _try(self, trial: LayerTrial, layers: Sequence[Layer]) -> dict[str, np.ndarray]:
        """Measures each layer's error, and corrects the biases by what it is on average."""
        before = trial.layer_errors()
        corrections = {
            layer.name: -before[layer.name].mean.astype(np.float32)
            for layer in layers
            if self._way.is_fitted and takes_bias(layer) and self._result_rows(layer) >= _ROWS_FOR_MEANS
        }
        after = trial.layer_errors(corrections) if corrections else before
        for layer in layers:
            self._note(self._rows[layer.name], before[layer.name], after[layer.name])
            if after[layer.name].relative >= before[layer.name].relative:
                corrections.pop(layer.name, None)
        for name in corrections:
            self._rows[name].remedies.append("bias")
        return corrections

    def _note(self, row: LayerReport, before: LayerError, after: LayerError) -> None:
        row.error_before = before.relative if row.error_before is None else row.error_before
        row.error = min(before.relative, after.relative)

    def _is_accurate(self, layer: Layer) -> bool:
        row = self._rows[layer.name]
        if row.error is None or row.error <= self._way.largest_error:
            return True
        row.reason = f"its error is above {self._way.largest_error:g}"
        row.remedies.clear()
        return False

    def _result_rows(self, layer: Layer) -> int:
        """Over all runs, how many numbers each column or channel of the result has."""
        shape = self._way.shapes.get(layer.output, ())
        columns = layer.columns(self._graph)
        return len(self._samples) * math.prod(shape) // columns if columns else 0

    def _within(
        self, trial: LayerTrial, layers: Sequence[Layer], corrections: dict[str, np.ndarray], budget: float
    ) -> list[Layer]:
        """The layers that keep the error within the budget, those last that harm most for the time that they save."""
        for number, layer in enumerate(layers):
            what = f"layer {number + 1} of {len(layers)}"
            self._rows[layer.name].output_error = trial.output_error([layer.name], corrections, what)
        ranked = sorted(layers, key=self._harm)
        names = [layer.name for layer in ranked]
        low, high = 0, len(ranked)
        while low < high:
            middle = (low + high + 1) // 2
            if trial.output_error(names[:middle], corrections, f"{middle} layers") <= budget:
                low = middle
            else:
                high = middle - 1
        self._leave(ranked[low:], budget)
        return ranked[:low]

    def _harm(self, layer: Layer) -> float:
        row = self._rows[layer.name]
        before, after = row.times
        saved = (before or 0.0) - (after or 0.0)
        return (row.output_error or 0.0) ** 2 / max(saved, 1e-9)

    def _leave(self, layers: Iterable[Layer], budget: float) -> None:
        for layer in layers:
            row = self._rows[layer.name]
            row.reason = f"the budget of {budget:g} demands it"
            row.remedies.clear()

    # --- writing ----------------------------------------------------------------------------------------

    def _written(
        self,
        layers: Sequence[Layer],
        form: Form,
        corrections: dict[str, np.ndarray],
        exact: Sequence[dict[str, np.ndarray]],
    ) -> tuple[onnx.ModelProto, float | None]:
        """The model with these layers narrow, and the error of its results."""
        graph = OnnxGraph(self._graph.model())
        self._way.write(graph, [layer.of(graph) for layer in layers], form, corrections, self._floats)
        model = graph.model()
        if not exact:
            return model, None
        executable = compiled(model, self._samples, self._progress)
        return model, relative_error(exact, list(run_all(executable, self._samples, "check", self._progress)))

    def _finish(
        self, model: onnx.ModelProto, layers: Sequence[Layer], form: Form, error: float | None, budget: float | None
    ) -> None:
        for layer in layers:
            row = self._rows[layer.name]
            row.form, row.reason = form.kind, ""
            row.bytes = form.weight_bytes(self._graph, layer)
        report = self._report
        report.layers = list(self._rows.values())
        report.error, report.budget, report.bytes = error, budget, _constant_bytes(model)
        if not layers:
            report.notes.append("no layer is narrow: the model computes what it did")


def _described(data: str | Path | Iterable[Feeds] | None) -> str:
    if data is None:
        return "random inputs"
    return str(data) if isinstance(data, str | Path) else "feeds given"


def _constant_bytes(model: onnx.ModelProto) -> int:
    return sum(tensor.ByteSize() for tensor in model.graph.initializer)


def _input_dims(model: onnx.ModelProto) -> tuple[dict[str, int], dict[str, int]]:
    """The rank of each input, and how long its first axis is where that is fixed."""
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = {
        value.name: list(value.type.tensor_type.shape.dim) for value in model.graph.input if value.name not in constants
    }
    fixed = {name: dims[0].dim_value for name, dims in inputs.items() if dims and dims[0].dim_value > 0}
    return {name: len(dims) for name, dims in inputs.items()}, fixed
