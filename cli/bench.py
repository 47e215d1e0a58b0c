"""``lamina bench``: how long a model takes, and beside onnxruntime if wanted."""

from __future__ import annotations

import time
from collections.abc import Callable
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
    is_compiled,
    open_model,
    print_json,
    random_feeds,
)
from .progress import shown_progress
from .timing import measure_in_turn

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np


def bench(
    model: ModelArgument,
    seconds: Annotated[float, typer.Option("--seconds", min=0.01, help="How long to measure.")] = 3.0,
    shape: ShapeOption = None,
    dim: DimOption = None,
    threads: ThreadsOption = None,
    beside_onnxruntime: Annotated[
        bool, typer.Option("--beside-onnxruntime", help="Run onnxruntime in turn, on as many threads.")
    ] = False,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Time a model on random inputs.

    Example: [bold]lamina bench resnet50.onnx --threads 2 --beside-onnxruntime[/]
    """
    if beside_onnxruntime and is_compiled(model):
        raise typer.BadParameter("onnxruntime needs the .onnx model", param_hint="--beside-onnxruntime")
    begin = time.perf_counter()
    with shown_progress(not as_json) as progress:
        executable, fixed = open_model(model, FixedDims.from_options(shape, dim), threads, progress)
    open_ms = (time.perf_counter() - begin) * 1e3
    feeds = random_feeds(executable, fixed, seed)
    runners: dict[str, Callable[[], Any]] = {"lamina": lambda: executable.run(feeds)}
    if beside_onnxruntime:
        runners["onnxruntime"] = _onnxruntime_runner(model, executable.threads, feeds)
    report = {
        "model": str(model),
        "threads": executable.threads,
        "open_ms": open_ms,
        "engines": measure_in_turn(runners, seconds),
    }
    if as_json:
        print_json(report)
    else:
        _print(report)


def _onnxruntime_runner(model: Path, threads: int, feeds: dict[str, np.ndarray]) -> Callable[[], Any]:
    try:
        import onnxruntime
    except ImportError as error:
        raise typer.BadParameter("onnxruntime is not installed", param_hint="--beside-onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, feeds)


def _print(report: dict[str, Any]) -> None:
    from pathlib import Path

    from rich.console import Console
    from rich.table import Table

    table = Table("engine", title=f"{Path(report['model']).name}, {report['threads']} threads")
    for column in ("runs", "min ms", "median ms", "p90 ms", "p99 ms", "CPU ms a run"):
        table.add_column(column, justify="right")
    for name, row in report["engines"].items():
        table.add_row(name, str(row["runs"]), *(f"{value:.3f}" for key, value in row.items() if key != "runs"))
    console = Console()
    console.print(table)
    engines = report["engines"]
    if "onnxruntime" in engines:
        ratio = engines["onnxruntime"]["median_ms"] / engines["lamina"]["median_ms"]
        console.print(f"lamina runs at {ratio:.2f}x the speed of onnxruntime")
    console.print(f"opened in {report['open_ms']:.0f} ms")
