"""Makes a model narrow: finds its layers, tries them on data, decides, and writes the model anew."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import onnx

from ..runtime.errors import LaminaError
from .integer_chains import Engine
from .onnx_graph import LARGEST_MESSAGE
from .process import Process
from .ranges import Calibration
from .report import QuantizationReport
from .running import Feeds, Progress
from .ways import WAYS

if TYPE_CHECKING:
    from ..frontend.model_file import ModelSource

Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True)
class Quantized:
    """The model made narrow, and the report of it."""

    model: onnx.ModelProto
    report: QuantizationReport

    def save(self, path: str | Path) -> None:
        """Writes ONNX, weights beside it where they are more than a file may hold, or compiles to a ``.lamina``."""
        save(self.model, Path(path))


def quantize(
    model: ModelSource,
    output: str | Path | None = None,
    *,
    data: str | Path | Iterable[Feeds] | None = None,
    probe: Sequence[Feeds] = (),
    to: str = "int8",
    budget: float | None = None,
    keep: Sequence[str] = (),
    calibration: str = Calibration.MEAN_SQUARE,
    engine: str = Engine.LAMINA,
    target: str = "host",
    all_layers: bool = False,
    measure: bool = False,
    progress: Progress | None = None,
) -> Quantized:
    """Makes the numbers of a model narrower where that is faster, and says what it costs.

    ``to``: ``int8`` (static, needs ``data``), ``int8-dynamic``, ``bf16``, ``f16`` or ``int4`` (weights alone).
    ``data``: feeds of some runs, or a file or folder of them: see ``read_samples``; ``probe``: others, on which errors
    are measured where there is no data, and nothing is fitted to. ``budget``: how large the error of
    the results may be, relative to their root mean square; layers stay in float32 until it is met. ``keep``: patterns
    of names, or operators, of layers that stay. ``calibration``: how ranges follow from what is seen. ``engine``: whose
    way to read int8 the file suits; others run it too, with the same numbers. ``target``: the
    machine whose costs say what is faster; ``all_layers`` does not ask that, ``measure`` times each layer on
    this machine instead, which needs ``data`` or ``probe``. ``output``: the file to write, ``.onnx``
    or ``.lamina``. Raises LaminaError.
    """
    if to not in WAYS:
        raise LaminaError(f"'{to}' is no form of numbers: expected one of {', '.join(WAYS)}")
    if to == "int8" and data is None:
        raise LaminaError(
            "int8 needs data to find the ranges of tensors: give some inputs as they occur (--data), or take "
            "int8-dynamic, which finds the ranges while it runs"
        )
    from ..frontend.model_file import load_model

    process = Process(
        load_model(model), to, data, probe, _named(calibration, Calibration), _named(engine, Engine), target, progress
    )
    result = Quantized(*process.run(keep, budget, all_layers, measure))
    result.report.model = str(model) if isinstance(model, str | Path) else ""
    if output is not None:
        result.save(output)
        result.report.output = str(output)
    return result


def save(model: onnx.ModelProto, path: Path) -> None:
    """Writes a model as ONNX, or compiled for this machine where the name ends in ``.lamina``. Raises LaminaError."""
    from ..runtime.files import replaced_file

    if path.suffix == ".lamina":
        from ..compiler import compile

        compile(model).save(path)
        return
    if path.suffix != ".onnx":
        raise LaminaError(f"'{path}' is neither .onnx nor .lamina: the name says what is written")
    if sum(len(tensor.raw_data) for tensor in model.graph.initializer) < LARGEST_MESSAGE:
        with replaced_file(path) as partial:
            partial.write_bytes(model.SerializeToString())
        return
    onnx.save_model(model, str(path), save_as_external_data=True, location=f"{path.name}.data")


def _named(name: str, choices: type[Choice]) -> Choice:
    try:
        return choices(name)
    except ValueError as error:
        raise LaminaError(f"'{name}' is unknown: expected one of {', '.join(choices)}") from error
