"""``lamina profile``: which stages of a model take the time."""

from __future__ import annotations

import statistics
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
    from ..runtime.inspection import StageTime


def profile(
    model: ModelArgument,
    runs: Annotated[int, typer.Option("--runs", min=1, help="Runs whose medians are shown.")] = 10,
    top: Annotated[int, typer.Option("--top", min=1, help="Show so many stages, the slowest first.")] = 20,
    shape: ShapeOption = None,
    dim: DimOption = None,
    threads: ThreadsOption = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Time every stage of a model on random inputs. Stages are timed one by one, so overlap is not seen.

    Example: [bold]lamina profile resnet50.onnx --threads 1 --top 10[/]
    """
    with shown_progress(not as_json) as progress:
        executable, fixed = open_model(model, FixedDims.from_options(shape, dim), threads, progress)
    feeds = random_feeds(executable, fixed, seed)
    executable.run(feeds)
    rows = stage_medians([executable.profile(feeds) for _ in range(runs)])
    report = {"model": str(model), "threads": executable.threads, "runs": runs, "stages": rows}
    if as_json:
        print_json(report)
    else:
        _print(report, top)


def stage_medians(profiles: list[list[StageTime]]) -> list[dict[str, Any]]:
    """A row a stage in the order run: its segment, name, function, median microseconds and share of all."""
    medians = [statistics.median(time.nanoseconds for time in times) for times in zip(*profiles, strict=True)]
    total = sum(medians) or 1
    return [
        {
            "segment": stage.segment,
            "stage": stage.stage,
            "function": stage.function,
            "us": median / 1e3,
            "share": median / total,
        }
        for stage, median in zip(profiles[0], medians, strict=True)
    ]


def _print(report: dict[str, Any], top: int) -> None:
    from pathlib import Path

    from rich.console import Console
    from rich.table import Table

    stages = report["stages"]
    total = sum(row["us"] for row in stages)
    table = Table("stage", "function", title=f"{Path(report['model']).name}, {report['threads']} threads")
    table.add_column("us", justify="right")
    table.add_column("share", justify="right")
    slowest = sorted(stages, key=lambda row: row["us"], reverse=True)[:top]
    for row in slowest:
        table.add_row(f"{row['segment']}.{row['stage']}", row["function"], f"{row['us']:.1f}", f"{row['share']:.1%}")
    console = Console()
    console.print(table)
    shown = sum(row["share"] for row in slowest)
    console.print(f"{len(slowest)} of {len(stages)} stages, {shown:.0%} of {total / 1e3:.2f} ms")
    console.print(f"medians of {report['runs']} runs")
