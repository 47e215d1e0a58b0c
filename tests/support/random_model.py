"""Random small models that are valid for the most part: operators with attributes drawn from their whole range."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

Step = Callable[["RandomModel"], None]
HALF_FLOAT, FLOAT = np.float16, np.float32


def evaluate(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What onnxruntime gives for a model, unoptimised."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    run_options = onnxruntime.RunOptions()
    run_options.log_severity_level = 4
    names = [output.name for output in session.get_outputs()]
    wanted = {given.name for given in session.get_inputs()}
    fed = {name: array for name, array in feeds.items() if name in wanted}
    return dict(zip(names, session.run(names, fed, run_options), strict=True))


def results(model: onnx.ModelProto, feeds: dict[str, np.ndarray], evaluator: bool) -> dict[str, np.ndarray] | None:
    """As onnxruntime has them, or where ``evaluator`` says so ONNX's own; None where neither runs the model."""
    try:
        return evaluate(model, feeds)
    except Exception:
        if not evaluator:
            return None
    try:
        names = [output.name for output in model.graph.output]
        return dict(zip(names, map(np.asarray, ReferenceEvaluator(model).run(names, feeds)), strict=True))
    except Exception:
        return None


class RandomModel:
    """Draws nodes one after another; each reads inputs, weights or what is there already.

    A node that onnxruntime refuses for the sizes drawn is kept in ``refused`` as a model of its own.
    """

    def __init__(self, seed: int, count: int, steps: Sequence[Step]):
        self.rng = random.Random(seed)
        self.numbers = np.random.default_rng(seed)
        self.opset = self.rng.choice([9, 10, 11, 12, 13, 13, 16, 17, 18, 18, 18, 19, 20, 21, 22, 23, 24, 26])
        self.values: dict[str, np.ndarray] = {}
        self.infos: list[onnx.ValueInfoProto] = []
        self.weights: dict[str, np.ndarray] = {}
        self.nodes: list[onnx.NodeProto] = []
        self.used: set[str] = set()
        self.refused: list[onnx.ModelProto] = []
        self.feeds: dict[str, np.ndarray] = {}
        self.free: dict[str, int] = {}
        for _ in range(count):
            self.rng.choice(steps)(self)

    # --- parts ----------------------------------------------------------------------------------------------------

    def model(self) -> onnx.ModelProto:
        """With every value that no node reads as an output."""
        last = [name for node in self.nodes for name in node.output if name and name not in self.used]
        outputs = [helper.make_empty_tensor_value_info(name) for name in last]
        return self._model(self.nodes, self.infos, outputs, self.weights)

    def _model(
        self,
        nodes: Sequence[onnx.NodeProto],
        inputs: Sequence[onnx.ValueInfoProto],
        outputs: Sequence[onnx.ValueInfoProto],
        weights: dict[str, np.ndarray],
    ) -> onnx.ModelProto:
        tensors = [numpy_helper.from_array(array, name) for name, array in weights.items()]
        graph = helper.make_graph(nodes, "random", inputs, outputs, tensors)
        opsets = [helper.make_opsetid("", self.opset)]
        if any(node.domain == "ai.onnx.ml" for node in nodes):
            opsets.append(helper.make_opsetid("ai.onnx.ml", 3))
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)

    def add(
        self, operator: str, inputs: Sequence[str], outputs: int = 1, evaluator: bool = False, **attributes: Any
    ) -> None:
        """Adds a node where onnxruntime can run it; ``evaluator``: or where ONNX's own can."""
        attributes = {name: value for name, value in attributes.items() if value is not None}
        names = [f"v{len(self.nodes)}_{index}" for index in range(outputs)]
        self._add([helper.make_node(operator, inputs, names, **attributes)], inputs, names, evaluator)

    def cast_twice(self, x: str, to: int, **attributes: Any) -> None:
        """To a type that NumPy does not have, and back."""
        attributes = {name: value for name, value in attributes.items() if value is not None}
        names = [f"v{len(self.nodes) + index}_0" for index in range(2)]
        there = helper.make_node("Cast", [x], names[:1], to=to, **attributes)
        back = helper.make_node("Cast", names[:1], names[1:], to=TensorProto.FLOAT)
        self._add([there, back], [x], names[1:])
        self.used.add(names[0])

    def _add(
        self, nodes: Sequence[onnx.NodeProto], inputs: Sequence[str], names: Sequence[str], evaluator: bool = False
    ) -> None:
        weights = {name: self.weights[name] for name in inputs if name in self.weights}
        feeds = {name: self.values[name] for name in inputs if name and name not in weights}
        infos = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
            for name, array in feeds.items()
        ]
        small = self._model(nodes, infos, [helper.make_empty_tensor_value_info(name) for name in names], weights)
        found = results(small, feeds, evaluator)
        if found is None:
            self.refused.append(small)
            return
        if sum(array.size for array in found.values()) > 20000:
            return
        self.nodes += nodes
        self.used.update(inputs)
        self.values |= found

    def array(self, shape: Sequence[int], dtype: Any = FLOAT) -> np.ndarray:
        kind = np.dtype(dtype).kind
        if kind == "f":
            return np.asarray(np.round(self.numbers.normal(size=shape) * self.rng.choice([1, 1, 2, 5]), 3), dtype)
        if kind == "b":
            return np.asarray(self.numbers.integers(0, 2, shape), bool)
        low, high = (0, 9) if kind == "u" else (-5, 9)
        return np.asarray(self.numbers.integers(low, high, shape), dtype)

    def weight(self, array: np.ndarray, *, may_be_input: bool = True) -> str:
        """A constant; now and then an input of the same size."""
        if may_be_input and self.rng.random() < 0.25:
            return self.input(array)
        name = f"w{len(self.weights)}"
        self.weights[name] = array
        return name

    def whole(self, *numbers: int) -> str:
        return self.weight(np.array(numbers, np.int64), may_be_input=False)

    def input(self, array: np.ndarray, *, free: bool = True) -> str:
        name = f"x{len(self.infos)}"
        dims: list[int | str] = []
        for axis, size in enumerate(array.shape):
            if free and self.rng.random() < 0.35:
                same = [symbol for symbol, known in self.free.items() if known == size]
                symbol = self.rng.choice(same) if same and self.rng.random() < 0.5 else f"{name}_{axis}"
                self.free[symbol] = size
                dims.append(symbol)
            else:
                dims.append(size)
        self.infos.append(helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), dims))
        self.values[name] = self.feeds[name] = array
        return name

    def shape(self, rank: int) -> list[int]:
        return [self.rng.choice([1, 1, 2, 3, 4, 5, 7, 9, 17]) for _ in range(rank)]

    def value(self, ranks: Sequence[int] = (1, 2, 3, 4), dtypes: Sequence[Any] = (FLOAT,)) -> str:
        """One that is there already and fits, else a new input."""
        fitting = [
            name for name, array in self.values.items() if array.ndim in ranks and array.dtype in dtypes and array.size
        ]
        if fitting and self.rng.random() < 0.8:
            return self.rng.choice(fitting[-4:])
        return self.input(self.array(self.shape(self.rng.choice(list(ranks))), self.rng.choice(list(dtypes))))

    def of(self, name: str) -> np.ndarray:
        return self.values[name] if name in self.values else self.weights[name]

    def axis(self, rank: int) -> int:
        return self.rng.randrange(-rank, rank)

    def maybe(self, value: Any, chance: float = 0.5) -> Any:
        return value if self.rng.random() < chance else None
