"""``lamina bench``: how long a model takes, and beside another engine if wanted."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .common import (
    DEFAULT_WINOGRAD_ERROR,
    Denormals,
    DenormalsOption,
    DimOption,
    FixedDims,
    JsonOption,
    ModelArgument,
    SeedOption,
    ShapeOption,
    ThreadsOption,
    WinogradErrorOption,
    duration_text,
    free_dims_left,
    is_compiled,
    open_model,
    print_json,
    random_feeds,
    report_console,
    sizes_advice,
    sizes_explained,
)
from .progress import shown_progress
from .timing import measure_in_turn, warm_up

if TYPE_CHECKING:
    import numpy as np

    from ..runtime.executable import Executable

_OTHER_ENGINES = ("onnxruntime",)
_SLOW_TO_OPEN_MS = 1000
# The slowest percent of runs, compared with the usual one: beyond this something else is using the processors.
_NOISY = 3.0


def bench(
    model: ModelArgument,
    vs: Annotated[
        str | None,
        typer.Option(
            "--vs", metavar="ENGINE", help="Run 'onnxruntime' in turn, on as many threads and the same inputs."
        ),
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=0.01, help="How long to measure.")] = 3.0,
    warm_up_seconds: Annotated[
        float, typer.Option("--warm-up", min=0.0, help="Seconds of runs before that are not timed, one run at least.")
    ] = 0.5,
    shape: ShapeOption = None,
    dim: DimOption = None,
    threads: ThreadsOption = None,
    winograd_error: WinogradErrorOption = DEFAULT_WINOGRAD_ERROR,
    denormals: DenormalsOption = Denormals.FLUSH,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Time a model on random inputs: percentiles, throughput, and the processor time of a run.

    Examples:
    lamina bench resnet50.onnx --threads 2 --vs onnxruntime
    lamina bench bert.onnx --dim batch=8 --dim sequence=128
    """
    if vs is not None and vs not in _OTHER_ENGINES:
        raise typer.BadParameter(f"'{vs}': expected {', '.join(_OTHER_ENGINES)}", param_hint="--vs")
    if vs is not None and is_compiled(model):
        raise typer.BadParameter(f"{vs} needs the .onnx model", param_hint="--vs")
    begin = time.perf_counter()
    with shown_progress(not as_json) as progress:
        executable, fixed = open_model(
            model, FixedDims.from_options(shape, dim), threads, progress, winograd_error, denormals=denormals
        )
        open_ms = (time.perf_counter() - begin) * 1e3
        feeds = random_feeds(executable, fixed, seed)
        runners: dict[str, Callable[[], Any]] = {"lamina": lambda: executable.run(feeds)}
        if vs is not None:
            runners[vs] = _onnxruntime_runner(model, executable.threads, feeds)
        if progress is not None:
            progress("bench", "warm-up", 0, 0)
        with sizes_explained(executable, fixed):
            warm = warm_up(runners, warm_up_seconds)

        def watch(gone: float) -> None:
            if progress is not None:
                progress("bench", "measuring, seconds", min(round(gone), round(seconds)), round(seconds))

        engines = measure_in_turn(runners, seconds, watch)
    report = {
        "model": str(model),
        "threads": executable.threads,
        "inputs": {name: {"dtype": str(array.dtype), "shape": list(array.shape)} for name, array in feeds.items()},
        "open_ms": open_ms,
        "warm_up": warm,
        "engines": engines,
        "advice": _advice(model, executable, free_dims_left(executable, fixed), open_ms, engines["lamina"]),
    }
    if as_json:
        print_json(report)
    else:
        _print(report)


def _onnxruntime_runner(model: Path, threads: int, feeds: dict[str, np.ndarray]) -> Callable[[], Any]:
    try:
        import onnxruntime
    except ImportError as error:
        raise typer.BadParameter("onnxruntime is not installed: pip install onnxruntime", param_hint="--vs") from error
    from ..runtime.errors import LaminaError

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # Its warnings about a model are not what is asked for.
    try:
        session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        session.run(None, feeds)
    except Exception as error:  # It has a dozen classes of them, and the model is at fault or it is.
        raise LaminaError(f"onnxruntime does not run this model: {str(error).strip()}") from error
    return lambda: session.run(None, feeds)


def _advice(
    model: Path, executable: Executable, free_dims: dict[str, int], open_ms: float, row: dict[str, float]
) -> list[str]:
    """What the person may want to do about what was measured."""
    from ..runtime.program import Host

    advice = []
    if free_dims:
        advice.append(sizes_advice(free_dims))
    if open_ms > _SLOW_TO_OPEN_MS and not is_compiled(model):
        compiled = model.with_suffix(".lamina").name
        advice.append(
            f"opening compiled the model: `lamina compile {model.name}` makes {compiled}, which opens at once"
        )
    hosted = [step.operation for step in executable.program.body.steps if isinstance(step, Host)]
    if hosted:
        listed = ", ".join(sorted(set(hosted))[:4])
        advice.append(f"{len(hosted)} operations run in NumPy ({listed}): `lamina check {model.name}` shows which")
    if row["p99_ms"] > _NOISY * row["p50_ms"]:
        advice.append(
            "the slowest runs took several times the usual: other programs use the processors, or few runs fit"
        )
    return advice


def _print(report: dict[str, Any]) -> None:
    from rich.markup import escape
    from rich.table import Table

    console = report_console()
    threads = report["threads"]
    table = Table(
        "engine", title=f"{escape(Path(report['model']).name)}, {threads} thread{'s' if threads != 1 else ''}"
    )
    for column in ("p50 ms", "p90 ms", "p99 ms", "min ms", "runs/s", "CPU ms/run", "runs"):
        table.add_column(column, justify="right")
    for name, row in report["engines"].items():
        times = [_milliseconds(row[f"{key}_ms"]) for key in ("p50", "p90", "p99", "min")]
        table.add_row(
            name, *times, f"{row['runs_per_second']:.4g}", _milliseconds(row["cpu_ms_per_run"]), str(row["runs"])
        )
    console.print(table)
    engines = report["engines"]
    warm = report["warm_up"]["lamina"]
    plural = "s" if warm["runs"] != 1 else ""
    console.print(
        f"opened in {duration_text(report['open_ms'])}, first run {duration_text(warm['first_ms'])}, warm-up of "
        f"{warm['runs']} run{plural} not timed",
        highlight=False,
    )
    for name, row in engines.items():
        if name != "lamina":
            ratio = row["p50_ms"] / engines["lamina"]["p50_ms"]
            console.print(f"lamina runs at [bold]{ratio:.2f}x[/] the speed of {name}, by p50", highlight=False)
    for line in report["advice"]:
        console.print(f"[yellow]advice:[/] {escape(line)}", highlight=False, soft_wrap=True)


def _milliseconds(value: float) -> str:
    """Four digits, at least three of them behind the point for what takes less than 10 ms."""
    return f"{value:.3f}" if value < 10 else f"{value:.2f}" if value < 100 else f"{value:.1f}"
