"""Decisions of a schedule: misspelt, another kernel's or impossible ones are errors at their place, for each kernel."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
from lamina.cli.located_parser import read_text
from lamina.cli.text_errors import text_errors
from lamina.context import CompilerContext
from lamina.dialects.axes import FORMS
from lamina.dialects.decision_fields import Nest, fields_of, words_of
from lamina.dialects.decisions import KINDS, kernel_kind
from lamina.dialects.schedule import StageOp
from lamina.lowering.kernel_to_schedule import LowerKernelToSchedulePass
from lamina.lowering.schedule_to_loops import GENERATORS
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.utils.exceptions import ParseError

OPS = Path(__file__).parents[1] / "filecheck" / "dialects" / "kernel"
SPLIT = "// -----"
CONVERT = """
func.func @convert(%x: !layout.tensor<4 x f32>) {
  %0 = layout.convert %x : !layout.tensor<4 x f32, A16a>
  func.return
}
"""


@functools.cache
def stages() -> dict[str, str]:
    """A schedule of one stage for each kind of kernel, with a place for its decisions."""
    context = CompilerContext()
    # What comes first in a text is right.
    texts = [(OPS / name).read_text().partition(SPLIT)[0] for name in ("ops.mlir", "trees.mlir")]
    module, _ = read_text(context, "\n".join([*texts, CONVERT]).encode(), "ops.mlir")
    LowerKernelToSchedulePass().apply(context, module)
    found: dict[str, str] = {}
    for stage in [op for op in module.walk() if isinstance(op, StageOp)]:
        algorithms = [kind.partition(" ")[2] for kind in KINDS if kind.startswith(f"{stage.kernel.name} ")]
        for algorithm in algorithms or [""]:
            if algorithm:
                stage.kernel.properties["algorithm"] = StringAttr(algorithm)
            stage.decide({"PLACE": 0})
            function = stage.parent_op()
            assert function is not None
            found[kernel_kind(stage.kernel)] = str(ModuleOp([function.clone()]))
        stage.decide({})
    return found


def refusal(kind: str, decisions: str, word: str = "") -> ParseError:
    """Of a plan of these decisions, at its place or at that of a word of it."""
    text = stages()[kind].replace("PLACE 0", decisions)
    with pytest.raises(ParseError) as caught:
        module, spans = read_text(CompilerContext(), text.encode(), "edited.mlir")
        with text_errors("edited.mlir", module, spans):
            module.verify()
    plan = f"plan {{{decisions}}}"
    number, line = next((number, line) for number, line in enumerate(text.splitlines(), 1) if plan in line)
    column = line.index(plan) + len("plan {") + decisions.index(word) + 1
    assert f"edited.mlir:{number}:{column}" in str(caught.value)
    return caught.value


def test_every_kernel_has_its_decisions() -> None:
    assert stages().keys() == GENERATORS.keys()
    assert KINDS.keys() == GENERATORS.keys() - {"kernel.dim_values", "kernel.range"}


@pytest.mark.parametrize("kind", KINDS)
def test_what_no_decision_of_the_kernel_is_called_is_refused(kind: str) -> None:
    known = [words_of(entry) for entry in fields_of(KINDS[kind]).values()]
    axes = {words.split(" ")[0] for words in known}
    for words in known:
        axis, _, word = words.partition(" ")
        misspelt = f"{axis} {word[:-1]}" if word else axis[:-1]
        assert f"did you mean '{word or axis}'?" in refusal(kind, f"{misspelt} 1", word[:-1]).msg
    others = {words_of(entry).split(" ")[0] for other in KINDS.values() for entry in fields_of(other).values()}
    for name in others - axes - {"oh"}:
        assert f"{kind} has no axis or decision '{name}'" in refusal(kind, f"{name} 1").msg


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_decision_cannot_be_is_refused(kind: str) -> None:
    for entry in fields_of(KINDS[kind]).values():
        words, choices = words_of(entry), entry.metadata["choices"]
        zero = [] if choices is not None and 0 in choices else ["0"]
        for value in (*zero, "-1", "99999999", "chanels"):
            word = words.partition(" ")[2]
            assert f"{words} {value}, expected " in refusal(kind, f"{words} {value}", word).msg


@pytest.mark.parametrize("kind", FORMS)
def test_plans_speak_of_the_axes_of_the_kernel(kind: str) -> None:
    nest, axes = KINDS[kind], {axis.name: axis for axis in FORMS[kind].axes}
    assert issubclass(nest, Nest)
    assert {
        words_of(entry).split(" ")[0] for entry in fields_of(nest).values() if entry.metadata["axis"]
    } <= axes.keys()
    # What is summed is summed inside.
    assert not any(axes[name].is_summed for name in nest.OUTER)
    stated = {other for other, decisions in KINDS.items() if issubclass(decisions, Nest)}
    assert stated == FORMS.keys()
