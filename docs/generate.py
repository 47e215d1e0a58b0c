"""Writes the parts of README.md and docs/ that the tool itself can say: IR at each level, ops, passes, targets.

A part stands between ``<!-- generated: NAME -->`` and ``<!-- end -->``. A test checks that every part is what this
script would write.

usage: python docs/generate.py [--check]
"""

from __future__ import annotations

import ast
import functools
import inspect
import json
import re
import sys
from collections.abc import Callable
from dataclasses import MISSING
from io import StringIO
from pathlib import Path
from typing import Any

from example_model import linear_model, small_model
from lamina.context import CompilerContext
from lamina.dialects.axes import FORMS, NestForm
from lamina.dialects.decision_fields import Decisions, Nest, fields_of, text_of, words_of
from lamina.dialects.decisions import KINDS
from lamina.dialects.plan_text import listed
from lamina.frontend import import_model
from lamina.frontend.checks import limits as frontend_limits
from lamina.machines import TARGETS
from lamina.pipeline import PHASE_NAMES, PHASES, compile_through, module_text
from lamina.universe import LOWERINGS, PASSES, UNIVERSE

ROOT = Path(__file__).parents[1]
PART = re.compile(r"(<!-- generated: ([\w ]+) -->\n).*?(<!-- end -->)", re.DOTALL)
# The text must not depend on the machine that writes it.
TARGET = "avx512"


def pages() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def regenerated(text: str) -> str:
    """The page with every generated part written anew. Raises KeyError for a part that nothing writes."""
    return PART.sub(lambda match: f"{match[1]}{part(match[2])}{match[3]}", text)


def part(name: str) -> str:
    kind, _, subject = name.partition(" ")
    return WRITERS[kind](subject)


# --- the example at each level --------------------------------------------------------------------------


def level(phase: str) -> str:
    """The example after a phase; of the loops, the innermost one."""
    text = _example_after(phase)
    if phase == "loops":
        text = _innermost_loop(text)
    return _code("mlir", _dedented(text))


def segment(phase: str) -> str:
    """The example's function of buffers and stages after a phase, and of the kernel behind it the head."""
    functions = re.split(r"^(?=  \S*func)", _example_after(phase), flags=re.MULTILINE)
    place = next(index for index, text in enumerate(functions) if "@segment0" in text.split("\n", 1)[0])
    head = functions[place + 1].split("\n", 1)[0]
    return _code("mlir", _dedented(f"{functions[place].rstrip()}\n{head}\n    ...\n  }}"))


def assembly(_: str) -> str:
    """The innermost loop of the example in machine code."""
    context = CompilerContext(target=TARGET)
    module = compile_through(import_model(linear_model(), context=context), context)
    text = StringIO()
    UNIVERSE.all_targets["asm"]()().emit(context, module, text)
    return _code("asm", _hottest_block(text.getvalue()))


def _example_after(phase: str) -> str:
    context = CompilerContext(target=TARGET)
    module = compile_through(import_model(linear_model(), context=context), context, stop=phase)
    lines = module_text(module).strip().splitlines()
    # The module around everything says nothing.
    return "\n".join(lines[1:-1])


def _innermost_loop(text: str) -> str:
    """The loop over the widest register tile, from its header to its end."""
    lines = text.splitlines()
    headers = [index for index, line in enumerate(lines) if "scf.for" in line and "vector<" in line]
    first = max(headers, key=lambda index: _tile_elements(lines[index]))
    indent = len(lines[first]) - len(lines[first].lstrip())
    last = next(index for index in range(first + 1, len(lines)) if lines[index].startswith(" " * indent + "}"))
    return "\n".join(lines[first : last + 1])


def _tile_elements(line: str) -> int:
    rows, columns = re.findall(r"vector<(\d+)x(\d+)x", line)[0]
    return int(rows) * int(columns)


def _hottest_block(text: str) -> str:
    """The basic block with most multiply-adds, without assembler directives and comments."""
    blocks = re.split(r"^(?=\S+:)", text, flags=re.MULTILINE)
    block = max(blocks, key=lambda lines: lines.count("vfmadd"))
    # Up to the jump back; what follows runs once.
    block = re.split(r"(?<=\n)(?=\tj\w+\t.*\n)", block)[0] + "".join(re.findall(r"\tj\w+\t.*\n", block)[:1])
    lines = [line.split("#")[0].rstrip().expandtabs(8) for line in block.splitlines()]
    return "\n".join(line for line in lines if line and not line.lstrip().startswith((".p2align", ".cfi")))


def _dedented(text: str) -> str:
    lines = text.splitlines()
    margin = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
    return "\n".join(line[margin:] for line in lines)


def _code(language: str, text: str) -> str:
    return f"```{language}\n{text.rstrip()}\n```\n"


# --- the small network of convolutions --------------------------------------------------------------------


def excerpt(subject: str) -> str:
    """``PHASE NAME...``: the ops that give the values of those names, or the stages that are called so."""
    phase, *names = subject.split()
    text = _small_after(phase)
    return _code("mlir", "\n".join(_dedented(_definition(text, name)) for name in names))


def loop(kernel: str) -> str:
    """The innermost loop of the last kernel whose function begins with that."""
    text = _small_after("loops")
    functions = re.split(r"^(?=  func\.func )", text, flags=re.MULTILINE)
    function = [function for function in functions if f"@{kernel}" in function][-1]
    return _code("mlir", _dedented(_innermost_loop(function)))


def instructions(kernel: str) -> str:
    """The same loop in machine code."""
    functions = re.split(r"^(?=[a-z][\w.]*:)", _small_assembly(), flags=re.MULTILINE)
    function = [text for text in functions if text.startswith(kernel) and "vfmadd" in text][-1]
    return _code("asm", _hottest_block(function))


def _definition(text: str, name: str) -> str:
    """From the line that defines a value or stage to the end of its region, if it has one."""
    lines = text.splitlines()
    first = next(index for index, line in enumerate(lines) if re.search(rf"%{name} = |stage @{name} ", line))
    if not lines[first].endswith("{"):
        return lines[first]
    indent = len(lines[first]) - len(lines[first].lstrip())
    last = next(index for index in range(first + 1, len(lines)) if lines[index].startswith(" " * indent + "}"))
    return "\n".join(lines[first : last + 1])


@functools.cache
def _small_after(phase: str) -> str:
    context = CompilerContext(target=TARGET)
    return module_text(compile_through(import_model(small_model(), context=context), context, stop=phase))


@functools.cache
def _small_assembly() -> str:
    context = CompilerContext(target=TARGET)
    module = compile_through(import_model(small_model(), context=context), context)
    text = StringIO()
    UNIVERSE.all_targets["asm"]()().emit(context, module, text)
    return text.getvalue()


# --- tables ---------------------------------------------------------------------------------------------


def operations(dialect: str) -> str:
    """A row an op: its name and the first paragraph of its docstring."""
    rows = ["| op | what it does |", "|---|---|"]
    for operation in UNIVERSE.all_dialects[dialect]().operations:
        summary = inspect.getdoc(operation) or ""
        first_paragraph = " ".join(summary.split("\n\n")[0].split()).replace("|", "\\|")
        rows.append(f"| `{operation.name}` | {first_paragraph} |")
    return "\n".join(rows) + "\n"


def decisions(_: str) -> str:
    """A row a decision, by what walks in the same way."""
    kernels: dict[type[Decisions], list[str]] = {}
    for kernel, kind in KINDS.items():
        kernels.setdefault(kind, []).append(f"`{kernel.partition('.')[2]}`")
    rows = []
    for kind, names in kernels.items():
        who = ", ".join(names)
        for entry in fields_of(kind).values():
            default = "chosen" if entry.default is MISSING else "" if entry.default == () else text_of(entry.default)
            values = listed(entry.metadata["choices"], kind.OUTER if issubclass(kind, Nest) else ())
            rows.append([who, f"`{words_of(entry)}`", values, default, entry.metadata["meaning"]])
            who = ""
    return _table(["kernels", "decision", "values", "default", "meaning"], rows)


def axes(_: str) -> str:
    """A row an axis, by what has the same form; then where operands are reached."""
    kernels: dict[NestForm, list[str]] = {}
    for kernel, form in FORMS.items():
        kernels.setdefault(form, []).append(kernel)
    rows = []
    for form, names in kernels.items():
        kind = KINDS[names[0]]
        assert issubclass(kind, Nest)
        who = ", ".join(f"`{name.partition('.')[2]}`" for name in names)
        for axis in form.axes:
            outside = f"{kind.OUTER.index(axis.name) + 1}" if axis.name in kind.OUTER else ""
            rows.append([who, f"`{axis.name}`", axis.kind, outside, axis.meaning])
            who = ""
        rows.append(["", "", "", "", "reaches " + ", ".join(f"`{place}`" for place in form.reach)])
    return _table(["kernels", "axis", "kind", "loop outside", "meaning"], rows)


def phases(_: str) -> str:
    """A row a phase: what it ends with, and its passes in order."""
    rows = ["| phase | ends with | passes in order |", "|---|---|---|"]
    for phase in PHASES["cpu"]:
        names = " → ".join(f"[`{text}`](#{text.partition('{')[0]})" for text in phase.passes)
        rows.append(f"| {phase.name} | {phase.summary} | {names or 'none: the frontend does it'} |")
    return "\n".join(rows) + "\n"


def passes(_: str) -> str:
    """A section a pass, by level: its docstring and its options."""
    sections = []
    level = ""
    for name, location in {**PASSES, **LOWERINGS}.items():
        if name.partition("-")[0] != level:
            level = name.partition("-")[0]
            sections.append("## From level to level\n" if level == "lower" else f"## On the {level} level\n")
        module_pass = UNIVERSE.all_passes[name]()
        source = location.partition(":")[0].replace(".", "/")
        source = f"{source}.py" if (ROOT / f"{source}.py").exists() else f"{source}/"
        sections.append(f"### {name}\n\n[{source}](../{source})\n\n{_markdown(inspect.getdoc(module_pass) or '')}\n")
    return "\n".join(sections)


def _markdown(docstring: str) -> str:
    """A docstring's literal blocks as fenced code."""
    output: list[str] = []
    fenced = False
    lines = docstring.splitlines()
    for index, line in enumerate(lines):
        if fenced and line and not line.startswith(" "):
            _close_fence(output)
            fenced = False
        if not fenced and line.endswith("::"):
            output += [line.removesuffix("::") and line[:-1], "", "```text"]
            fenced = True
            continue
        if fenced and not line and output[-1] == "```text":
            continue
        output.append(line.removeprefix("    ") if fenced else re.sub(r"(?<!`)``(?!`)", "`", line))
        if fenced and index == len(lines) - 1:
            _close_fence(output)
    return "\n".join(output)


def _close_fence(output: list[str]) -> None:
    while not output[-1]:
        output.pop()
    output += ["```", ""]


def atoms(_: str) -> str:
    """A row an instruction that multiplies and adds narrow numbers."""
    from lamina.machines import TARGETS
    from lamina.machines.atoms import ATOMS

    rows = ["| atom | products | sums | at once | matrices | targets |", "|---" * 6 + "|"]
    for atom in ATOMS.values():
        shape = f"{atom.rows} x {atom.depth} by {atom.depth} x {atom.columns}" if atom.is_matrix else ""
        having = ", ".join(f"`{target.name}`" for target in TARGETS.values() if atom.name in target.atoms)
        rows.append(f"| `{atom.name}` | {atom.lhs} x {atom.rhs} | {atom.sums} | {atom.depth} | {shape} | {having} |")
    return "\n".join(rows)


def targets(_: str) -> str:
    """A row a target, with the numbers that decide most."""
    rows = [
        "| target | LLVM's CPU | vector bits | registers | register tile | masks | atoms |",
        "|---" * 7 + "|",
    ]
    for target in TARGETS.values():
        atoms = ", ".join(f"`{name}`" for name in target.atoms)
        tile = " x ".join(map(str, target.gemm_tile))
        masks = "yes" if target.has_masks else "no"
        rows.append(
            f"| `{target.name}` | {target.cpu} | {target.vector_bytes * 8} | {target.vector_registers} | {tile} "
            f"| {masks} | {atoms or 'none'} |"
        )
    return "\n".join(rows) + "\n"


def limits(_: str) -> str:
    """A row for each of the frontend's limits: the names before a docstring, their values, and what it says."""
    names: list[str] = []
    rows = []
    for node in ast.parse((ROOT / "frontend" / "checks" / "limits.py").read_text()).body:
        if isinstance(node, ast.Assign):
            names += [target.id for target in node.targets if isinstance(target, ast.Name)]
        elif names and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            values = " and ".join(_readable(name, getattr(frontend_limits, name)) for name in names)
            text = " ".join(str(node.value.value).replace("``", "`").split())
            rows.append([", ".join(f"`{name}`" for name in names), values, text])
            names = []
    return _table(["limit", "value", "of what"], rows)


def _readable(name: str, value: int) -> str:
    if not name.endswith("BYTES"):
        return f"{value:,}"
    unit, size = next(
        (unit, size) for unit, size in (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20)) if value + 1 >= size
    )
    return f"{(value + 1) // size} {unit}"


# --- measured figures -----------------------------------------------------------------------------------


def figures(section: str) -> str:
    """A table of what ``make bench BENCH_ARGS="--json benchmarks/figures.json"`` measured last; of kernels in a file of
    their own.
    """
    name, of_kernels = section.removeprefix("kernels "), section.startswith("kernels ")
    report = json.loads((ROOT / "benchmarks" / ("kernel_figures.json" if of_kernels else "figures.json")).read_text())
    return _table(*FIGURES[name](report))


def _machine_figures(report: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    return list(report["machine"]), [list(report["machine"].values())]


def _speed_figures(report: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    engines = [f"{engine} {threads}t" for threads in (1, 2) for engine in ("lamina", "onnxruntime")]
    heads = ["network", *engines[:2], "ratio", *engines[2:], "ratio", "2t / 1t", "error"]
    rows = []
    for row in report["speed"]:
        if row["failure"]:
            rows.append([row["network"], *[""] * 7, row["failure"]])
            continue
        one, two = row["threads"]["1"], row["threads"]["2"]
        cells = [_times(one), _times(two)]
        scaling = one["lamina"] / two["lamina"]
        rows.append([row["network"], *cells[0], *cells[1], f"{scaling:.2f}", f"{row['error']:.0e}"])
    return heads, rows


def _summary_figures(report: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """The networks that most people know, on one thread."""
    heads = ["ms on one thread", "lamina", "onnxruntime", "ratio"]
    rows = {row["network"]: row for row in report["speed"] if not row["failure"]}
    return heads, [[name, *_times(rows[name]["threads"]["1"])] for name in WELL_KNOWN if name in rows]


def _times(times: dict[str, float]) -> list[str]:
    ours, theirs = times["lamina"], times["onnxruntime"]
    return [f"{ours:.2f}", f"{theirs:.2f}", f"{theirs / ours:.2f}"]


def _compile_figures(report: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """By phase: the passes one by one are what ``make bench`` prints."""
    heads = ["network", "imports", *PHASE_NAMES, "in all"]
    rows = []
    for row in report["compile"]:
        seconds = dict.fromkeys(PHASE_NAMES, 0.0)
        for phase, _, time in row["passes"]:
            seconds[phase] += time
        rows.append([row["network"], *(f"{time:.2f}" for time in (row["imports"], *seconds.values(), row["total"]))])
    return heads, rows


def _start_figures(report: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    heads = ["network", "opened from", "weights", "open", "first run", "process start to answer", "private memory"]
    rows = []
    for row in report["start"]:
        times = [f"{row[key]:.0f} ms" for key in ("open_ms", "first_run_ms", "total_ms")]
        memory = [f"{row[key]:.0f} MiB" for key in ("weights_mib", "second_private_mib")]
        rows.append([row["network"], row["opened"], memory[0], *times, memory[1]])
    return heads, rows


def _overhead_figures(report: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    calls, imports, widths = report["overhead"]["call_us"], report["overhead"]["import_ms"], report["widths"]
    memory = widths["resident_mib"]
    return ["what", "measured"], [
        *([f"a call on a one-op model, {engine}", f"{time:.1f} us"] for engine, time in calls.items()),
        ["`import lamina`", f"{imports['import lamina']:.0f} ms"],
        ["PP-OCRv4 recognition, resident memory after 10 widths", f"{memory[9]:.1f} MiB"],
        [f"the same after {len(memory)} widths", f"{memory[-1]:.1f} MiB"],
    ]


def _products_figures(report: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Of f32, on one thread, beside the peak of multiply-adds that was measured in the same turns."""
    rows = []
    for row in report["products"]["rows"]:
        engines = [
            cell for name in ("lamina", "onnxruntime") for cell in (f"{row[name]:.0f}", f"{row['shares'][name]:.0%}")
        ]
        rows.append([row["name"], f"{row['peak']:.0f}", *engines])
    return ["GFLOP/s", "peak", "lamina", "of the peak", "onnxruntime", "of the peak"], rows


def _narrow_figures(report: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    measured = report["narrow"]
    top = measured["peak"]
    heads = [f"GOP/s, peak of {measured['atom']} {top:.0f}", "lamina 1t", "of the peak", "onnxruntime 1t"]
    heads += ["lamina 2t", "onnxruntime 2t"]
    rows = []
    for row in measured["rows"]:
        one, two = ([row[f"{engine} {threads}"] for engine in ("lamina", "onnxruntime")] for threads in (1, 2))
        cells = [f"{one[0]:.0f}", f"{one[0] / top:.0%}", *(f"{speed:.0f}" for speed in (one[1], *two))]
        rows.append([row["name"], *cells])
    return heads, rows


def _few_bits_figures(report: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    measured = report["few-bits"]
    heads = ["us on one thread", "weights, MB", "lamina", "onnxruntime", "ratio", "lamina reads, GB/s"]
    rows = []
    for row in measured["rows"]:
        ours, theirs = row["seconds"]["lamina"], row["seconds"]["onnxruntime"]
        cells = [f"{row['bytes'] / 1e6:.1f}", f"{ours * 1e6:.0f}", f"{theirs * 1e6:.0f}", f"{theirs / ours:.2f}"]
        rows.append([row["name"], *cells, f"{row['bytes'] / ours / 1e9:.1f}"])
    return heads, [*rows, ["reading memory alone", "", "", "", "", f"{measured['bandwidth'] / 1e9:.1f}"]]


def _classical_figures(report: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    rows = []
    for row in report["classical"]:
        ours, theirs = row["lamina"], row["onnxruntime"]
        rows.append([row["name"], f"{row['rows']:,}", f"{ours:.1f}", f"{theirs:.1f}", f"{theirs / ours:.2f}"])
    return ["100 trees, us on one thread", "rows", "lamina", "onnxruntime", "ratio"], rows


def _quantised_figures(report: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    every = [times for row in report["quantised"] for times in row["threads"].values()]
    others = [name for name in ("onnxruntime", "openvino") if any(name in times for times in every)]
    heads = ["8-bit network, ms"]
    for threads in (1, 2):
        peers = [head for other in others for head in (f"{other} {threads}t", "ratio")]
        heads += [f"lamina {threads}t", *peers, "over own f32"]
    rows = []
    for row in report["quantised"]:
        cells = []
        for times in row["threads"].values():
            ours = times["lamina"]
            cells.append(f"{ours:.2f}")
            for other in others:
                cells += [f"{times[other]:.2f}", f"{times[other] / ours:.2f}"] if other in times else ["", ""]
            cells.append(f"{times['f32'] / ours:.2f}")
        rows.append([row["network"], *cells])
    return heads, rows


def _precision_figures(report: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    others = [name for name in ("f32", "openvino") if all(name in row["ms"] for row in report["precision"])]
    rows = []
    for row in report["precision"]:
        ours = row["ms"]["bf16"]
        beside = [cell for name in others for cell in (f"{row['ms'][name]:.2f}", f"{row['ms'][name] / ours:.2f}")]
        rows.append([row["network"], f"{ours:.2f}", *beside, f"{row['error']:.0e}"])
    heads = [head for name in others for head in (name if name == "f32" else f"{name} bf16", "ratio")]
    return ["ms on one thread", "bf16", *heads, "error, r.m.s."], rows


WELL_KNOWN = ("resnet50", "vgg16", "mobilenet_v2", "vit_b_16", "bert_base", "ppocr_v4_rec")
FIGURES = {
    "summary": _summary_figures,
    "machine": _machine_figures,
    "speed": _speed_figures,
    "compile": _compile_figures,
    "start": _start_figures,
    "overhead": _overhead_figures,
    "products": _products_figures,
    "narrow": _narrow_figures,
    "few_bits": _few_bits_figures,
    "classical": _classical_figures,
    "quantised": _quantised_figures,
    "precision": _precision_figures,
}


def _table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


WRITERS: dict[str, Callable[[str], str]] = {
    "level": level,
    "segment": segment,
    "assembly": assembly,
    "excerpt": excerpt,
    "loop": loop,
    "instructions": instructions,
    "operations": operations,
    "axes": axes,
    "decisions": decisions,
    "phases": phases,
    "passes": passes,
    "targets": targets,
    "atoms": atoms,
    "limits": limits,
    "figures": figures,
}


def main() -> None:
    check = "--check" in sys.argv[1:]
    stale = []
    for page in pages():
        text = page.read_text()
        new = regenerated(text)
        if new == text:
            continue
        stale.append(str(page.relative_to(ROOT)))
        if not check:
            page.write_text(new)
    if stale:
        print(("not as generated: " if check else "written: ") + ", ".join(stale))
    sys.exit(1 if check and stale else 0)


if __name__ == "__main__":
    main()
