"""``lamina verify``: each phase of a model against the one before, the machine code, and an independent engine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..common import (
    DEFAULT_WINOGRAD_ERROR,
    ConstantsOption,
    DimOption,
    FixedDims,
    FromOption,
    JsonOption,
    SeedOption,
    ShapeOption,
    duration_text,
    is_compiled,
    known_sizes,
    print_json,
    random_feeds,
    report_console,
)
from ..level_text import SUFFIX, LevelText
from ..options import onnx_input_names
from ..progress import shown_progress

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console

    from ...runtime.executable import Executable
    from ...verification import PhaseCheck, VerificationReport


def verify(
    model: Annotated[
        Path,
        typer.Argument(
            exists=True, dir_okay=False, metavar="MODEL", help="An .onnx model, or .mlir text that --dump-phases wrote."
        ),
    ],
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", "-i", metavar="[NAME=]FILE", help="An input as for lamina run; otherwise random."),
    ] = None,
    shape: ShapeOption = None,
    dim: DimOption = None,
    expect: Annotated[
        Path | None,
        typer.Option(
            "--expect",
            exists=True,
            dir_okay=False,
            metavar="FILE.npz",
            help="Outputs known to be right, to compare with instead of those of a reference engine.",
        ),
    ] = None,
    rtol: Annotated[
        float | None,
        typer.Option(
            "--rtol",
            min=0.0,
            metavar="X",
            help="Relative to a tensor's largest magnitude; by default 1e-4 for float32, more for shorter floats.",
        ),
    ] = None,
    atol: Annotated[float, typer.Option("--atol", min=0.0, metavar="X", help="Added to the relative tolerance.")] = 0.0,
    bisect: Annotated[bool, typer.Option("--bisect", help="Search for the pass of the first wrong phase.")] = False,
    reproduce: Annotated[
        Path | None,
        typer.Option(
            "--reproduce",
            file_okay=False,
            metavar="FOLDER",
            help="Write what the wrong pass or stage was given and gave; implies --bisect.",
        ),
    ] = None,
    loops_seconds: Annotated[
        float, typer.Option("--loops-seconds", min=0.0, metavar="S", help="Time for interpreting loops, which is slow.")
    ] = 15.0,
    sizes_seconds: Annotated[
        float,
        typer.Option(
            "--sizes-seconds",
            min=0.0,
            metavar="S",
            help="Time for a checked build at sizes 0, 1, 7 and 67 of each free dim; 0 does without.",
        ),
    ] = 60.0,
    start: FromOption = None,
    constants: ConstantsOption = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--source",
            exists=True,
            dir_okay=False,
            metavar="MODEL.onnx",
            help="Of .mlir text: the model that it comes from, whose results it should have.",
        ),
    ] = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Check every phase of compiling a model on one input, and name the first that changes what it computes.

    Down to the schedule, phases are interpreted; below it, the loops of each kernel are interpreted and its machine
    code runs on the same memory. Last, code that checks its every access to memory runs at other sizes of the free
    dims. A text of a level, edited or not, is checked from its own phase on. Exits with 1 if anything is out of
    tolerance.

    Example: [bold]lamina verify mobilenet_v2.onnx --bisect[/]
    """
    from ...runtime.expressions import symbols_of
    from ...verification import SizesToTry, Tolerance, VerifyOptions, verify_model, verify_text
    from ..images import Normalization
    from ..inputs import GivenInputs

    if is_compiled(model):
        raise typer.BadParameter("the .onnx model is needed, not a compiled one", param_hint="MODEL")
    text = _text(model, start, constants, source)
    fixed = FixedDims.from_options(shape, dim)
    if text is None:
        fixed = fixed.named(onnx_input_names(model))
    given = GivenInputs.read(inputs or [])

    def feeds_of(executable: Executable) -> dict[str, np.ndarray]:
        sizes = fixed.named([info.name for info in executable.inputs])
        feeds = given.feeds(executable.inputs, known_sizes(executable.inputs, sizes), Normalization())
        return random_feeds(executable, sizes, seed, feeds) | feeds

    def feeds_at(executable: Executable, other: dict[str, int]) -> dict[str, np.ndarray]:
        feeds = feeds_of(executable)
        sizes = fixed.named([info.name for info in executable.inputs])
        kept = {info.name: feeds[info.name] for info in executable.inputs if not symbols_of(*info.shape)}
        return random_feeds(executable, FixedDims(sizes.shapes, sizes.sizes | other), seed) | kept

    with shown_progress(not as_json) as progress:
        options = VerifyOptions(
            sizes=SizesToTry(feeds_at, sizes_seconds) if sizes_seconds else None,
            tolerance=Tolerance(rtol, atol),
            bisect=bisect or reproduce is not None,
            loops_seconds=loops_seconds,
            reproduce=reproduce,
            expected=None if expect is None else _read_expected(expect),
            progress=progress,
        )
        if text is None:
            report = verify_model(model, feeds_of, options, shapes=fixed.for_import())
        else:
            opened = text.opened("host", DEFAULT_WINOGRAD_ERROR, "flush")
            report = verify_text(str(model), opened, text.phase, feeds_of, options, source=source)
    if as_json:
        print_json(report.to_dict())
    else:
        _print(report)
    if not report.ok:
        raise typer.Exit(1)


def _text(model: Path, start: str | None, constants: Path | None, source: Path | None) -> LevelText | None:
    """The model as text of a level, or None where it is none. Raises BadParameter for options that do not fit."""
    if model.suffix != SUFFIX:
        if start is not None or constants is not None or source is not None:
            raise typer.BadParameter(
                f"it goes with {SUFFIX} text, and '{model}' is none", param_hint="--from/--constants/--source"
            )
        return None
    text = LevelText.from_options(model, start, constants)
    text.check_stop("schedule", "MODEL")
    return text


def _read_expected(path: Path) -> dict[str, np.ndarray]:
    from ..arrays import read_arrays

    arrays = read_arrays(path)
    if "" in arrays:
        raise typer.BadParameter(f"'{path}' holds one array: a .npz file with outputs by name", param_hint="--expect")
    return arrays


def _print(report: VerificationReport) -> None:
    from rich.table import Table

    console = report_console()
    marks = {"ok": "[green]ok[/]", "wrong": "[bold red]wrong[/]", "skipped": "skipped"}
    table = Table("phase", "what was compared", "", title=Path(report.model).name)
    table.add_column("error", justify="right")
    table.add_column("time", justify="right")
    table.add_column("")
    for check in report.checks:
        error = "" if check.deviation is None else f"{check.deviation.relative:.1e}"
        time = duration_text(check.seconds * 1e3) if check.seconds else ""
        table.add_row(check.phase, check.subject, marks[check.status], error, time, check.note)
    console.print(table)
    if report.first_wrong is not None:
        _print_first_wrong(console, report, report.first_wrong)
    else:
        console.print(_verdict(report), highlight=False)


def _verdict(report: VerificationReport) -> str:
    """What was found where nothing is wrong; a reference that did not run has confirmed nothing."""
    took = f"in {duration_text(report.seconds * 1e3)}"
    if report.checks and report.checks[0].status == "skipped":
        return f"every phase computes what the one before does, {took}; nothing was compared with {report.reference}"
    return f"every phase computes what {report.reference} does, {took}"


def _print_first_wrong(console: Console, report: VerificationReport, check: PhaseCheck) -> None:
    from rich.text import Text

    lines = [Text.assemble(("first wrong: ", "bold red"), check.place)]
    if check.deviation is not None:
        output = f"output '{check.output}': " if check.output and not check.value else ""
        lines.append(Text(f"  {output}{check.deviation}"))
    if check.note:
        lines.append(Text(f"  {check.note}"))
    if report.reproducer:
        lines.append(Text(f"  what it was given and gave is in {report.reproducer}: see its README.md"))
    elif not check.pass_name and check.phase not in ("import", "run"):
        lines.append(Text("  --bisect names the pass, --reproduce FOLDER keeps its text and inputs"))
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False)
