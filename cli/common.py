"""What the commands share: their common options, opening a model, and inputs for it."""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..dialects.winograd import DEFAULT_ERROR as DEFAULT_WINOGRAD_ERROR
from .level_text import SUFFIX, LevelText
from .options import Shapes, name_the_only_input, onnx_input_names, parse_dims, parse_shapes

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console

    from ..runtime.executable import Executable, TensorInfo
    from .progress import Progress

ModelArgument = Annotated[
    Path,
    typer.Argument(
        exists=True,
        dir_okay=False,
        metavar="MODEL",
        help="An .onnx model, a compiled .lamina file, or .mlir text that --dump-phases wrote.",
    ),
]
OnnxArgument = Annotated[Path, typer.Argument(exists=True, dir_okay=False, metavar="MODEL", help="An .onnx model.")]


FromOption = Annotated[
    str | None,
    typer.Option(
        "--from", metavar="PHASE", help="Of .mlir text: the phase that wrote it. By default its name says so."
    ),
]
ConstantsOption = Annotated[
    Path | None,
    typer.Option(
        "--constants",
        metavar="FILE.npz",
        exists=True,
        dir_okay=False,
        help="Of .mlir text: the arrays that it names. By default constants.npz beside it.",
    ),
]


class DenormalsMode(StrEnum):
    """What a run does with numbers below the smallest normal one."""

    FLUSH = "flush"
    KEEP = "keep"


class PrecisionMode(StrEnum):
    """What products of f32 may be rounded to."""

    F32 = "f32"
    BF16 = "bf16"
    F16 = "f16"


ShapeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--shape", metavar="[NAME=]DIMS", help="Dims of an input, e.g. 1x3x224x224 or x=Nx3x48x320. May be repeated."
    ),
]
DimOption = Annotated[
    list[str] | None,
    typer.Option("--dim", metavar="NAME=SIZE", help="Size of a free dim, e.g. batch=4. May be repeated."),
]
ThreadsOption = Annotated[
    int | None, typer.Option("--threads", min=1, help="Threads to run on; by default all cores allowed.")
]
WinogradErrorOption = Annotated[
    float,
    typer.Option(
        "--winograd-error",
        min=0.0,
        metavar="X",
        help="How far off Winograd convolutions may be, in units of what a direct sum in float32 is off by; 0 forbids "
        "them.",
    ),
]
CheckedOption = Annotated[
    bool,
    typer.Option(
        "--checked",
        envvar="LAMINA_CHECKED",
        help="Check every access to memory: slow; one outside of its buffer ends the run with its stage and offset.",
    ),
]
DenormalsOption = Annotated[
    DenormalsMode,
    typer.Option(
        "--denormals", help="Take numbers below the smallest normal one as zero (flush), or keep them (keep)."
    ),
]
PrecisionOption = Annotated[
    PrecisionMode,
    typer.Option(
        "--precision",
        help="Multiply what is f32 as bf16, or store weights as f16, wherever that is faster; sums stay f32.",
    ),
]
MeanOption = Annotated[
    str | None, typer.Option("--mean", metavar="R,G,B", help="Subtracted from a picture's values in 0..1.")
]
StdOption = Annotated[str | None, typer.Option("--std", metavar="R,G,B", help="A picture's values are divided by it.")]
SeedOption = Annotated[int, typer.Option("--seed", help="Seed of random inputs.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the report as JSON, and nothing else.")]


_PIPED_WIDTH = 160


@dataclass(frozen=True)
class FixedDims:
    """What --shape and --dim say: shapes by input (its name may be empty: the only input's), sizes by dim."""

    shapes: Shapes
    sizes: dict[str, int]

    @staticmethod
    def from_options(shapes: list[str] | None, dims: list[str] | None) -> FixedDims:
        """Reads the options. Text that cannot be read is wrong usage."""
        with usage_errors("--shape"):
            given = parse_shapes(shapes or ())
        with usage_errors("--dim"):
            return FixedDims(given, parse_dims(dims or ()))

    def named(self, inputs: list[str]) -> FixedDims:
        """The same with every shape under the name of one of the inputs."""
        with usage_errors("--shape"):
            return FixedDims(name_the_only_input(self.shapes, inputs), self.sizes)

    def named_in(self, model: Path) -> FixedDims:
        """The same for the inputs of an ONNX model, which is read only where there is a shape to name."""
        return self.named(onnx_input_names(model)) if self.shapes else self

    def for_import(self) -> dict[str, Any] | None:
        """As the compiler takes them: a shape under an input's name, a size under a dim's."""
        return {**self.shapes, **self.sizes} or None


@contextlib.contextmanager
def usage_errors(option: str) -> Iterator[None]:
    """Makes a ValueError inside wrong usage of the option."""
    try:
        yield
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def print_json(report: Any) -> None:
    """Prints a report for programs. What JSON has no number for, infinities and NaN, is null."""
    typer.echo(json.dumps(_finite(report), indent=2, allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def report_console() -> Console:
    """Where reports for people go. What is piped is not cut to a terminal's width."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=_PIPED_WIDTH)


def is_compiled(model: Path) -> bool:
    """Whether the file is a compiled model, by its first bytes."""
    from ..runtime.file_format import MAGIC, is_compiled_model

    with model.open("rb") as file:
        return is_compiled_model(file.read(len(MAGIC)))


def open_model(
    model: Path,
    fixed: FixedDims,
    threads: int | None,
    progress: Progress | None = None,
    winograd_error: float = DEFAULT_WINOGRAD_ERROR,
    checked: bool = False,
    denormals: DenormalsMode = DenormalsMode.FLUSH,
    precision: PrecisionMode = PrecisionMode.F32,
) -> tuple[Executable, FixedDims]:
    """The model, compiled unless it is already, and the dims by input name.

    Dims given as numbers are fixed in an ONNX model that is compiled here, which specialises its code.
    """
    if is_compiled(model):
        from ..runtime.executable import load

        return _with_dims(load(model, threads=threads), fixed)
    from ..compiler import compile, compile_module

    options = None
    if progress is not None or checked:
        from ..pipeline import PipelineOptions

        options = PipelineOptions(progress=progress)
        options.checked |= checked
    if model.suffix == SUFFIX:
        text = LevelText.from_options(model, None, None)
        with text.opened("host", winograd_error, denormals.value, precision.value) as (module, context):
            executable = compile_module(module, context, start=text.phase, threads=threads, options=options)
        return _with_dims(executable, fixed)
    fixed = fixed.named_in(model)
    executable = compile(
        model,
        shapes=fixed.for_import(),
        threads=threads,
        options=options,
        winograd_error=winograd_error,
        denormals=denormals.value,
        precision=precision.value,
    )
    return executable, fixed


def _with_dims(executable: Executable, fixed: FixedDims) -> tuple[Executable, FixedDims]:
    """A model whose dims are fixed already. Raises BadParameter where --dim names a free dim that no input has."""
    dims = [dim for info in executable.inputs for dim in info.shape if isinstance(dim, str)]
    free = sorted({name for dim in dims for name in re.findall(r"[A-Za-z_]\w*", dim)} - {"floordiv", "mod"} | set(dims))
    unknown = [name for name in fixed.sizes if name not in free]
    if unknown:
        choices = f"expected one of {', '.join(free)}" if free else "none is left free"
        raise typer.BadParameter(f"no free dim is called '{unknown[0]}': {choices}", param_hint="--dim")
    return executable, fixed.named([info.name for info in executable.inputs])


def shape_text(shape: Sequence[int | str]) -> str:
    """``1 x 3 x 224 x 224``."""
    return " x ".join(map(str, shape)) or "scalar"


def duration_text(milliseconds: float) -> str:
    """Three digits and the unit that suits: ``417 us``, ``3.21 ms``, ``12.5 s``."""
    for unit, size in (("us", 1e-3), ("ms", 1.0)):
        value = milliseconds / size
        if value < 999.5:
            return f"{value:.{max(0, 2 - int(math.log10(max(value, 1))))}f} {unit}"
    return f"{milliseconds / 1e3:.1f} s"


def size_text(nbytes: int) -> str:
    """``512 bytes``, ``3.4 KiB``, ``97.7 MiB``."""
    if nbytes < 1 << 10:
        return f"{nbytes} bytes"
    return f"{nbytes / 2**10:.1f} KiB" if nbytes < 1 << 20 else f"{nbytes / 2**20:.1f} MiB"


def free_dims_left(executable: Executable, fixed: FixedDims) -> dict[str, int]:
    """Free dims of the inputs of which nothing says how large they shall be, and what random inputs have there."""
    from .free_sizes import fitting_sizes

    said = known_sizes(executable.inputs, fixed)
    return {name: size for name, size in sorted(fitting_sizes(executable.program, said).items()) if name not in said}


def known_sizes(inputs: Sequence[TensorInfo], fixed: FixedDims) -> dict[str, int]:
    """Sizes of free dims that --dim and --shape give."""
    sizes = dict(fixed.sizes)
    for info in inputs:
        pairs = zip(info.shape, fixed.shapes.get(info.name, ()))
        sizes |= {dim: value for dim, value in pairs if isinstance(dim, str) and isinstance(value, int)}
    return sizes


@contextlib.contextmanager
def sizes_explained(
    executable: Executable, fixed: FixedDims, given: Mapping[str, np.ndarray] | None = None
) -> Iterator[None]:
    """Adds to an error inside which sizes random inputs had because nobody said otherwise, if so."""
    from ..runtime.errors import LaminaError

    try:
        yield
    except LaminaError as error:
        known = {dim for info in executable.inputs if info.name in (given or {}) for dim in info.shape}
        left = {name: size for name, size in free_dims_left(executable, fixed).items() if name not in known}
        if not left:
            raise
        raise LaminaError(f"{error}\n  {sizes_advice(left)}") from error


def sizes_advice(free_dims: Mapping[str, int]) -> str:
    taken = ", ".join(f"{name} = {size}" for name, size in free_dims.items())
    said = " ".join(f"--dim {name}={size if size > 1 else 8}" for name, size in free_dims.items())
    return f"free dims were taken as {taken}; say how large they are in use, e.g. {said}"


def random_feeds(
    executable: Executable, fixed: FixedDims, seed: int, given: Mapping[str, np.ndarray] | None = None
) -> dict[str, np.ndarray]:
    """Random inputs that go with those ``given``; a free dim that nothing fixes is as ``fitting_sizes`` says.

    Floats are normal; integers are 0 or 1, as token or mask.
    """
    import numpy as np

    generator = np.random.default_rng(seed)
    from .free_sizes import fitting_sizes

    said = _said_sizes(executable.inputs, fixed)
    for info in executable.inputs:
        if given is not None and info.name in given:
            pairs = zip(info.shape, given[info.name].shape)
            said |= {dim: size for dim, size in pairs if isinstance(dim, str)}
    symbols = fitting_sizes(executable.program, said)
    return {info.name: _random_array(info, symbols, generator) for info in executable.inputs}


def _said_sizes(inputs: tuple[TensorInfo, ...], fixed: FixedDims) -> dict[str, int]:
    """Values of the free dims that are given. Raises BadParameter for a shape of another rank."""
    symbols = dict(fixed.sizes)
    for info in inputs:
        given = fixed.shapes.get(info.name)
        if given is None:
            continue
        if len(given) != len(info.shape):
            raise typer.BadParameter(
                f"input '{info.name}' has {len(info.shape)} dims, not {len(given)}", param_hint="--shape"
            )
        pairs = zip(info.shape, given, strict=True)
        symbols |= {dim: value for dim, value in pairs if isinstance(dim, str) and isinstance(value, int)}
    return symbols


def _random_array(info: TensorInfo, symbols: dict[str, int], generator: np.random.Generator) -> np.ndarray:
    import numpy as np

    from ..runtime.errors import LaminaError
    from ..runtime.expressions import evaluate

    shape = tuple(evaluate(dim, symbols) for dim in info.shape)
    if info.dtype.kind in "biu":
        return generator.integers(0, 2, shape).astype(info.dtype)
    if info.dtype.kind in "fV":
        return generator.standard_normal(shape).astype(info.dtype)
    if info.dtype == object:
        return generator.choice(np.array(["", "a", "word", "two words"], object), shape)
    raise LaminaError(f"input '{info.name}' is of {info.dtype}: give it with --input {info.name}=FILE.npy")
