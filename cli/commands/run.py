"""``lamina run``: one inference, its outputs shown, kept, or compared with those expected."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common import (
    DEFAULT_WINOGRAD_ERROR,
    CheckedOption,
    DenormalsMode,
    DenormalsOption,
    DimOption,
    FixedDims,
    JsonOption,
    MeanOption,
    ModelArgument,
    PrecisionMode,
    PrecisionOption,
    SeedOption,
    ShapeOption,
    StdOption,
    ThreadsOption,
    WinogradErrorOption,
    duration_text,
    known_sizes,
    open_model,
    print_json,
    random_feeds,
    report_console,
    shape_text,
    sizes_explained,
    usage_errors,
)
from ..progress import shown_progress

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console

    from ..expected import Comparison

_ROWS_RANKED = 8
_FilesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        "-i",
        metavar="[NAME=]FILE",
        help="An input: a .npy file, a picture (RGB or grey, resized to the input's height and width, floats scaled to "
        "0..1) or 'random'; or a .npz file with all of them. May be repeated; what is not given is random.",
    ),
]


def run(
    model: ModelArgument,
    inputs: _FilesOption = None,
    shape: ShapeOption = None,
    dim: DimOption = None,
    mean: MeanOption = None,
    std: StdOption = None,
    top: Annotated[
        int | None, typer.Option("--top", min=1, metavar="K", help="Show the K highest scores of the first output.")
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", exists=True, dir_okay=False, metavar="FILE", help="Names of the classes, one a line."),
    ] = None,
    expect: Annotated[
        Path | None,
        typer.Option(
            "--expect",
            exists=True,
            dir_okay=False,
            metavar="FILE.npz",
            help="Outputs expected, by name; exits with 1 where one is out of tolerance.",
        ),
    ] = None,
    rtol: Annotated[float, typer.Option("--rtol", min=0.0, metavar="X", help="Relative tolerance of --expect.")] = 1e-3,
    atol: Annotated[float, typer.Option("--atol", min=0.0, metavar="X", help="Absolute tolerance of --expect.")] = 1e-5,
    save: Annotated[
        Path | None, typer.Option("--save", "-o", "--output", metavar="FILE.npz", help="Keep the outputs in a file.")
    ] = None,
    threads: ThreadsOption = None,
    winograd_error: WinogradErrorOption = DEFAULT_WINOGRAD_ERROR,
    denormals: DenormalsOption = DenormalsMode.FLUSH,
    precision: PrecisionOption = PrecisionMode.F32,
    checked: CheckedOption = False,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Run a model once, on given inputs or on random ones.

    Examples:
    lamina run resnet50.onnx --input dog.jpg --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225 --top 5 --labels names.txt
    lamina run model.onnx --input x=x.npy --expect outputs.npz
    """
    from ..inputs import GivenInputs, normalization_of

    normalization = normalization_of(mean, std)
    given = GivenInputs.read(inputs or [])
    begin = time.perf_counter()
    with shown_progress(not as_json) as progress:
        executable, fixed = open_model(
            model, FixedDims.from_options(shape, dim), threads, progress, winograd_error, checked, denormals, precision
        )
        opened = time.perf_counter()
        feeds = given.feeds(executable.inputs, known_sizes(executable.inputs, fixed), normalization)
        drawn = [info.name for info in executable.inputs if info.name not in feeds]
        if drawn:
            everything = random_feeds(executable, fixed, seed, feeds)
            feeds |= {name: everything[name] for name in drawn}
        begin_run = time.perf_counter()
        if progress is not None:
            progress("run", model.name, 0, 0)
        with sizes_explained(executable, fixed, {name: feeds[name] for name in feeds if name not in drawn}):
            results = executable.run(feeds)
        finished = time.perf_counter()
    report: dict[str, Any] = {
        "model": str(model),
        "threads": executable.threads,
        "open_ms": (opened - begin) * 1e3,
        "run_ms": (finished - begin_run) * 1e3,
        "inputs": [_describe_input(name, array, given.sources.get(name, "random")) for name, array in feeds.items()],
        "random_inputs": drawn,
        "outputs": [_describe(name, array) for name, array in results.items()],
    }
    if top is not None or labels is not None:
        report["top"] = _ranking(results, top or 5, labels)
    if save is not None:
        _save(save, results)
    comparisons = None
    if expect is not None:
        comparisons = _compare(expect, results, rtol, atol)
        report["expected"] = [comparison.report() for comparison in comparisons]
    if as_json:
        print_json(report)
    else:
        _print(report, comparisons, save)
    if comparisons is not None and not all(comparison.ok for comparison in comparisons):
        raise typer.Exit(1)


def _save(path: Path, results: dict[str, np.ndarray]) -> None:
    from ..arrays import write_arrays

    if path.suffix == ".npy" and len(results) != 1:
        raise typer.BadParameter(f"a .npy file holds one array, not {len(results)}: name a .npz", param_hint="--save")
    write_arrays(path, results)


def _compare(path: Path, results: dict[str, np.ndarray], rtol: float, atol: float) -> list[Comparison]:
    from ..expected import compare_outputs, read_expected

    with usage_errors("--expect"):
        expected = read_expected(path, list(results))
    return compare_outputs(results, expected, rtol, atol)


def _describe_input(name: str, array: np.ndarray, source: str) -> dict[str, Any]:
    return {"name": name, "dtype": str(array.dtype), "shape": list(array.shape), "source": source}


def _describe(name: str, array: np.ndarray) -> dict[str, Any]:
    described: dict[str, Any] = {"name": name, "dtype": str(array.dtype), "shape": list(array.shape)}
    if array.size and array.dtype.kind in "biuf":
        described |= {"min": float(array.min()), "max": float(array.max()), "mean": float(array.mean(dtype=float))}
    return described


def _ranking(results: dict[str, np.ndarray], count: int, labels: Path | None) -> list[dict[str, Any]]:
    """The highest values along the last axis of the first output, of the first rows before it."""
    import numpy as np

    from ...runtime.errors import LaminaError

    name, scores = next(iter(results.items()))
    if scores.ndim == 0 or scores.size == 0 or scores.dtype.kind not in "biuf":
        raise LaminaError(f"output '{name}' is {scores.dtype} of {shape_text(scores.shape)}: no scores of classes")
    names = [] if labels is None else labels.read_text().splitlines()
    rows = scores.reshape(-1, scores.shape[-1])
    ranking = []
    for index, row in enumerate(rows[:_ROWS_RANKED]):
        best = np.argsort(row, kind="stable")[::-1][:count]
        classes = [
            {"class": int(at), "label": names[at] if at < len(names) else None, "score": float(row[at])} for at in best
        ]
        ranking.append({"output": name, "row": index, "rows": len(rows), "classes": classes})
    return ranking


def _print(report: dict[str, Any], comparisons: list[Comparison] | None, save: Path | None) -> None:
    from rich.markup import escape
    from rich.table import Table

    console = report_console()
    for row in report["inputs"]:
        console.print(f"input [bold]{escape(row['name'])}[/]: {_typed(row)}, {escape(row['source'])}", highlight=False)
    table = Table()
    table.add_column("output", overflow="fold")
    table.add_column("type", no_wrap=True)
    table.add_column("shape", no_wrap=True)
    for column in ("min", "max", "mean"):
        table.add_column(column, justify="right")
    for row in report["outputs"]:
        numbers = [f"{row[column]:.6g}" if column in row else "" for column in ("min", "max", "mean")]
        table.add_row(escape(row["name"]), row["dtype"], shape_text(row["shape"]), *numbers)
    console.print(table)
    if "top" in report:
        _print_ranking(console, report["top"])
    if comparisons is not None:
        for comparison in comparisons:
            console.print(comparison_line(comparison), highlight=False, soft_wrap=True)
    if save is not None:
        console.print(f"outputs kept in {escape(str(save))}", highlight=False, soft_wrap=True)
    threads = report["threads"]
    console.print(
        f"opened in {duration_text(report['open_ms'])}, first run {duration_text(report['run_ms'])} on {threads} "
        f"thread{'s' if threads != 1 else ''}",
        highlight=False,
    )


def _typed(row: dict[str, Any]) -> str:
    return f"{row['dtype']} {shape_text(row['shape'])}"


def _print_ranking(console: Console, ranking: list[dict[str, Any]]) -> None:
    from rich.markup import escape
    from rich.table import Table

    for row in ranking:
        which = f", row {row['row']}" if row["rows"] > 1 else ""
        console.print(f"highest of [bold]{escape(row['output'])}[/]{which}", highlight=False)
        table = Table()
        table.add_column("class", justify="right")
        has_labels = any(entry["label"] is not None for entry in row["classes"])
        if has_labels:
            table.add_column("label")
        table.add_column("score", justify="right")
        for entry in row["classes"]:
            label = [escape(entry["label"] or "")] if has_labels else []
            table.add_row(str(entry["class"]), *label, f"{entry['score']:.6g}")
        console.print(table)
    if ranking[0]["rows"] > len(ranking):
        console.print(f"the first {len(ranking)} of {ranking[0]['rows']} rows")


def comparison_line(comparison: Comparison) -> str:
    """A line of markup: whether an output is as expected, and where it is furthest from it."""
    from rich.markup import escape

    mark = "[green]as expected[/]" if comparison.ok else "[bold red]differs[/]"
    line = f"output [bold]{escape(comparison.name)}[/] {mark}"
    if comparison.problem:
        return f"{line}: {escape(comparison.problem)}"
    if comparison.index is None:
        return line
    if comparison.absolute_error == 0:
        return f"{line}, exactly"
    place = escape(str(list(comparison.index)))
    wrong = "" if comparison.ok else f"{comparison.wrong_elements} of {comparison.elements} elements out of tolerance, "
    return (
        f"{line}: {wrong}worst at {place}: found {comparison.found:.8g}, expected {comparison.expected:.8g} "
        f"({comparison.worst:.2g} of the tolerance); greatest error {comparison.absolute_error:.2g}"
    )
