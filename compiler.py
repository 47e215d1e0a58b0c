"""From an ONNX model to something that runs: the frontend, the pipeline, the machine code, in that order.

A model that was compiled before is taken from the cache. That takes a fraction of the time that importing the compiler
takes, so that this module imports it only where it has something to compile.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .cache.models import ModelEntry, checks_by_default, find_entry
from .dialects import winograd
from .runtime.executable import Executable

if TYPE_CHECKING:
    import onnx
    from xdsl.dialects.builtin import ModuleOp

    from .context import CompilerContext, Denormals, Precision
    from .machines import Target
    from .pipeline import PipelineOptions

Shapes = Mapping[str, int | Sequence[int | str | None]]


@contextlib.contextmanager
def _collector_paused() -> Iterator[None]:
    """Thousands of live ops make the cyclic collector scan them again and again; hardly anything is garbage yet."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def compile(
    model: str | Path | bytes | onnx.ModelProto,
    *,
    shapes: Shapes | None = None,
    threads: int | None = None,
    target: str | Target = "host",
    options: PipelineOptions | None = None,
    winograd_error: float = winograd.DEFAULT_ERROR,
    denormals: Denormals = "flush",
    precision: Precision = "f32",
) -> Executable:
    """Compiles a model for this machine, or for another that can run here.

    ``shapes`` fixes dimensions, by input (``{"x": [1, 3, 224, 224]}``) or by the dimension's name
    (``{"batch": 1}``); all others stay free, and one compilation serves every size. ``threads`` is how many a
    run may use (None: what this process is allowed). ``winograd_error`` is how far off convolutions may be by
    Winograd's transforms, in units of what a direct sum in float32 is off by (0: no transforms). ``denormals`` is what
    a run does with numbers below the smallest normal one: ``flush`` takes them as zero, ``keep`` computes with them.
    ``precision`` other than ``f32`` lets products of f32 be taken of numbers rounded to ``bf16``, or of weights stored
    as ``f16``, wherever that is faster; sums stay f32.
    ``options`` may ask for a checked build, whose code stops a run that would leave a buffer: see PipelineOptions.
    Raises LaminaError for a model that is not valid or not supported; the message names the node.
    """
    checked = checks_by_default() if options is None else options.checked
    may_use_cache = options is None or options.may_use_cache
    machine = target if isinstance(target, str) else repr(target)
    entry = find_entry(model, shapes, machine, winograd_error, checked, denormals, precision) if may_use_cache else None
    executable = entry.load(threads) if entry is not None else None
    if executable is not None:
        return executable
    executable = _compile_anew(
        model,
        shapes=shapes,
        threads=threads,
        target=target,
        options=options,
        winograd_error=winograd_error,
        denormals=denormals,
        precision=precision,
    )
    if entry is not None and _keep(entry, executable):
        # The file's weights are shared with other processes; those just made are this one's alone.
        return entry.load(threads) or executable
    return executable


@_collector_paused()
def _compile_anew(
    model: str | Path | bytes | onnx.ModelProto,
    *,
    shapes: Shapes | None,
    threads: int | None,
    target: str | Target,
    options: PipelineOptions | None,
    winograd_error: float,
    denormals: Denormals,
    precision: Precision,
) -> Executable:
    from .context import CompilerContext
    from .frontend import import_loaded
    from .frontend.metadata import model_metadata
    from .frontend.model_file import load_model
    from .pipeline import PipelineOptions

    options = options or PipelineOptions()
    with options.timed("import", "read the model"):
        loaded = load_model(model)
    metadata = model_metadata(loaded)
    with options.timed("import", "convert the model"):
        context = CompilerContext(
            target=target, winograd_error=winograd_error, denormals=denormals, precision=precision
        )
        module = import_loaded(loaded, shapes=shapes, context=context)
    del loaded  # Its weights are in the context by now.
    executable = compile_module(module, context, threads=threads, options=options)
    executable.program.metadata = metadata
    return executable


def _keep(entry: ModelEntry, executable: Executable) -> bool:
    """Puts a model that was just compiled into the cache, where that is possible."""
    from .frontend.metadata import external_file_names

    try:
        return entry.store(executable, external_file_names(entry.path) if entry.path is not None else ())
    except OSError:  # The model's file is gone by now.
        return False


def import_for(
    model: str | Path | bytes | onnx.ModelProto,
    *,
    shapes: Shapes | None = None,
    target: str | Target = "host",
    winograd_error: float = winograd.DEFAULT_ERROR,
    denormals: Denormals = "flush",
    precision: Precision = "f32",
) -> tuple[ModuleOp, CompilerContext]:
    """The model at graph level, and the context to compile it in."""
    from .context import CompilerContext
    from .frontend import import_model

    context = CompilerContext(target=target, winograd_error=winograd_error, denormals=denormals, precision=precision)
    return import_model(model, shapes=shapes, context=context), context


@_collector_paused()
def compile_module(
    module: ModuleOp,
    context: CompilerContext,
    *,
    start: str | None = None,
    threads: int | None = None,
    options: PipelineOptions | None = None,
) -> Executable:
    """Compiles a module that is the output of phase ``start`` (None: just imported), in place.

    This is how an edited text of any level becomes a running model.
    """
    from .passes.schedule.pack_constants import pack_constants
    from .pipeline import PipelineOptions, compile_through

    options = options or PipelineOptions()
    if start is not None:
        # A text may say another width of panels than its weights are held in.
        pack_constants(module, context.constants)
    compile_through(module, context, start=start, options=options)
    return finish_module(module, context, threads=threads, options=options)


def finish_module(
    module: ModuleOp, context: CompilerContext, *, threads: int | None = None, options: PipelineOptions | None = None
) -> Executable:
    """The last steps: from the output of the last phase to a running model."""
    from .pipeline import build_program, emit_code

    program, constants = build_program(module, context, options)
    image = emit_code(module, context, options)
    return Executable(program, image, constants, threads=threads)
