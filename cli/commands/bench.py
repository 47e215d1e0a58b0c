"""``lamina bench``: how long a model takes, beside another engine or model if wanted."""

from __future__ import annotations

import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common import (
    DEFAULT_WINOGRAD_ERROR,
    DenormalsMode,
    DenormalsOption,
    DimOption,
    FixedDims,
    JsonOption,
    ModelArgument,
    PrecisionMode,
    PrecisionOption,
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
from ..progress import shown_progress
from ..rivals import Agreement, Rival, agreement, names_of, onnxruntime_rival, rival_path, with_sizes_of
from ..timing import measure_in_turn, warm_up

if TYPE_CHECKING:
    from ...runtime.executable import Executable

_SLOW_TO_OPEN_MS = 1000
# The slowest percent of runs, compared with the usual one: beyond this something else is using the processors.
_NOISY = 3.0


def bench(
    model: ModelArgument,
    vs: Annotated[
        str | None,
        typer.Option(
            "--vs",
            metavar="ENGINE|MODEL",
            help="Run 'onnxruntime' or another model in turn, on as many threads and the same inputs, and compare the "
            "outputs.",
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
    denormals: DenormalsOption = DenormalsMode.FLUSH,
    precision: PrecisionOption = PrecisionMode.F32,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Time a model on random inputs: percentiles, throughput, and the processor time of a run.

    Examples:
    lamina bench resnet50.onnx --threads 2 --vs onnxruntime
    lamina bench bert.onnx --dim batch=8 --dim sequence=128
    lamina bench edited.lamina --vs resnet50.lamina
    """
    other = None if vs is None else rival_path(vs, model)
    name, other_name = ("lamina", vs) if other is None else names_of(model, other)
    begin = time.perf_counter()
    with shown_progress(not as_json) as progress:

        def opened(path: Path) -> tuple[Executable, FixedDims]:
            dims = FixedDims.from_options(shape, dim)
            return open_model(path, dims, threads, progress, winograd_error, denormals=denormals, precision=precision)

        executable, fixed = opened(model)
        open_ms = (time.perf_counter() - begin) * 1e3
        engines = [Rival(name, executable.run)]
        if other is not None:
            second, _ = opened(other)
            fixed = with_sizes_of(fixed, executable, second, (name, str(other_name)))
            engines.append(Rival(str(other_name), second.run))
        elif vs is not None:
            engines.append(onnxruntime_rival(model, executable.threads))
        feeds = random_feeds(executable, fixed, seed)
        runners = {engine.name: partial(engine.run, feeds) for engine in engines}
        if progress is not None:
            progress("bench", "warm-up", 0, 0)
        with sizes_explained(executable, fixed):
            warm = warm_up(runners, warm_up_seconds)

        def watch(gone: float) -> None:
            if progress is not None:
                progress("bench", "measuring, seconds", min(round(gone), round(seconds)), round(seconds))

        measured = measure_in_turn(runners, seconds, watch, pause=max(engine.pause for engine in engines))
    outputs = [run() for run in runners.values()] if len(engines) > 1 else []
    report = {
        "model": str(model),
        "vs": vs,
        "threads": executable.threads,
        "inputs": {name: {"dtype": str(array.dtype), "shape": list(array.shape)} for name, array in feeds.items()},
        "open_ms": open_ms,
        "warm_up": warm,
        "engines": measured.statistics,
        "ratio": None if len(engines) == 1 else measured.ratio(engines[1].name, name).report(),
        "precision": executable.precision,
        "outputs": None if len(engines) == 1 else asdict(agreement(outputs[0], outputs[1], executable.precision)),
        "advice": _advice(model, executable, free_dims_left(executable, fixed), open_ms, measured.statistics[name]),
    }
    if as_json:
        print_json(report)
    else:
        _print(report)


def _advice(
    model: Path, executable: Executable, free_dims: dict[str, int], open_ms: float, row: dict[str, float]
) -> list[str]:
    """What the person may want to do about what was measured."""
    from ...runtime.program import Host

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
    threads, precision = report["threads"], report["precision"]
    title = f"{escape(Path(report['model']).name)}, {threads} thread{'s' if threads != 1 else ''}"
    table = Table("engine", title=title if precision == "f32" else f"{title}, products of {precision} where faster")
    for column in ("p50 ms", "p90 ms", "p99 ms", "min ms", "runs/s", "CPU ms/run", "runs"):
        table.add_column(column, justify="right")
    for name, row in report["engines"].items():
        times = [_milliseconds(row[f"{key}_ms"]) for key in ("p50", "p90", "p99", "min")]
        table.add_row(
            escape(name),
            *times,
            f"{row['runs_per_second']:.4g}",
            _milliseconds(row["cpu_ms_per_run"]),
            str(row["runs"]),
        )
    console.print(table)
    name, *others = report["engines"]
    warm = report["warm_up"][name]
    plural = "s" if warm["runs"] != 1 else ""
    console.print(
        f"opened in {duration_text(report['open_ms'])}, first run {duration_text(warm['first_ms'])}, warm-up of "
        f"{warm['runs']} run{plural} not timed",
        highlight=False,
    )
    for other in others:
        ratio, outputs = report["ratio"], Agreement(**report["outputs"])
        console.print(
            f"{escape(name)} runs at [bold]{ratio['median']:.3f}x[/] the speed of {escape(other)}: half of "
            f"{ratio['rounds']} rounds lie between {ratio['lower_quartile']:.3f}x and {ratio['upper_quartile']:.3f}x",
            highlight=False,
        )
        console.print(f"[{'green' if outputs.agree else 'bold red'}]{escape(outputs.text)}[/]", highlight=False)
    for line in report["advice"]:
        console.print(f"[yellow]advice:[/] {escape(line)}", highlight=False, soft_wrap=True)


def _milliseconds(value: float) -> str:
    """Four digits, at least three of them behind the point for what takes less than 10 ms."""
    return f"{value:.3f}" if value < 10 else f"{value:.2f}" if value < 100 else f"{value:.1f}"
