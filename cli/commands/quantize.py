"""``lamina quantize``: makes a model's numbers narrower where that is faster, and says what it costs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...quantization.integer_chains import Engine
from ...quantization.ranges import Calibration
from ..common import (
    DimOption,
    FixedDims,
    JsonOption,
    MeanOption,
    OnnxArgument,
    SeedOption,
    ShapeOption,
    StdOption,
    is_compiled,
    open_model,
    print_json,
    random_feeds,
    report_console,
    size_text,
)
from ..progress import shown_progress

if TYPE_CHECKING:
    from rich.table import Table

    from ...quantization.report import LayerReport, QuantizationReport
    from ..progress import Progress

_RANDOM_RUNS = 2


class Numbers(StrEnum):
    """What numbers become."""

    INT8 = "int8"
    INT8_DYNAMIC = "int8-dynamic"
    BF16 = "bf16"
    F16 = "f16"
    INT4 = "int4"


def quantize(
    model: OnnxArgument,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="An .onnx or .lamina file; by default beside the model."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            exists=True,
            metavar="PATH",
            help="Inputs as they occur: a .npz file by input name, or a folder of such files, or of pictures.",
        ),
    ] = None,
    to: Annotated[Numbers, typer.Option("--to", help="What numbers become.")] = Numbers.INT8,
    budget: Annotated[
        float | None,
        typer.Option(
            "--budget",
            min=0.0,
            metavar="ERROR",
            help="How large the error of the results may be, relative to their root mean square, e.g. 0.01; layers "
            "stay in float32 until it is met.",
        ),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            "--keep", metavar="PATTERN", help="Layers that stay, by name (*head*) or operator. May be repeated."
        ),
    ] = None,
    calibration: Annotated[
        Calibration, typer.Option("--calibration", help="How the range of a tensor follows from what is seen of it.")
    ] = Calibration.MEAN_SQUARE,
    engine: Annotated[
        Engine, typer.Option("--engine", help="Whose way to read int8 the file suits; others run it too.")
    ] = Engine.LAMINA,
    target: Annotated[
        str, typer.Option("--target", metavar="NAME", help="The machine whose costs say what is faster narrow.")
    ] = "host",
    all_layers: Annotated[
        bool, typer.Option("--all-layers", help="Narrow layers also where that is estimated to be no faster.")
    ] = False,
    measure: Annotated[
        bool, typer.Option("--measure", help="Time each layer on this machine, rather than estimate its time.")
    ] = False,
    mean: MeanOption = None,
    std: StdOption = None,
    shape: ShapeOption = None,
    dim: DimOption = None,
    seed: SeedOption = 0,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Also draw the report as a page for a browser.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make the numbers of a model narrower: layer by layer, where it is faster, within a budget for the error.

    Writes standard ONNX that other engines run, too. int8 finds the ranges of tensors on --data; the other forms do
    without, and use it to measure errors (random inputs else). --shape and --dim are for pictures and random inputs.

    Examples:
    lamina quantize model.onnx -o model.int8.onnx --data inputs.npz --budget 0.01
    lamina quantize bert.onnx --to int8-dynamic
    """
    from ...quantization.quantize import quantize as make_narrow

    if is_compiled(model):
        raise typer.BadParameter("the .onnx model is needed, not a compiled one", param_hint="MODEL")
    destination = _destination(model, output, to)
    fixed = FixedDims.from_options(shape, dim)
    with shown_progress(not as_json) as progress:
        given = _given_data(model, data, fixed, mean, std)
        drawn = []
        if given is None and to != Numbers.INT8:
            drawn = _random_runs(model, fixed, seed, progress)
        result = make_narrow(
            model,
            destination,
            data=given,
            probe=drawn,
            to=to.value,
            budget=budget,
            keep=keep or (),
            calibration=calibration,
            engine=engine,
            target=target,
            all_layers=all_layers,
            measure=measure,
            progress=progress,
        )
    if html is not None:
        from ...runtime.files import replaced_file
        from ..quantization_page import page

        with replaced_file(html) as partial:
            partial.write_text(page(result.report))
    if as_json:
        print_json(result.report.to_dict())
    else:
        _print(result.report)


def _destination(model: Path, output: Path | None, to: Numbers) -> Path:
    destination = output or model.with_suffix(f".{to.value}.onnx")
    if destination.suffix not in (".onnx", ".lamina"):
        raise typer.BadParameter(f"'{destination}' is neither .onnx nor .lamina", param_hint="--output")
    if destination.resolve() == model.resolve():
        raise typer.BadParameter("the output would overwrite the model", param_hint="--output")
    if not destination.parent.is_dir():
        raise typer.BadParameter(f"there is no folder '{destination.parent}'", param_hint="--output")
    return destination


def _given_data(model: Path, data: Path | None, fixed: FixedDims, mean: str | None, std: str | None) -> Any:
    from ..inputs import normalization_of
    from ..trial_data import data_in

    return None if data is None else data_in(data, model, fixed.sizes, normalization_of(mean, std))


def _random_runs(model: Path, fixed: FixedDims, seed: int, progress: Progress | None) -> list[Any]:
    executable, fixed = open_model(model, fixed, None, progress)
    return [random_feeds(executable, fixed, seed + run) for run in range(_RANDOM_RUNS)]


# --- for people ---------------------------------------------------------------------------------------


def _print(report: QuantizationReport) -> None:
    console = report_console()
    console.print(_table(report))
    for line in summary(report):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def summary(report: QuantizationReport) -> list[str]:
    """What was done, in a few lines."""
    lines = [f"{len(report.narrow)} of {len(report.layers)} layers are {report.to}"]
    if report.error is not None:
        budget = "" if report.budget is None else f", budget {report.budget:g}"
        on = f"{report.samples} runs of {report.data}"
        lines.append(f"error of the results: {report.error:.2e} of their root mean square, on {on}{budget}")
    lines.append(f"weights: {size_text(report.bytes_before)} -> {size_text(report.bytes)}")
    before, after = total_times(report)
    how = "measured" if any(layer.measured is not None for layer in report.layers) else "predicted"
    if before:
        lines.append(
            f"layers on one core of {report.target}, {how}: {before * 1e3:.2f} ms -> {after * 1e3:.2f} ms "
            f"({before / after:.2f} times as fast)"
        )
    return [*lines, *report.notes, f"written to {report.output}"]


def total_times(report: QuantizationReport) -> tuple[float, float]:
    """Seconds of all layers of which they are known, as they were and as they are now."""
    known = [(layer, *layer.times) for layer in report.layers]
    before = sum(was or 0.0 for _, was, _ in known)
    return before, sum((now if layer.is_narrow else was) or 0.0 for layer, was, now in known)


def _table(report: QuantizationReport) -> Table:
    from rich.table import Table

    table = Table(title=Path(report.model).name or None, title_justify="left")
    table.add_column("layer", overflow="fold")
    table.add_column("operator")
    table.add_column("form")
    columns = ["error before", "error", "SNR"]
    if any(layer.output_error is not None for layer in report.layers):
        columns.append("of results")
    for heading in (*columns, "us before", "us", "bytes before", "bytes"):
        table.add_column(heading, justify="right")
    table.add_column("", overflow="fold")
    for layer in report.layers:
        table.add_row(*_cells(layer, len(columns) > 3))
    return table


def _cells(layer: LayerReport, with_results: bool) -> list[str]:
    from rich.markup import escape

    style = "" if layer.is_narrow else "[dim]"
    errors = [_error(layer.error_before), _error(layer.error), "" if layer.snr is None else f"{layer.snr:.1f} dB"]
    if with_results:
        errors.append(_error(layer.output_error))
    times = [_microseconds(seconds) for seconds in layer.times]
    sizes = [size_text(layer.bytes_before), size_text(layer.bytes)]
    note = layer.reason or ", ".join(layer.remedies)
    return [f"{style}{escape(layer.name)}", layer.operator, layer.form, *errors, *times, *sizes, escape(note)]


def _error(value: float | None) -> str:
    return "" if value is None else f"{value:.1e}"


def _microseconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1e6:.1f}"
