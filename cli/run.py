"""``lamina run``: one inference, its outputs shown or kept."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .common import (
    DimOption,
    FixedDims,
    JsonOption,
    ModelArgument,
    SeedOption,
    ShapeOption,
    ThreadsOption,
    open_model,
    print_json,
    random_feeds,
)
from .progress import shown_progress

if TYPE_CHECKING:
    import numpy as np


def run(
    model: ModelArgument,
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", "-i", metavar="NAME=FILE", help="An input from a .npy file. May be repeated."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE.npz", help="Keep the outputs in a file.")
    ] = None,
    shape: ShapeOption = None,
    dim: DimOption = None,
    threads: ThreadsOption = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Run a model once, on given inputs or on random ones.

    Example: [bold]lamina run resnet50.onnx --input x=image.npy --output scores.npz[/]
    """
    given = _read_inputs(inputs or [])
    begin = time.perf_counter()
    with shown_progress(not as_json) as progress:
        executable, fixed = open_model(model, FixedDims.from_options(shape, dim), threads, progress)
    opened = time.perf_counter()
    missing = [info.name for info in executable.inputs if info.name not in given]
    if missing:
        drawn = random_feeds(executable, fixed, seed)
        given |= {name: drawn[name] for name in missing}
    begin_run = time.perf_counter()
    results = executable.run(given)
    finished = time.perf_counter()
    if output is not None:
        _write_outputs(output, results)
    report = {
        "model": str(model),
        "threads": executable.threads,
        "open_ms": (opened - begin) * 1e3,
        "run_ms": (finished - begin_run) * 1e3,
        "random_inputs": missing,
        "outputs": [_describe(name, array) for name, array in results.items()],
    }
    if as_json:
        print_json(report)
    else:
        _print(report)


def _read_inputs(texts: list[str]) -> dict[str, np.ndarray]:
    import numpy as np

    arrays = {}
    for text in texts:
        name, equals, file = text.rpartition("=")
        if not equals or not Path(file).is_file():
            raise typer.BadParameter(f"'{text}': expected NAME=FILE, the file a .npy", param_hint="--input")
        try:
            arrays[name] = np.load(file, allow_pickle=False)
        except ValueError as error:
            raise typer.BadParameter(f"'{file}' is no .npy file: {error}", param_hint="--input") from error
    return arrays


def _write_outputs(path: Path, results: dict[str, np.ndarray]) -> None:
    import numpy as np

    with path.open("wb") as file:
        np.savez(file, **results)  # pyright: ignore[reportArgumentType]


def _describe(name: str, array: np.ndarray) -> dict[str, Any]:
    described: dict[str, Any] = {"name": name, "dtype": str(array.dtype), "shape": list(array.shape)}
    if array.size and array.dtype.kind in "biuf":
        described |= {"min": float(array.min()), "max": float(array.max()), "mean": float(array.mean())}
    return described


def _print(report: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("output", "type", "shape", title=f"{Path(report['model']).name}: {report['run_ms']:.2f} ms")
    for column in ("min", "max", "mean"):
        table.add_column(column, justify="right")
    for row in report["outputs"]:
        numbers = [f"{row[column]:.6g}" if column in row else "" for column in ("min", "max", "mean")]
        table.add_row(row["name"], row["dtype"], " x ".join(map(str, row["shape"])) or "scalar", *numbers)
    console = Console()
    console.print(table)
    threads = report["threads"]
    console.print(f"opened in {report['open_ms']:.0f} ms, run on {threads} thread{'s' if threads != 1 else ''}")
    if report["random_inputs"]:
        console.print(f"random inputs: {', '.join(report['random_inputs'])} (give them with --input NAME=FILE.npy)")
