"""``lamina profile``: which stages of a model take the time."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common import (
    DimOption,
    FixedDims,
    JsonOption,
    ModelArgument,
    SeedOption,
    ShapeOption,
    ThreadsOption,
    duration_text,
    open_model,
    print_json,
    random_feeds,
    report_console,
    sizes_explained,
)
from ..progress import shown_progress

if TYPE_CHECKING:
    from ...runtime.inspection import StageTime


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
    """Show which stages of a model take the time, on random inputs.

    Example: lamina profile resnet50.onnx --threads 1 --top 10
    """
    with shown_progress(not as_json) as progress:
        executable, fixed = open_model(model, FixedDims.from_options(shape, dim), threads, progress)
        feeds = random_feeds(executable, fixed, seed)
        with sizes_explained(executable, fixed):
            executable.run(feeds)
        profiles = []
        for number in range(runs):
            if progress is not None:
                progress("profile", "runs", number, runs)
            profiles.append(executable.profile(feeds))
    rows = stage_medians(profiles)
    report = {"model": str(model), "threads": executable.threads, "runs": runs, "stages": rows}
    if as_json:
        print_json(report)
    else:
        _print(report, top)


def stage_medians(profiles: list[list[StageTime]]) -> list[dict[str, Any]]:
    """A row a stage in the order run: its segment, name, function, median microseconds and share of all.

    ``waiting`` is the part of its time in which the first thread waited for the others.
    """
    columns = list(zip(*profiles, strict=True))
    medians = [statistics.median(time.nanoseconds for time in times) for times in columns]
    total = sum(medians) or 1
    return [
        {
            "segment": times[0].segment,
            "stage": times[0].stage,
            "function": times[0].function,
            "kind": times[0].function.rpartition("_")[0],
            "threads": times[0].threads,
            "us": median / 1e3,
            "share": median / total,
            "waiting": statistics.median(time.waiting_share for time in times),
        }
        for times, median in zip(columns, medians, strict=True)
    ]


def _print(report: dict[str, Any], top: int) -> None:
    from pathlib import Path

    from rich.markup import escape
    from rich.table import Table

    stages = report["stages"]
    total = sum(row["us"] for row in stages)
    threads = report["threads"]
    title = f"{escape(Path(report['model']).name)}, {threads} thread{'s' if threads != 1 else ''}"
    table = Table(title=title)
    for column in ("stage", "function"):  # Names are looked up in what the compiler wrote: whole, if on two lines.
        table.add_column(column, overflow="fold")
    for column in ("us", "share", "threads", "waiting"):
        table.add_column(column, justify="right")
    slowest = sorted(stages, key=lambda row: row["us"], reverse=True)[:top]
    for row in slowest:
        waiting = f"{row['waiting']:.0%}" if row["threads"] > 1 else ""
        times = [f"{row['us']:.1f}", f"{row['share']:.1%}", str(row["threads"]), waiting]
        table.add_row(f"{row['segment']}.{row['stage']}", row["function"], *times)
    console = report_console()
    console.print(table)
    kinds: dict[str, float] = {}
    for row in stages:
        kinds[row["kind"]] = kinds.get(row["kind"], 0.0) + row["share"]
    listed = ", ".join(f"{kind} {share:.0%}" for kind, share in sorted(kinds.items(), key=lambda item: -item[1]))
    console.print(f"by kind: {listed}", highlight=False)
    shown = sum(row["share"] for row in slowest)
    console.print(
        f"{len(slowest)} of {len(stages)} stages, {shown:.0%} of {duration_text(total / 1e3)}; medians of "
        f"{report['runs']} runs, each stage timed alone",
        highlight=False,
    )
