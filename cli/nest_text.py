"""The nests of stages, for a person: axes with their sizes, what the plan says of them, how operands are reached."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING

from xdsl.dialects.builtin import ModuleOp

from ..dialects.axes import axis_sizes, form_of
from ..dialects.decision_fields import Nest, fields_of, text_of, words_of
from ..dialects.decisions import kernel_kind, kind_of
from ..dialects.schedule import StageOp
from ..dialects.shape import print_dimension


def nest_text(module: ModuleOp) -> str:
    """A paragraph a stage that multiplies and sums, in the order of the text."""
    stages = [op for op in module.walk() if isinstance(op, StageOp) and form_of(op.kernel) is not None]
    return "\n".join("\n".join(_paragraph(stage)) + "\n" for stage in stages)


def _paragraph(stage: StageOp) -> Iterator[str]:
    kernel, form = stage.kernel, form_of(stage.kernel)
    assert form is not None
    yield f"@{stage.stage_name.data} {kernel_kind(kernel)}"
    sizes, said = axis_sizes(kernel), _said(stage)
    for axis in form.axes:
        if axis.name in sizes:
            size = print_dimension(sizes[axis.name])
            yield f"  {axis.name:<2} {axis.kind:<9} {size:<12} {said.get(axis.name, '')}".rstrip()
    yield f"  {', '.join(form.reach)}"
    if stage.left_open:
        yield f"  not decided: {', '.join(words_of(fields_of(kind_of(kernel))[name]) for name in stage.left_open)}"
        return
    plan = stage.decided(Nest)
    yield f"  loops {text_of(plan.ordered(kernel))}, shared by threads {text_of(plan.shared(kernel))}, then tiles"
    if others := said.get(""):
        yield f"  {others}"
    if stage.scratch is not None:
        yield f"  scratch memory of a thread: {print_dimension(stage.scratch)} bytes"


def _said(stage: StageOp) -> dict[str, str]:
    """What the plan says of each axis, defaults too, and under no name what it says of the nest as a whole."""
    kind = kind_of(stage.kernel)
    values = kind.implied(stage.kernel) | stage.decisions
    found: dict[str, list[str]] = {}
    for name, entry in fields_of(kind).items():
        axis, word = entry.metadata["axis"], entry.metadata["word"] or name
        value = values.get(name, entry.default)
        if name not in ("order", "threads") and value is not MISSING:
            found.setdefault(axis, []).append(f"{word} {text_of(value)}")
    return {axis: ", ".join(phrases) for axis, phrases in found.items()}
