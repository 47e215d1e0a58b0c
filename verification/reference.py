"""An engine that shares no code with this compiler: onnxruntime where it is installed, else ONNX's own evaluator."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

Arrays = dict[str, np.ndarray]


class ReferenceError(Exception):
    """The reference cannot run the model; says why."""


@dataclass(frozen=True)
class Reference:
    """Runs an ONNX model. ``name`` is the engine's. Where no model is known, everything raises ReferenceError."""

    name: str
    model: Path | None

    @staticmethod
    def of(model: Path | None) -> Reference:
        if model is None:
            return Reference("the model that the text comes from", None)
        try:
            import onnxruntime
        except ImportError:
            return Reference(f"ONNX's reference evaluator {onnx.__version__}", model)
        return Reference(f"onnxruntime {onnxruntime.__version__}", model)

    def run(self, feeds: Arrays) -> Arrays:
        """The outputs by name. Raises ReferenceError."""
        path = self._known()
        try:
            if self.name.startswith("onnxruntime"):
                return _run_onnxruntime(str(path), feeds)
            return _run_evaluator(onnx.load(path), feeds)
        except Exception as error:
            raise ReferenceError(f"{self.name} cannot run this model: {str(error).strip().splitlines()[0]}") from error

    def run_all(self, feeds: Arrays) -> Arrays:
        """Every tensor of the main graph by its ONNX name. Raises ReferenceError."""
        path = self._known()
        try:
            model = onnx.load(path)
            present = {output.name for output in model.graph.output}
            wanted = [name for node in model.graph.node for name in node.output if name and name not in present]
            model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
            if self.name.startswith("onnxruntime"):
                model = onnx.shape_inference.infer_shapes(model)
                return _run_onnxruntime(model.SerializeToString(), feeds)
            return _run_evaluator(model, feeds)
        except Exception as error:
            raise ReferenceError(f"{self.name} shows no intermediate values: {error}") from error

    def _known(self) -> Path:
        if self.model is None:
            raise ReferenceError("it is not known: --source MODEL.onnx names it")
        return self.model


def _run_onnxruntime(model: str | bytes, feeds: Arrays) -> Arrays:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # What the model says, without another compiler's rewrites.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    results = session.run(names, feeds)
    return {name: np.asarray(result) for name, result in zip(names, results, strict=True)}


def _run_evaluator(model: onnx.ModelProto, feeds: Arrays) -> Arrays:
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(model)
    names = [str(name) for name in evaluator.output_names]
    with np.errstate(all="ignore"):
        results = evaluator.run(names, feeds)
    return {name: np.asarray(result) for name, result in zip(names, results, strict=True)}
