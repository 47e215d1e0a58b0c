"""``lamina compile``: an ONNX model to a compiled file, or to the text of any level."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...runtime.files import replaced_file
from ..common import (
    DEFAULT_WINOGRAD_ERROR,
    CheckedOption,
    ConstantsOption,
    DenormalsMode,
    DenormalsOption,
    DimOption,
    FixedDims,
    FromOption,
    JsonOption,
    PrecisionMode,
    PrecisionOption,
    ShapeOption,
    WinogradErrorOption,
    duration_text,
    is_compiled,
    print_json,
    size_text,
)
from ..level_text import SUFFIX, LevelText
from ..progress import shown_progress

if TYPE_CHECKING:
    from xdsl.dialects.builtin import ModuleOp

    from ...context import CompilerContext
    from ...pipeline import PassTiming, PipelineOptions
    from ...runtime.executable import Executable

# The names of the phases stand here once more because importing the compiler takes longer than printing the help.
LEVELS = ("import", "graph", "kernel", "schedule", "loops", "llvm")
_MACHINE_FORMATS = ("ll", "asm", "obj")
_FORMATS = ("lamina", *LEVELS, *_MACHINE_FORMATS)
_SUFFIXES = {"lamina": ".lamina", "ll": ".ll", "asm": ".s", "obj": ".o"}


def compile_model(
    model: Annotated[
        Path,
        typer.Argument(
            exists=True,
            dir_okay=False,
            metavar="MODEL",
            help="An .onnx model, or .mlir text of a phase, edited or not.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="The file to write, '-' to print; by default beside the model."
        ),
    ] = None,
    target: Annotated[
        str, typer.Option("--target", metavar="NAME", help="The machine to compile for; 'host' is this one.")
    ] = "host",
    emit: Annotated[str, typer.Option("--emit", metavar="FORMAT", help=f"One of {', '.join(_FORMATS)}.")] = "lamina",
    shape: ShapeOption = None,
    dim: DimOption = None,
    winograd_error: WinogradErrorOption = DEFAULT_WINOGRAD_ERROR,
    denormals: DenormalsOption = DenormalsMode.FLUSH,
    precision: PrecisionOption = PrecisionMode.F32,
    start: FromOption = None,
    constants: ConstantsOption = None,
    dump_phases: Annotated[
        Path | None, typer.Option("--dump-phases", metavar="DIR", help="Write the text after each phase to a folder.")
    ] = None,
    verify_each: Annotated[bool, typer.Option("--verify-each", help="Verify after every pass.")] = False,
    checked: CheckedOption = False,
    time_passes: Annotated[bool, typer.Option("--time-passes", help="Show the time each pass takes.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Compile a model to a file that loads in milliseconds, or show it at one level.

    From .mlir text of --dump-phases it goes on where the text stands: edit a schedule, compile it, bench the file.

    Examples:
    lamina compile resnet50.onnx -o resnet50.lamina
    lamina compile resnet50.onnx --emit schedule -o - | less
    lamina compile phases/3-schedule.mlir -o edited.lamina
    """
    destination = _destination(model, output, emit, as_json)
    machine = _target_name(target)
    if is_compiled(model):
        raise typer.BadParameter(f"'{model}' is compiled already", param_hint="MODEL")
    fixed = FixedDims.from_options(shape, dim)
    text = _level_text(model, start, constants, fixed, emit)
    if text is None:
        fixed = fixed.named_in(model)
    from ...pipeline import PipelineOptions

    # With the times of passes asked for, they have to run.
    options = PipelineOptions(verify_each=verify_each, dump_folder=dump_phases, use_cache=not time_passes)
    options.checked |= checked
    kernels = 0
    begin = time.perf_counter()
    with shown_progress(not as_json) as progress:

        def watch(phase: str, step: str, done: int, total: int) -> None:
            nonlocal kernels
            kernels = max(kernels, total)
            if progress is not None:
                progress(phase, step, done, total)

        options.progress = watch
        request = _Request(text or model, target, fixed, options, winograd_error, denormals, precision)
        if destination is None:
            typer.get_binary_stream("stdout").write(request.level(emit))
        else:
            with replaced_file(destination) as path:
                request.write(path, emit)
    if destination is not None:
        report = _report(model, destination, emit, machine, time.perf_counter() - begin, kernels, options.timings)
        if as_json:
            print_json(report)
        else:
            _print(report)
    if time_passes and not as_json:
        _print_timings(options.timings)


def _level_text(
    model: Path, start: str | None, constants: Path | None, fixed: FixedDims, emit: str
) -> LevelText | None:
    """The model as text of a level, or None where it is none. Raises BadParameter for options that do not fit."""
    if model.suffix != SUFFIX:
        if start is not None or constants is not None:
            raise typer.BadParameter(
                f"it goes with {SUFFIX} text, and '{model}' is none", param_hint="--from/--constants"
            )
        return None
    if fixed.for_import() is not None:
        raise typer.BadParameter(
            "dims are fixed when a model is imported, which this text was", param_hint="--shape/--dim"
        )
    text = LevelText.from_options(model, start, constants)
    text.check_stop(_last_phase(emit))
    return text


def _last_phase(emit: str) -> str:
    return emit if emit in LEVELS else LEVELS[-1]


def _destination(model: Path, output: Path | None, emit: str, as_json: bool) -> Path | None:
    """Where to write; None is the output stream. Raises BadParameter for what cannot be meant."""
    if emit not in _FORMATS:
        raise typer.BadParameter(f"'{emit}': expected one of {', '.join(_FORMATS)}", param_hint="--emit")
    if output is not None and str(output) == "-":
        if emit == "lamina":
            raise typer.BadParameter("a compiled model cannot be printed: name a file", param_hint="--output")
        if as_json:
            raise typer.BadParameter("one output cannot take both the report and the text", param_hint="--json")
        return None
    destination = output or model.with_suffix(_SUFFIXES.get(emit, f".{emit}.mlir"))
    if destination.is_dir():
        raise typer.BadParameter(f"'{destination}' is a folder: name a file in it", param_hint="--output")
    if destination.resolve() == model.resolve():
        raise typer.BadParameter("the output would overwrite the model", param_hint="--output")
    if not destination.parent.is_dir():
        raise typer.BadParameter(f"there is no folder '{destination.parent}'", param_hint="--output")
    return destination


def _target_name(name: str) -> str:
    """The name of the target itself where this machine is asked for."""
    from ...machines import target_by_name

    try:
        return target_by_name(name).name
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--target") from error


@dataclass(frozen=True)
class _Request:
    """What to compile, for what machine, and how."""

    model: Path | LevelText
    target: str
    fixed: FixedDims
    options: PipelineOptions
    winograd_error: float
    denormals: DenormalsMode
    precision: PrecisionMode

    def write(self, path: Path, emit: str) -> None:
        if emit != "lamina":
            path.write_bytes(self.level(emit))
            return
        from ...runtime.file_format import write

        executable = self.executable()
        with path.open("wb") as stream:
            write(executable, stream)

    def executable(self) -> Executable:
        from ...compiler import compile, compile_module

        if isinstance(self.model, LevelText):
            with self._opened_text(self.model) as (module, context):
                return compile_module(module, context, start=self.model.phase, options=self.options)
        return compile(
            self.model,
            shapes=self.fixed.for_import(),
            target=self.target,
            options=self.options,
            winograd_error=self.winograd_error,
            denormals=self.denormals.value,
            precision=self.precision.value,
        )

    def _opened_text(self, text: LevelText) -> contextlib.AbstractContextManager[tuple[ModuleOp, CompilerContext]]:
        return text.opened(self.target, self.winograd_error, self.denormals.value, self.precision.value)

    def level(self, emit: str) -> bytes:
        """The model at one level, as the bytes of a text or an object file."""
        from ...pipeline import compile_through

        with contextlib.ExitStack() as stack:
            module, context, start = self._opened(stack)
            compile_through(module, context, start=start, stop=_last_phase(emit), options=self.options)
            with self.options.timed("emit", emit):
                return _emitted(module, context, emit)

    def _opened(self, stack: contextlib.ExitStack) -> tuple[ModuleOp, CompilerContext, str | None]:
        """The module, its context, and the phase that it is the output of."""
        from ...compiler import import_for

        if isinstance(self.model, LevelText):
            with self.options.timed(self.model.phase, "read the text"):
                return *stack.enter_context(self._opened_text(self.model)), self.model.phase
        with self.options.timed("import", "convert the model"):
            module, context = import_for(
                self.model,
                shapes=self.fixed.for_import(),
                target=self.target,
                winograd_error=self.winograd_error,
                denormals=self.denormals.value,
                precision=self.precision.value,
            )
        return module, context, None


def _emitted(module: ModuleOp, context: CompilerContext, emit: str) -> bytes:
    from io import StringIO

    from ...pipeline import module_text
    from ...universe import UNIVERSE
    from ..outputs import BinaryOutput

    if emit not in _MACHINE_FORMATS:
        return module_text(module).encode()
    output = UNIVERSE.all_targets[emit]()()
    if isinstance(output, BinaryOutput):
        return output.emit_bytes(context, module)
    text = StringIO()
    output.emit(context, module, text)
    return text.getvalue().encode()


def _report(
    model: Path, destination: Path, emit: str, target: str, seconds: float, kernels: int, timings: list[PassTiming]
) -> dict[str, Any]:
    """``phases``: seconds by phase, none where the model came from the cache; ``passes`` those of each step.

    ``kernels`` is how many different ones were compiled (0: from the cache, or none at this level).
    """
    phases: dict[str, float] = {}
    for timing in timings:
        phases[timing.phase] = phases.get(timing.phase, 0.0) + timing.seconds
    return {
        "model": str(model),
        "output": str(destination),
        "format": emit,
        "target": target,
        "bytes": destination.stat().st_size,
        "seconds": seconds,
        "kernels": kernels,
        "from_cache": not timings,
        "phases": phases,
        "passes": [{"phase": row.phase, "name": row.name, "seconds": row.seconds} for row in timings],
    }


def _print(report: dict[str, Any]) -> None:
    how = "taken from the cache" if report["from_cache"] else "compiled"
    kernels = f", {report['kernels']} kernels" if report["kernels"] else ""
    took = duration_text(report["seconds"] * 1e3)
    typer.echo(
        f"{report['output']}: {size_text(report['bytes'])} for {report['target']}{kernels}, {how} in {took}", err=True
    )


def _print_timings(timings: list[PassTiming]) -> None:
    from rich.console import Console

    from ..tables import timings_table

    Console(stderr=True).print(timings_table(timings))
