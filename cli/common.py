"""What the commands share: their common options, opening a model, and inputs for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import parse_shapes

if TYPE_CHECKING:
    import numpy as np

    from ..runtime.executable import Executable, TensorInfo

ModelArgument = Annotated[
    Path,
    typer.Argument(exists=True, dir_okay=False, metavar="MODEL", help="An .onnx model or a compiled .lamina file."),
]
ShapeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--shape", metavar="[NAME=]DIMS", help="Dims of an input, e.g. 1x3x224x224 or x=Nx3x48x320. May be repeated."
    ),
]
ThreadsOption = Annotated[
    int | None, typer.Option("--threads", min=1, help="Threads to run on; by default all cores allowed.")
]
SeedOption = Annotated[int, typer.Option("--seed", help="Seed of random inputs.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print a machine-readable report.")]

Shapes = dict[str, tuple[int | str, ...]]


def shapes_of_options(texts: list[str] | None) -> Shapes:
    """The shapes given. Text that is no shape is wrong usage."""
    try:
        return parse_shapes(texts or ())
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--shape") from error


def name_the_only_input(shapes: Shapes, names: list[str]) -> Shapes:
    """The shapes with the nameless one given the name of the model's only input."""
    if "" in shapes and len(names) != 1:
        raise typer.BadParameter(
            f"the model has {len(names)} inputs: say which, e.g. --shape {names[0]}=...", param_hint="--shape"
        )
    unknown = [name for name in shapes if name and name not in names]
    if unknown:
        raise typer.BadParameter(f"no input is called '{unknown[0]}': expected one of {', '.join(names)}")
    return {name or names[0]: shape for name, shape in shapes.items()}


def onnx_input_names(model: Path) -> list[str]:
    """Names of an ONNX model's inputs, without those that have a default. Raises LaminaError for another file."""
    import onnx
    from google.protobuf.message import DecodeError

    from ..runtime.errors import LaminaError

    try:
        graph = onnx.load(model, load_external_data=False).graph
    except DecodeError as error:
        raise LaminaError(f"'{model}' is no ONNX model: {error}") from error
    defaults = {tensor.name for tensor in graph.initializer}
    return [value.name for value in graph.input if value.name not in defaults]


def is_compiled(model: Path) -> bool:
    """Whether the file is a compiled model, by its first bytes."""
    from ..runtime.file_format import MAGIC, is_compiled_model

    with model.open("rb") as file:
        return is_compiled_model(file.read(len(MAGIC)))


def open_model(model: Path, shapes: Shapes, threads: int | None) -> tuple[Executable, Shapes]:
    """The model, compiled unless it is already, and the shapes by input name.

    Dims given as numbers are fixed in an ONNX model that is compiled here, which specialises its code.
    """
    if is_compiled(model):
        from ..runtime.file_format import load

        executable = load(model)
        if threads is not None:
            executable.set_threads(threads)
        return executable, name_the_only_input(shapes, [info.name for info in executable.inputs])
    from ..compiler import compile

    shapes = name_the_only_input(shapes, onnx_input_names(model))
    return compile(model, shapes=shapes or None, threads=threads), shapes


def random_feeds(executable: Executable, shapes: Shapes, seed: int) -> dict[str, np.ndarray]:
    """Random inputs; a free dim that no shape fixes is 1. Floats are normal; integers are 0 or 1, as token or mask."""
    import numpy as np

    generator = np.random.default_rng(seed)
    symbols = _symbols(executable.inputs, shapes)
    return {info.name: _random_array(info, symbols, generator) for info in executable.inputs}


def _symbols(inputs: tuple[TensorInfo, ...], shapes: Shapes) -> dict[str, int]:
    """Values of the free dims: those in the shapes given, and 1 for all others."""
    from ..runtime.expressions import symbols_of

    symbols = dict.fromkeys(symbols_of(*(dim for info in inputs for dim in info.shape)), 1)
    for info in inputs:
        given = shapes.get(info.name)
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
    from ..runtime.errors import LaminaError
    from ..runtime.expressions import evaluate

    shape = tuple(evaluate(dim, symbols) for dim in info.shape)
    if info.dtype.kind in "biu":
        return generator.integers(0, 2, shape).astype(info.dtype)
    if info.dtype.kind in "fV":
        return generator.standard_normal(shape).astype(info.dtype)
    raise LaminaError(f"input '{info.name}' is of {info.dtype}: give it with --input {info.name}=FILE.npy")
