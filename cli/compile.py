"""``lamina compile``: an ONNX model to a compiled file, or to the text of any level."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..pipeline import PHASE_NAMES, PassTiming, PipelineOptions, compile_through, module_text
from .common import DimOption, FixedDims, ShapeOption, is_compiled
from .level_text import SUFFIX, LevelText
from .options import onnx_input_names

if TYPE_CHECKING:
    from xdsl.dialects.builtin import ModuleOp

    from ..context import CompilerContext

_MACHINE_FORMATS = ("ll", "asm", "obj")
_FORMATS = ("lamina", *PHASE_NAMES, *_MACHINE_FORMATS)
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
        typer.Option("--output", "-o", help="The file to write, '-' to print; by default beside the model."),
    ] = None,
    target: Annotated[
        str, typer.Option("--target", metavar="NAME", help="The machine to compile for; 'host' is this one.")
    ] = "host",
    emit: Annotated[str, typer.Option("--emit", metavar="FORMAT", help=f"One of {', '.join(_FORMATS)}.")] = "lamina",
    shape: ShapeOption = None,
    dim: DimOption = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="PHASE", help="Of .mlir text: the phase that wrote it. By default its name says so."
        ),
    ] = None,
    constants: Annotated[
        Path | None,
        typer.Option(
            "--constants",
            metavar="FILE.npz",
            exists=True,
            dir_okay=False,
            help="Of .mlir text: the arrays that it names. By default constants.npz beside it.",
        ),
    ] = None,
    dump_phases: Annotated[
        Path | None, typer.Option("--dump-phases", metavar="DIR", help="Write the text after each phase to a folder.")
    ] = None,
    verify_each: Annotated[bool, typer.Option("--verify-each", help="Verify after every pass.")] = False,
    time_passes: Annotated[bool, typer.Option("--time-passes", help="Show the time each pass takes.")] = False,
) -> None:
    """Compile a model to a file that loads in milliseconds, or show it at one level.

    From .mlir text of --dump-phases, it goes on where the text stands: edit a schedule, compile it, bench the file.

    Example: [bold]lamina compile resnet50.onnx --emit schedule -o -[/]
    """
    if emit not in _FORMATS:
        raise typer.BadParameter(f"'{emit}': expected one of {', '.join(_FORMATS)}", param_hint="--emit")
    if is_compiled(model):
        raise typer.BadParameter(f"'{model}' is compiled already", param_hint="MODEL")
    _check_target(target)
    fixed = FixedDims.from_options(shape, dim)
    text = _level_text(model, start, constants, fixed)
    if text is None:
        fixed = fixed.named(onnx_input_names(model))
    options = PipelineOptions(verify_each=verify_each, dump_folder=dump_phases)
    destination = output or model.with_suffix(_SUFFIXES.get(emit, f".{emit}.mlir"))
    if destination.resolve() == model.resolve():
        raise typer.BadParameter("the output would overwrite the model", param_hint="--output")
    if emit == "lamina":
        _write_executable(text or model, destination, target, fixed, options)
    else:
        _write_level(text or model, destination, target, fixed, options, emit)
    if time_passes:
        _print_timings(options.timings)


def _level_text(model: Path, start: str | None, constants: Path | None, fixed: FixedDims) -> LevelText | None:
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
    return LevelText.from_options(model, start, constants)


def _check_target(name: str) -> None:
    from ..backend.targets import target_by_name

    try:
        target_by_name(name)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--target") from error


def _write_executable(
    model: Path | LevelText, destination: Path, target: str, fixed: FixedDims, options: PipelineOptions
) -> None:
    from ..compiler import compile, compile_module

    if str(destination) == "-":
        raise typer.BadParameter("a compiled model cannot be printed: name a file", param_hint="--output")
    if isinstance(model, LevelText):
        # A program is built from a schedule; what is further down has lost it.
        model.check_stop("schedule")
        module, context = _read(model, target)
        executable = compile_module(module, context, start=model.phase, options=options)
    else:
        executable = compile(model, shapes=fixed.for_import(), target=target, options=options)
    executable.save(destination)
    size = destination.stat().st_size
    typer.echo(f"{destination}: {size / 2**20:.1f} MiB for {target}", err=True)


def _read(text: LevelText, target: str) -> tuple[ModuleOp, CompilerContext]:
    from ..context import CompilerContext

    context = CompilerContext(target=target)
    return text.read(context), context


def _write_level(
    model: Path | LevelText, destination: Path, target: str, fixed: FixedDims, options: PipelineOptions, emit: str
) -> None:
    from ..compiler import import_for

    stop = "llvm" if emit in _MACHINE_FORMATS else emit
    if isinstance(model, LevelText):
        model.check_stop(stop)
        start = model.phase
        module, context = _read(model, target)
    else:
        start = None
        module, context = import_for(model, shapes=fixed.for_import(), target=target)
    compile_through(module, context, start=start, stop=stop, options=options)
    data = _emitted(module, context, emit)
    if str(destination) != "-":
        destination.write_bytes(data)
        typer.echo(f"{destination}: {len(data) / 1024:.0f} KiB", err=True)
        return
    typer.get_binary_stream("stdout").write(data)


def _emitted(module: ModuleOp, context: CompilerContext, emit: str) -> bytes:
    from io import StringIO

    from ..universe import UNIVERSE
    from .outputs import BinaryOutput

    if emit not in _MACHINE_FORMATS:
        return module_text(module).encode()
    output = UNIVERSE.all_targets[emit]()()
    if isinstance(output, BinaryOutput):
        return output.emit_bytes(context, module)
    text = StringIO()
    output.emit(context, module, text)
    return text.getvalue().encode()


def _print_timings(timings: list[PassTiming]) -> None:
    from rich.console import Console

    from .tables import timings_table

    Console(stderr=True).print(timings_table(timings))
