"""``lamina verify``: each level of a model against its meaning, and the machine code against everything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from .common import DimOption, FixedDims, JsonOption, ModelArgument, SeedOption, ShapeOption, is_compiled, random_feeds
from .options import onnx_input_names

if TYPE_CHECKING:
    import numpy as np
    from xdsl.dialects.builtin import ModuleOp

    from ..context import CompilerContext
    from ..runtime.executable import Executable

    Arrays = dict[str, np.ndarray]

_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Check:
    """One comparison. ``error`` is relative to the largest magnitude of the output that differs most.

    ``ok`` is None where the comparison could not be made, and ``note`` says why.
    """

    subject: str
    ok: bool | None
    error: float | None = None
    note: str = ""


def verify(
    model: ModelArgument,
    shape: ShapeOption = None,
    dim: DimOption = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Check a compiled model against its meaning on random inputs, and name the first pass that changed it.

    The meaning is that of the imported graph in NumPy, which takes a while for a big network. Exits with 1 if
    anything differs.

    Example: [bold]lamina verify mobilenet_v2.onnx[/]
    """
    if is_compiled(model):
        raise typer.BadParameter("the .onnx model is needed, not a compiled one", param_hint="MODEL")
    fixed = FixedDims.from_options(shape, dim).named(onnx_input_names(model))
    checks = list(_checks(model, fixed, seed))
    if as_json:
        typer.echo(json.dumps([asdict(check) for check in checks], indent=2))
    else:
        _print(model, checks)
    if any(check.ok is False for check in checks):
        raise typer.Exit(1)


def _checks(model: Path, fixed: FixedDims, seed: int) -> Iterator[Check]:
    from ..compiler import compile, import_for
    from ..interpreters.graph import interpret_graph

    executable = compile(model, shapes=fixed.for_import(), threads=1)
    feeds = random_feeds(executable, fixed, seed)
    module, context = import_for(model, shapes=fixed.for_import())
    meaning = interpret_graph(module, feeds, context.constants)
    yield from _check_onnxruntime(model, feeds, meaning)
    yield from _check_passes(module, context, feeds, meaning)
    yield from _check_code(executable, feeds, meaning)


def _check_onnxruntime(model: Path, feeds: Arrays, meaning: Arrays) -> Iterator[Check]:
    subject = "meaning against onnxruntime"
    try:
        import onnxruntime
    except ImportError:
        yield Check(subject, None, note="onnxruntime is not installed")
        return
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    theirs: Arrays = dict(zip(names, session.run(names, feeds), strict=True))  # pyright: ignore[reportAssignmentType]
    yield compare(subject, theirs, meaning)


def _check_passes(module: ModuleOp, context: CompilerContext, feeds: Arrays, meaning: Arrays) -> Iterator[Check]:
    """The module after every pass down to the kernel level, in place; ends at the first that changes the meaning."""
    from ..pipeline import phase_passes, phase_range

    for phase in phase_range("import", "kernel"):
        for module_pass in phase_passes(phase):
            module_pass.apply(context, module)
            subject = f"after {module_pass}"
            try:
                results = _interpret(module, context, feeds, meaning)
            except NotImplementedError as reason:
                yield Check(subject, None, note=str(reason))
                return
            check = compare(subject, results, meaning)
            yield check
            if not check.ok:
                return


def _interpret(module: ModuleOp, context: CompilerContext, feeds: Arrays, meaning: Arrays) -> Arrays:
    """What the module means on its level, graph or kernel.

    Raises NotImplementedError at the kernel level for a model of several segments or with parts that run on the host.
    """
    from xdsl.dialects.func import CallOp, FuncOp

    from ..interpreters.graph import interpret_graph, main_function
    from ..interpreters.kernel import interpret_kernels

    functions = [op for op in module.ops if isinstance(op, FuncOp)]
    if not any(op.name.startswith(("kernel.", "layout.")) for function in functions for op in function.walk()):
        return interpret_graph(module, feeds, context.constants)
    steps = [op for op in main_function(module).body.block.ops if not op.name.startswith(("builtin.", "func.return"))]
    if len(steps) != 1 or not isinstance(steps[0], CallOp):
        raise NotImplementedError("the model has several segments: below the graph only its machine code is checked")
    callee = steps[0].callee.root_reference.data
    segment = next(function for function in functions if function.sym_name.data == callee)
    results = interpret_kernels(segment, list(feeds.values()), context.constants)
    return dict(zip(meaning, results, strict=True))


def _check_code(executable: Executable, feeds: Arrays, meaning: Arrays) -> Iterator[Check]:
    first = executable.run(feeds)
    yield compare("machine code, one thread", first, meaning)
    yield same_bits("the same bits on a second run", executable.run(feeds), first)
    yield same_bits("the same bits from memory full of NaN", executable.run_poisoned(feeds), first)
    executable.set_threads(2)
    yield same_bits("the same bits on two threads", executable.run(feeds), first)


def compare(subject: str, found: Arrays, expected: Arrays) -> Check:
    """Whether all outputs are close, the error relative to each output's largest finite magnitude."""
    import numpy as np

    worst = 0.0
    for name, wanted in expected.items():
        actual = found[name]
        if actual.shape != wanted.shape or actual.dtype != wanted.dtype:
            note = f"output '{name}' is {actual.dtype}{list(actual.shape)}, not {wanted.dtype}{list(wanted.shape)}"
            return Check(subject, False, note=note)
        finite = np.isfinite(wanted)
        if not np.array_equal(actual[~finite], wanted[~finite], equal_nan=True):
            return Check(subject, False, note=f"output '{name}' differs in its infinities or NaNs")
        scale = float(np.abs(wanted[finite], dtype=np.float64).max(initial=0.0)) or 1.0
        difference = np.abs(actual[finite].astype(np.float64) - wanted[finite].astype(np.float64))
        worst = max(worst, float(difference.max(initial=0.0)) / scale)
    return Check(subject, worst <= _TOLERANCE, worst)


def same_bits(subject: str, found: Arrays, expected: Arrays) -> Check:
    differing = [name for name, array in expected.items() if found[name].tobytes() != array.tobytes()]
    return Check(subject, not differing, note=f"differs: {', '.join(differing)}" if differing else "")


def _print(model: Path, checks: list[Check]) -> None:
    from rich.console import Console
    from rich.table import Table

    marks = {True: "[green]ok[/]", False: "[bold red]differs[/]", None: "skipped"}
    table = Table("check", "", title=model.name)
    table.add_column("error", justify="right")
    table.add_column("")
    for check in checks:
        table.add_row(check.subject, marks[check.ok], "" if check.error is None else f"{check.error:.1e}", check.note)
    Console().print(table)
