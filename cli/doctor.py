"""``lamina doctor``: whether Lamina can work on this machine, and what it found."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass

import typer

from .common import JsonOption


@dataclass(frozen=True)
class Finding:
    """One line of the report. ``ok`` is None where there is nothing to pass or fail."""

    subject: str
    ok: bool | None
    text: str


def doctor(as_json: JsonOption = False) -> None:
    """Check the machine and the installation, and compile and run a small model.

    Example: [bold]lamina doctor[/]
    """
    checks: list[tuple[str, Callable[[], str]]] = [
        ("compiler", _check_compiler_libraries),
        ("target", _check_target),
        ("executable memory", _check_executable_memory),
        ("small model", _check_small_model),
    ]
    findings = [*_facts(), *(_run_check(subject, check) for subject, check in checks)]
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        _print(findings)
    if any(finding.ok is False for finding in findings):
        raise typer.Exit(1)


def _facts() -> list[Finding]:
    from ..runtime.cpus import allowed_cpus, default_threads

    return [
        Finding("lamina", None, importlib.metadata.version("lamina")),
        Finding("python", None, f"{platform.python_version()} ({sys.executable})"),
        Finding("system", None, f"{platform.system()} {platform.release()}, {platform.machine()}"),
        Finding("threads", None, f"{default_threads()} by default, {allowed_cpus()} processors allowed"),
    ]


def _run_check(subject: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(subject, True, check())
    except Exception as error:  # Whatever is wrong is the finding.
        return Finding(subject, False, f"{type(error).__name__}: {error}")


def _check_compiler_libraries() -> str:
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("xdsl", "llvmlite", "onnx", "numpy")]
    return ", ".join(versions)


def _check_target() -> str:
    from ..backend.targets import host_target

    target = host_target()
    rows, columns = target.gemm_tile
    caches = ", ".join(f"{size >> 10} KiB" for size in (target.l1_bytes, target.l2_bytes, target.l3_bytes))
    return f"{target.name}: {target.vector_bytes * 8}-bit vectors, register tile {rows} x {columns}, caches {caches}"


def _check_executable_memory() -> str:
    import mmap

    # Some hardened systems refuse this, and no compiled code could run.
    with mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_EXEC):
        return "may be mapped"


def _check_small_model() -> str:
    import numpy as np
    from onnx import TensorProto, helper

    from ..compiler import compile

    def tensor(name: str) -> object:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 4])

    node = helper.make_node("Add", ["a", "b"], ["sum"])
    graph = helper.make_graph([node], "doctor", [tensor("a"), tensor("b")], [tensor("sum")])  # pyright: ignore
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    a, b = np.arange(8, dtype=np.float32).reshape(2, 4), np.ones((2, 4), np.float32)
    result = compile(model).run({"a": a, "b": b})["sum"]
    if not np.array_equal(result, a + b):
        raise ArithmeticError(f"1 + x gave {result.tolist()} for {a.tolist()}")
    return "compiled, and its result is right"


def _print(findings: list[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table

    marks = {True: "[green]ok[/]", False: "[bold red]failed[/]", None: ""}
    table = Table("", "", "", show_header=False, box=None)
    for finding in findings:
        table.add_row(f"[bold]{finding.subject}[/]", marks[finding.ok], finding.text)
    Console().print(table)
