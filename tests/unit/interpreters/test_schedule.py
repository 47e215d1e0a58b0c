"""The schedule interpreter: memory as the machine has it, and what it finds wrong."""

from __future__ import annotations

import numpy as np
import pytest
from lamina.context import CompilerContext
from lamina.interpreters.schedule import MemoryHazard, ScheduleRules, StageRun, interpret_schedule
from xdsl.dialects.func import FuncOp
from xdsl.parser import Parser

T = "!layout.tensor<N x 4 x f32>"


def stage(name: str, source: str, target: str, operation: str) -> str:
    return f"""
  schedule.stage @{name} {target} = kernel.map({source}) each(%e) {{%r = {operation} %e, %e : f32}}"""


DOUBLE = stage("double", "%x", "%a", "arith.addf")
SQUARE = stage("square", "%a", "%b", "arith.mulf")
AGAIN = stage("again", "%b", "%y", "arith.addf")
BARRIER = "\n  schedule.barrier"


def function(*stages: str, lives: tuple[str, str] = ("0 to 1", "1 to 2")) -> FuncOp:
    text = f"""func.func @segment0(%x: {T}) -> {T} {{
  %a = schedule.buffer arena lives {lives[0]} : {T}
  %b = schedule.buffer arena lives {lives[1]} : {T}
  %y = schedule.buffer output 0 : {T}
{"".join(stages)}
  func.return %y : {T}
}}"""
    (found,) = Parser(CompilerContext(), text).parse_module().ops
    assert isinstance(found, FuncOp)
    return found


X = np.arange(8, dtype=np.float32).reshape(2, 4)


def test_stages_hand_on_memory_of_free_sizes() -> None:
    runs: list[StageRun] = []
    (y,) = interpret_schedule(function(DOUBLE, BARRIER, SQUARE, BARRIER, AGAIN), [X], {}, observe=runs.append)
    np.testing.assert_array_equal(y, 2 * (2 * X) ** 2)
    assert [run.stage.stage_name.data for run in runs] == ["double", "square", "again"]
    assert runs[1].symbols == {"N": 2}
    np.testing.assert_array_equal(runs[1].inputs[0].view(np.float32), (2 * X).ravel())
    np.testing.assert_array_equal(runs[1].outputs[0].view(np.float32), ((2 * X) ** 2).ravel())


def test_a_missing_barrier() -> None:
    with pytest.raises(MemoryHazard, match="@square reads %a before any stage has surely written it"):
        interpret_schedule(function(DOUBLE, SQUARE, BARRIER, AGAIN), [X], {})


def test_before_barriers_are_placed_the_text_is_the_order() -> None:
    rules = ScheduleRules(barriers=False, arena=False)
    (y,) = interpret_schedule(function(DOUBLE, SQUARE, AGAIN), [X], {}, rules=rules)
    np.testing.assert_array_equal(y, 2 * (2 * X) ** 2)


def test_buffers_of_one_stage_that_overlap() -> None:
    wrong = function(DOUBLE, BARRIER, SQUARE, BARRIER, AGAIN, lives=("0 to 0", "1 to 2"))
    with pytest.raises(MemoryHazard, match="@square overwrites %a with %b while @square uses it"):
        interpret_schedule(wrong, [X], {})


def test_a_buffer_overwritten_while_it_is_needed() -> None:
    other = stage("other", "%x", "%b", "arith.mulf")
    late = stage("late", "%a", "%y", "arith.addf")
    wrong = function(DOUBLE, BARRIER, other, BARRIER, late, lives=("0 to 0", "1 to 1"))
    with pytest.raises(MemoryHazard, match=r"@late reads %a, which @double wrote, .* shares bytes with %b of @other"):
        interpret_schedule(wrong, [X], {})
