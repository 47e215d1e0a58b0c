"""Decisions of a schedule: misspelt, another kernel's or impossible ones are errors at their place, for each kernel."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
from lamina.cli.located_parser import read_text
from lamina.cli.text_errors import text_errors
from lamina.context import CompilerContext
from lamina.dialects.decisions import KINDS, fields_of, kernel_kind
from lamina.dialects.schedule import StageOp
from lamina.lowering.kernel_to_schedule import LowerKernelToSchedulePass
from lamina.lowering.schedule_to_loops import GENERATORS
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.utils.exceptions import ParseError

OPS = Path(__file__).parents[1] / "filecheck" / "dialects" / "kernel" / "ops.mlir"
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
    module, _ = read_text(context, (OPS.read_text() + CONVERT).encode(), "ops.mlir")
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


def refusal(kind: str, decisions: str) -> ParseError:
    text = stages()[kind].replace("PLACE = 0", decisions)
    with pytest.raises(ParseError) as caught:
        module, spans = read_text(CompilerContext(), text.encode(), "edited.mlir")
        with text_errors("edited.mlir", module, spans):
            module.verify()
    number, line = next((number, line) for number, line in enumerate(text.splitlines(), 1) if decisions in line)
    assert f"edited.mlir:{number}:{line.index(decisions) + 1}" in str(caught.value)
    return caught.value


def test_every_kernel_has_its_decisions() -> None:
    assert stages().keys() == KINDS.keys() == GENERATORS.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_what_no_decision_of_the_kernel_is_called_is_refused(kind: str) -> None:
    known = fields_of(KINDS[kind])
    for name in known:
        assert f"did you mean '{name}'?" in refusal(kind, f"{name[:-1]} = 1").msg
    others = {name for other in KINDS.values() for name in fields_of(other)} - known.keys()
    for name in others:
        assert f"{kind} has no decision '{name}'" in refusal(kind, f"{name} = 1").msg


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_decision_cannot_be_is_refused(kind: str) -> None:
    for name in fields_of(KINDS[kind]):
        zero = [] if 0 in fields_of(KINDS[kind])[name].metadata["choices"] else ["0"]
        for value in (*zero, "-1", "99999999", "chanels"):
            assert f"{name} = {value}, expected " in refusal(kind, f"{name} = {value}").msg
