"""``lamina check``: what of a model runs as machine code, what on the host, and what not at all."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

from .common import DimOption, FixedDims, JsonOption, ModelArgument, ShapeOption, is_compiled
from .options import onnx_input_names

if TYPE_CHECKING:
    import onnx
    from xdsl.dialects.builtin import ModuleOp
    from xdsl.ir import Operation

# In the plan these only hold it together.
_PLUMBING = ("func.", "builtin.", "graph.constant", "graph.yield")


def check(model: ModelArgument, shape: ShapeOption = None, dim: DimOption = None, as_json: JsonOption = False) -> None:
    """Say what of a model is compiled, what runs on the host and what is not supported, all at once.

    Exits with 1 if the model cannot run.

    Example: [bold]lamina check model.onnx[/]
    """
    if is_compiled(model):
        raise typer.BadParameter("the .onnx model is needed, not a compiled one", param_hint="MODEL")
    fixed = FixedDims.from_options(shape, dim).named(onnx_input_names(model))
    report = examine(model, fixed)
    if as_json:
        typer.echo(json.dumps(report, indent=2))
    else:
        _print(report)
    if report["error"] or report["unsupported"]:
        raise typer.Exit(1)


def examine(model: Any, fixed: FixedDims) -> dict[str, Any]:
    """``unsupported`` ONNX operators with their nodes, or an ``error``, or ``compiled`` and ``host`` ops by count."""
    from ..compiler import import_for
    from ..frontend.model_file import load_model
    from ..pipeline import compile_through
    from ..runtime.errors import LaminaError

    loaded = load_model(model)
    report: dict[str, Any] = {
        "model": str(model),
        "error": None,
        "unsupported": list(_unsupported(loaded)),
        "compiled": {},
        "host": {},
    }
    if report["unsupported"]:
        return report
    try:
        module, context = import_for(loaded, shapes=fixed.for_import())
    except LaminaError as error:
        report["error"] = str(error)
        return report
    compile_through(module, context, stop="graph")
    report["compiled"], report["host"] = _where_ops_run(module)
    return report


def _unsupported(model: onnx.ModelProto) -> Iterator[dict[str, Any]]:
    """Operators that have neither a converter nor a definition by other operators, with the names of their nodes."""
    import onnx

    from ..frontend import converters  # noqa: F401  (registers the converters)
    from ..frontend.model_file import STANDARD_DOMAINS, opset_versions
    from ..frontend.registry import find_converter

    opsets = opset_versions(model)
    nodes: dict[tuple[str, str], list[str]] = {}
    for node in _all_nodes(model.graph):
        domain = "" if node.domain in STANDARD_DOMAINS else node.domain
        opset = opsets.get(domain, 1)
        if find_converter(domain, node.op_type, opset) is not None:
            continue
        if onnx.defs.has(node.op_type, opset, domain):
            schema: Any = onnx.defs.get_schema(node.op_type, opset, domain)
            if schema.has_function or schema.has_context_dependent_function:
                continue
        nodes.setdefault((domain or "ai.onnx", node.op_type), []).append(node.name or node.output[0])
    for (domain, operator), names in sorted(nodes.items()):
        opset = opsets.get("" if domain == "ai.onnx" else domain, 1)
        yield {"domain": domain, "operator": operator, "opset": opset, "nodes": names}


def _all_nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Nodes of the graph and of the graphs in their attributes."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _all_nodes(inner)


def _where_ops_run(module: ModuleOp) -> tuple[dict[str, int], dict[str, int]]:
    """Graph ops by count: those in segments, and those left in @main for the host."""
    from xdsl.dialects.func import FuncOp

    compiled: Counter[str] = Counter()
    host: Counter[str] = Counter()
    for function in module.ops:
        if isinstance(function, FuncOp):
            counter = host if function.sym_name.data == "main" else compiled
            counter.update(operation.name for operation in function.walk() if _computes(operation))
    return dict(compiled.most_common()), dict(host.most_common())


def _computes(operation: Operation) -> bool:
    return not operation.name.startswith(_PLUMBING)


def _print(report: dict[str, Any]) -> None:
    from pathlib import Path

    from rich.console import Console
    from rich.table import Table

    console = Console()
    if report["error"]:
        console.print("[bold red]cannot be imported:[/]", report["error"], highlight=False)
        return
    table = Table("op", title=Path(report["model"]).name)
    table.add_column("count", justify="right")
    table.add_column("runs")
    for entry in report["unsupported"]:
        where = ", ".join(entry["nodes"][:3]) + (" ..." if len(entry["nodes"]) > 3 else "")
        name = f"{entry['domain']}.{entry['operator']} (opset {entry['opset']})"
        table.add_row(name, str(len(entry["nodes"])), f"[bold red]not supported[/], nodes {where}")
    for name, count in report["host"].items():
        table.add_row(name, str(count), "[yellow]on the host, in NumPy[/]")
    for name, count in report["compiled"].items():
        table.add_row(name, str(count), "[green]as machine code[/]")
    console.print(table)
    if report["unsupported"]:
        console.print("export the model without the operators that are not supported, or add converters for them")
