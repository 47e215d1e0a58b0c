"""A schedule edited by hand is refused where its stages would touch memory that is another's."""

from __future__ import annotations

import pytest
from lamina.context import CompilerContext
from lamina.errors import OperationError
from lamina.passes.schedule.check_memory import check_memory
from xdsl.parser import Parser

TENSOR = "!layout.tensor<16 x f32>"


def stage(name: str, read: str, written: str) -> str:
    return f"""
  schedule.stage @{name} ins({read} : {TENSOR}) outs({written} : {TENSOR}) {{
  ^bb0(%i{name}: {TENSOR}):
    %r{name} = kernel.softmax ins(%i{name} : {TENSOR}) -> {TENSOR}
    schedule.yield %r{name} : {TENSOR}
  }}
"""


SCHEDULE = f"""
func.func @f(%x: {TENSOR}) -> {TENSOR} {{
  %a = schedule.buffer arena lives 0 to 1 offset 0 : {TENSOR}
  %b = schedule.buffer arena lives 1 to 2 offset 64 : {TENSOR}
  %w = schedule.buffer constant @w : {TENSOR}
  %y = schedule.buffer output 0 : {TENSOR}
  {stage("first", "%x", "%a")}
  schedule.barrier // 1
  {stage("second", "%a", "%b")}
  schedule.barrier // 2
  {stage("third", "%b", "%y")}
  func.return %y : {TENSOR}
}}
"""


def check(text: str) -> None:
    module = Parser(CompilerContext(), text).parse_module()
    module.verify()
    check_memory(module)


def test_the_schedule_is_right() -> None:
    check(SCHEDULE)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("schedule.barrier // 1", "", "%a is read with no schedule.barrier since the stage that writes it"),
        (stage("first", "%x", "%a"), "", "%a is read before a stage has written it"),
        (stage("third", "%b", "%y"), "", "no stage writes %y"),
        ("outs(%b :", "outs(%w :", "%w is written, and only arena and output buffers can be"),
        ("outs(%b :", "outs(%x :", "%x is written, and only arena and output buffers can be"),
        ("outs(%b :", "outs(%a :", "%a is written with no schedule.barrier since it was read"),
        ("offset 64", "offset 32", "expected a multiple of 64"),
        ("offset 64", "offset -64", "expected a multiple of 64, and 0 or more"),
        ("offset 64", "offset 0", "%b shares bytes 0 to 64 of the arena with %a, and both live at stage 1"),
        ("lives 1 to 2", "lives 1 to 1", "%b lives 1 to 1, and stages may touch it from 1 to 2"),
        ("lives 1 to 2", "lives 1 to 7", "%b lives 1 to 7: the stages are numbered 0 to 2"),
        ("lives 0 to 1", "lives -1 to 1", "%a lives -1 to 1: the stages are numbered 0 to 2"),
        ("output 0", "output 1", "%y is output 1, and is not returned as that"),
        ("return %y", "return %a", "%y is output 0, and is not returned as that"),
        ("return %y", "return %x", "%y is output 0, and is not returned as that"),
    ],
)
def test_a_mistake_is_named(old: str, new: str, message: str) -> None:
    assert SCHEDULE.count(old) == 1
    with pytest.raises(OperationError) as caught:
        check(SCHEDULE.replace(old, new))
    assert message in str(caught.value)
