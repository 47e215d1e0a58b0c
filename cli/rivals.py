"""What ``lamina bench`` runs beside a model: another engine, or another model on the same inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..runtime.errors import LaminaError
from .common import FixedDims, is_compiled, shape_text
from .level_text import SUFFIX
from .timing import PAUSE_SECONDS

if TYPE_CHECKING:
    import numpy as np

    from ..runtime.executable import Executable, TensorInfo

ENGINES = ("onnxruntime",)
# Of the outputs, as for `lamina run --expect`.
_RTOL, _ATOL = 1e-3, 1e-5
# Of an output's largest number, where products were rounded: twice what docs/accuracy.md says of the root mean square.
_ROUNDED = {"f32": 0.0, "f16": 4e-3, "bf16": 4e-2}

Feeds = dict[str, "np.ndarray"]


@dataclass(frozen=True)
class Rival:
    """Runs on inputs and gives outputs by name; ``pause`` is how long it keeps processors busy after a run."""

    name: str
    run: Callable[[Feeds], dict[str, np.ndarray]]
    pause: float = 0.0


def rival_path(vs: str, model: Path) -> Path | None:
    """The other model, or None where ``vs`` names an engine. Raises BadParameter for neither, or without .onnx."""
    if vs in ENGINES:
        if is_compiled(model) or model.suffix == SUFFIX:
            raise typer.BadParameter(f"{vs} needs the .onnx model", param_hint="--vs")
        return None
    if not Path(vs).is_file():
        raise typer.BadParameter(f"'{vs}': expected {', '.join(ENGINES)} or the file of a model", param_hint="--vs")
    return Path(vs)


def names_of(model: Path, other: Path) -> tuple[str, str]:
    """What two models are called side by side: by their files, with folders where those are called alike."""
    if model.name != other.name:
        return model.name, other.name
    if model.resolve() != other.resolve():
        return str(model), str(other)
    return model.name, f"{other.name}, again"


def onnxruntime_rival(model: Path, threads: int) -> Rival:
    """The engine of that name on the same model. Raises LaminaError where it does not run it."""
    try:
        import onnxruntime
    except ImportError as error:
        raise typer.BadParameter("onnxruntime is not installed: pip install onnxruntime", param_hint="--vs") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # Its warnings about a model are not what is asked for.

    def refused(error: Exception) -> LaminaError:
        return LaminaError(f"onnxruntime does not run this model: {str(error).strip()}")

    try:
        session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # It has a dozen classes of them, and the model is at fault or it is.
        raise refused(error) from error
    outputs = [info.name for info in session.get_outputs()]

    def run(feeds: Feeds) -> dict[str, Any]:
        try:
            return dict(zip(outputs, session.run(None, feeds), strict=True))
        except Exception as error:
            raise refused(error) from error

    return Rival("onnxruntime", run, PAUSE_SECONDS)


def with_sizes_of(fixed: FixedDims, model: Executable, other: Executable, names: tuple[str, str]) -> FixedDims:
    """The dims with sizes that only the other model fixes. Raises LaminaError where no inputs suit both."""
    theirs = {info.name: info for info in other.inputs}
    sizes: dict[str, int] = {}
    for info in model.inputs:
        match = theirs.pop(info.name, None)
        if match is None or match.dtype != info.dtype or not _may_be_equal(info.shape, match.shape):
            raise _different(model, other, names)
        pairs = zip(info.shape, match.shape, strict=True)
        sizes |= {one: two for one, two in pairs if isinstance(one, str) and isinstance(two, int)}
    if theirs:
        raise _different(model, other, names)
    return replace(fixed, sizes=sizes | fixed.sizes)


def _may_be_equal(shape: Sequence[int | str], other: Sequence[int | str]) -> bool:
    """Whether free dims can be such that the shapes are the same."""
    if len(shape) != len(other):
        return False
    return all(one == two or not (isinstance(one, int) and isinstance(two, int)) for one, two in zip(shape, other))


def _different(model: Executable, other: Executable, names: tuple[str, str]) -> LaminaError:
    described = [f"{name} takes {_listed(executable.inputs)}" for name, executable in zip(names, (model, other))]
    return LaminaError(f"no inputs suit both models: {', and '.join(described)}")


def _listed(inputs: Sequence[TensorInfo]) -> str:
    return "; ".join(f"'{info.name}', {info.dtype} of {shape_text(info.shape)}" for info in inputs) or "none"


@dataclass(frozen=True)
class Agreement:
    """Whether two models gave the same outputs: to the last digit, within tolerance, or not."""

    agree: bool
    greatest_difference: float | None
    """None where outputs could not be compared."""
    output: str
    """The one that differs most."""
    detail: str = ""
    """Where they do not agree: how."""

    @property
    def text(self) -> str:
        if not self.agree:
            return f"outputs differ: '{self.output}' {self.detail}"
        if not self.greatest_difference:
            return "outputs are the same to the last digit"
        return f"outputs agree: the greatest difference is {self.greatest_difference:.2g}, of '{self.output}'"


def agreement(found: dict[str, np.ndarray], other: dict[str, np.ndarray], precision: str = "f32") -> Agreement:
    """Compares outputs by name, as ``lamina run --expect`` does by default, or as far as a precision goes."""
    from .expected import compare_output

    missing = [*(name for name in found if name not in other), *(name for name in other if name not in found)]
    if missing:
        return Agreement(False, None, missing[0], "is an output of one of them only")
    comparisons = [
        compare_output(name, found[name], other[name], _RTOL, _ATOL + _ROUNDED[precision] * _largest(other[name]))
        for name in found
    ]
    worst = max(comparisons, key=lambda one: (not one.ok, one.absolute_error or 0.0))
    if worst.ok:
        return Agreement(True, worst.absolute_error or 0.0, worst.name)
    if worst.index is None:
        return Agreement(False, None, worst.name, worst.problem)
    places = f"in {worst.wrong_elements} of {worst.elements} elements, most at {list(worst.index)}"
    return Agreement(False, worst.absolute_error, worst.name, f"{places}: {worst.found:.8g} and {worst.expected:.8g}")


def _largest(array: np.ndarray) -> float:
    """The largest magnitude among the finite numbers of an array."""
    import numpy as np

    if array.dtype.kind not in "fV" or not array.size:
        return 0.0
    numbers = np.abs(array.astype(np.float64))
    return float(np.max(numbers, initial=0.0, where=np.isfinite(numbers)))
