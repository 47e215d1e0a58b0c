"""Small models that ``lamina doctor`` compiles, runs, saves and loads, with their results computed by NumPy."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import onnx

    from ..runtime.executable import Executable

Feeds = dict[str, np.ndarray]

# Work enough that a second thread takes its share.
_MATRIX = 192
_IMAGE = (1, 32, 40, 40)


@dataclass(frozen=True)
class SelfTestModel:
    """A model of one node, what to feed it, and its result."""

    name: str
    model: Callable[[], onnx.ModelProto]
    feeds: Feeds
    expected: np.ndarray

    def check(self, executable: Executable) -> None:
        """Runs it. Raises ArithmeticError where the result is wrong."""
        (found,) = executable.run(self.feeds).values()
        if found.shape != self.expected.shape:
            raise ArithmeticError(f"{self.name} gave the shape {found.shape}, expected {self.expected.shape}")
        worst = float(np.max(np.abs(found - self.expected), initial=0.0))
        if not worst <= 1e-3:
            raise ArithmeticError(f"{self.name} is wrong by up to {worst:.3g}")


def trials() -> list[SelfTestModel]:
    """A sum, a matrix product and a convolution."""
    random = np.random.default_rng(0)
    a, b = (random.standard_normal((_MATRIX, _MATRIX)).astype(np.float32) for _ in range(2))
    image = random.standard_normal(_IMAGE).astype(np.float32)
    kernel = random.standard_normal((_IMAGE[1], _IMAGE[1], 3, 3)).astype(np.float32)
    return [
        SelfTestModel("sum", lambda: _model("Add", {"a": a.shape, "b": a.shape}), {"a": a, "b": b}, a + b),
        SelfTestModel(
            "matrix product", lambda: _model("MatMul", {"a": a.shape, "b": b.shape}), {"a": a, "b": b}, a @ b
        ),
        SelfTestModel(
            "convolution",
            lambda: _model("Conv", {"x": image.shape}, {"w": kernel}, pads=[1, 1, 1, 1]),
            {"x": image},
            _convolved(image, kernel),
        ),
    ]


class SelfTest:
    """The trials, each compiled when it is first needed. The methods raise whatever goes wrong."""

    def __init__(self) -> None:
        self._compiled: dict[str, Executable] = {}

    def run(self, threads: int) -> str:
        """Compiles each model anew, unless this object has, and runs it."""
        names = []
        for trial in trials():
            executable = self._executable(trial)
            executable.set_threads(threads)
            trial.check(executable)
            names.append(trial.name)
        return f"{', '.join(names)}: compiled, and the results are right"

    def save_and_load(self) -> str:
        """A compiled model goes to a file and back."""
        from ..runtime.executable import load

        trial = trials()[-1]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.lamina"
            self._executable(trial).save(path)
            size = path.stat().st_size
            trial.check(load(path))
        return f"a compiled model of {size >> 10} KiB was written, read and run"

    def _executable(self, trial: SelfTestModel) -> Executable:
        from ..compiler import compile

        if trial.name not in self._compiled:
            with _without_cache():
                self._compiled[trial.name] = compile(trial.model())
        return self._compiled[trial.name]


@contextmanager
def _without_cache() -> Iterator[None]:
    """So that what is tested is compiling, not what was kept of it."""
    before = os.environ.get("LAMINA_CACHE")
    os.environ["LAMINA_CACHE"] = "off"
    try:
        yield
    finally:
        if before is None:
            del os.environ["LAMINA_CACHE"]
        else:
            os.environ["LAMINA_CACHE"] = before


def _model(
    operator: str,
    inputs: dict[str, tuple[int, ...]],
    weights: dict[str, np.ndarray] | None = None,
    **attributes: Any,
) -> onnx.ModelProto:
    """A model of one node that gives ``y``."""
    from onnx import TensorProto, helper, numpy_helper

    weights = weights or {}
    node = helper.make_node(operator, [*inputs, *weights], ["y"], **attributes)
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()]
    arrays = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph([node], operator, infos, [helper.make_empty_tensor_value_info("y")], arrays)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _convolved(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A convolution with a padding of one on each side."""
    padded = np.pad(image, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[2:], axis=(2, 3))
    return np.einsum("nchwij,ocij->nohw", windows, kernel, optimize=True)
