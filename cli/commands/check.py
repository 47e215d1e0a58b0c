"""``lamina check``: what of a model runs as machine code, what on the host, and what not at all."""

from __future__ import annotations

from dataclasses import asdict
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common import (
    DEFAULT_WINOGRAD_ERROR,
    DimOption,
    FixedDims,
    JsonOption,
    OnnxArgument,
    PrecisionMode,
    PrecisionOption,
    ShapeOption,
    WinogradErrorOption,
    is_compiled,
    print_json,
    size_text,
)
from ..options import onnx_input_names

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from ...errors import Problem
    from ..examination import Examination, HostStep, Memory, Products, WinogradLayer

StrictOption = Annotated[bool, typer.Option("--strict", help="Exit with 1 also where something runs on the host.")]

_NODES_SHOWN = 4


def check(
    model: OnnxArgument,
    shape: ShapeOption = None,
    dim: DimOption = None,
    strict: StrictOption = False,
    winograd_error: WinogradErrorOption = DEFAULT_WINOGRAD_ERROR,
    precision: PrecisionOption = PrecisionMode.F32,
    as_json: JsonOption = False,
) -> None:
    """Example: [bold]lamina check model.onnx --shape x=1x3x224x224[/]

    Say what of a model is compiled, what runs on the host in NumPy, and what cannot run, all at once: each node
    with its operator and types, why, and what to do. Also its free dims, its precision, how far off Winograd
    convolutions are, and the memory it needs (at the sizes given by --shape and --dim; assumed ones for other free
    dims).

    Exits with 1 if the model cannot run.
    """
    from ..examination import examine
    from ..progress import shown_progress

    if is_compiled(model):
        raise typer.BadParameter("the .onnx model is needed, not a compiled one", param_hint="MODEL")
    fixed = FixedDims.from_options(shape, dim).named(onnx_input_names(model))
    with shown_progress() as progress:
        found = examine(model, fixed, progress, winograd_error, precision.value)
    if as_json:
        print_json(report(found))
    else:
        _print(found)
    if not found.runs or (strict and found.host):
        raise typer.Exit(1)


def report(found: Examination) -> dict[str, Any]:
    """The examination for programs."""
    return {"runs": found.runs, **asdict(found)}


# --- for people ---------------------------------------------------------------------------------------


def _print(found: Examination) -> None:
    from ..common import report_console

    console = report_console()
    name = Path(found.model).name
    if not found.runs:
        _print_problems(console, name, found)
        return
    segments = _counted(found.segments, "segment")
    where = "all of it as machine code" + (f", in {segments}" if found.segments != 1 else "")
    if found.host:
        where = f"{segments} of machine code, split by {_counted(len(found.host), 'step')} on the host"
    console.print(f"[bold green]{_plain(name)} can run[/]: {where}", highlight=False)
    _print_facts(console, found)
    if found.host:
        console.print()
        console.print(_host_table(found.host))
    if found.compiled:
        console.print()
        console.print(_compiled_table(found.compiled))
    if found.products:
        console.print()
        console.print(_products_table(found.products))
    if found.winograd:
        console.print()
        console.print(_winograd_table(found.winograd))


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _print_problems(console: Console, name: str, found: Examination) -> None:
    if found.error is not None:
        console.print(f"[bold red]{_plain(name)} cannot run[/]: {_plain(found.error)}", highlight=False)
        return
    console.print(
        f"[bold red]{_plain(name)} cannot run[/]: {_counted(len(found.problems), 'problem')}", highlight=False
    )
    for problem in found.problems:
        console.print()
        console.print(_problem_text(problem), soft_wrap=True, highlight=False)


def _problem_text(problem: Problem) -> str:
    head = f"[bold]{_plain(problem.place or 'the model')}[/]"
    if problem.operator:
        head += f"  {_plain(problem.domain)}.{_plain(problem.operator)} (opset {problem.opset})"
    lines = [head]
    if problem.inputs:
        lines.append(f"  inputs  {_plain(', '.join(problem.inputs))}")
    lines.append(f"  why     {_plain(problem.reason)}")
    if problem.advice:
        lines.append(f"  do      {_plain(problem.advice)}")
    if problem.follows:
        lines.append(f"  [dim]may go away with the problem of {_plain(problem.follows)}, whose result was assumed[/]")
    return "\n".join(lines)


def _print_facts(console: Console, found: Examination) -> None:
    from ..tables import print_facts

    facts = [("input", f"{name}: {type_}") for name, type_ in found.inputs.items()]
    facts += [("output", f"{name}: {type_}") for name, type_ in found.outputs.items()]
    facts += [("free dim", f"{free.name}: {free.bound_by}") for free in found.symbols]
    facts += [("must hold", condition) for condition in found.conditions]
    facts.append(("precision", _precision(found.precision, found.allowed)))
    if found.memory is not None:
        facts += [("memory", line) for line in _memory_lines(found.memory)]
    print_facts(console, [(f"[bold]{label}[/]", _plain(fact)) for label, fact in facts])


def _precision(types: dict[str, int], allowed: str) -> str:
    if not types:
        return "no arithmetic is compiled"
    listing = ", ".join(f"{name} ({_counted(count, 'op')})" for name, count in types.items())
    if allowed != "f32":
        return f"{listing}; products of f32 may be rounded to {allowed}, as listed below"
    return f"{listing}; nothing is computed in less than the model says"


def _memory_lines(memory: Memory) -> list[str]:
    lines = [f"{size_text(memory.weight_bytes)} of packed weights, shared by all runs"]
    if memory.error is not None:
        return [*lines, f"of a run: not known, {memory.error}"]
    sizes = ", ".join(f"{name} = {size}" for name, size in memory.at.items())
    at = f" at {sizes}" if sizes else ""
    threads = _counted(memory.threads, "thread")
    line = f"{size_text(memory.arena_bytes)} of arena for each run at a time{at}, on {threads}"
    if memory.scratch_bytes_per_thread:
        line += f" (of it scratch: {size_text(memory.scratch_bytes_per_thread)} a thread)"
    return [*lines, line]


def _host_table(steps: list[HostStep]) -> Table:
    """Steps with the same reason in one row."""
    from rich.table import Table

    table = Table("op", title="run on the host, in NumPy", title_justify="left")
    for heading in ("nodes", "inputs", "why", "what to do"):
        table.add_column(heading, overflow="fold")
    alike = attrgetter("operation", "reason", "advice")
    for (operation, reason, advice), group in groupby(sorted(steps, key=alike), key=alike):
        members = list(group)
        nodes = [step.node for step in members[:_NODES_SHOWN]]
        if len(members) > _NODES_SHOWN:
            nodes.append(f"and {len(members) - _NODES_SHOWN} more")
        cells = (operation, "\n".join(nodes), ", ".join(members[0].inputs), reason, advice)
        table.add_row(*map(_plain, cells))
    return table


def _compiled_table(compiled: dict[str, int]) -> Table:
    from rich.table import Table

    table = Table("op", title="compiled to machine code", title_justify="left")
    table.add_column("count", justify="right")
    for name, count in compiled.items():
        table.add_row(name, str(count))
    return table


def _products_table(products: list[Products]) -> Table:
    from rich.table import Table

    table = Table("kernel", "multiplies", "sums", "by", title="products", title_justify="left")
    table.add_column("count", justify="right")
    for way in products:
        table.add_row(way.kernel, way.multiplied, way.sums, way.instruction, str(len(way.stages)))
    return table


def _winograd_table(layers: list[WinogradLayer]) -> Table:
    from rich.table import Table

    title = "convolutions by Winograd's transforms: error over that of a direct sum in float32, both against float64"
    table = Table("layer", "algorithm", title=title, title_justify="left")
    for heading in ("random", "rectified", "adversarial", "unseen large pixel"):
        table.add_column(heading, justify="right")
    for layer in layers:
        ratios = (f"{ratio:.1f}" for ratio in (layer.random, layer.rectified, layer.adversarial))
        table.add_row(_plain(layer.layer), layer.algorithm, *ratios, f"{layer.spread:.0e} of it")
    return table
