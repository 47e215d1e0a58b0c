"""A schedule edited by hand is refused where its stages would touch memory that is another's."""

from __future__ import annotations

import re

import pytest
from lamina.context import CompilerContext
from lamina.errors import OperationError
from lamina.passes.schedule.check_memory import ScheduleCheckMemoryPass
from xdsl.parser import Parser

TENSOR = "!layout.tensor<16 x f32>"


def stage(name: str, read: str, written: str) -> str:
    return f"""
  schedule.stage @{name} {written} = kernel.softmax({read})
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


def check(text: str, **rules: bool) -> None:
    context = CompilerContext()
    module = Parser(context, text).parse_module()
    module.verify()
    ScheduleCheckMemoryPass(**rules).apply(context, module)


def test_the_schedule_is_right() -> None:
    check(SCHEDULE)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("schedule.barrier // 1", "", "%a is read with no schedule.barrier since the stage that writes it"),
        (stage("first", "%x", "%a"), "", "%a is read before a stage has written it"),
        (stage("third", "%b", "%y"), "", "no stage writes %y"),
        ("@second %b", "@second %w", "%w is written, and only arena and output buffers can be"),
        ("@second %b", "@second %x", "%x is written, and only arena and output buffers can be"),
        ("@second %b", "@second %a", "%a is written after it was read"),
        ("offset 64", "offset 32", "expected a multiple of 64"),
        ("offset 64", "offset -64", "expected a multiple of 64, and 0 or more"),
        ("offset 64", "offset 6400", "offset 6400: all buffers one after another take 128 bytes"),
        ("offset 64", "offset 0", "%b shares bytes 0 to 64 of the arena with %a, and both live at stage 1"),
        ("lives 1 to 2", "lives 1 to 1", "%b lives 1 to 1, and stages may touch it from 1 to 2"),
        ("lives 1 to 2", "lives 1 to 7", "%b lives 1 to 7: the stages are numbered 0 to 2"),
        ("lives 0 to 1", "lives -1 to 1", "%a lives -1 to 1: the stages are numbered 0 to 2"),
        ("output 0", "output 1", "%y is output 1, and is not returned as that"),
        ("return %y", "return %a", "%y is output 0, and is not returned as that"),
        ("return %y", "return %x", "%y is output 0, and is not returned as that"),
        ("@third %y", "@third %b", "%b is written after it was read"),
    ],
)
def test_a_mistake_is_named(old: str, new: str, message: str) -> None:
    assert SCHEDULE.count(old) == 1
    # Whole or not: this one could be.
    for whole in (True, False):
        with pytest.raises(OperationError) as caught:
            check(SCHEDULE.replace(old, new), whole=whole)
        assert message in str(caught.value)


# --- in the making --------------------------------------------------------------------------------------


UNPLANNED = re.sub(r" lives \d to \d offset \d+", "", SCHEDULE.replace("schedule.barrier", ""))


def test_a_schedule_in_the_making_keeps_to_the_other_rules() -> None:
    check(UNPLANNED, whole=False)
    with pytest.raises(OperationError, match=r"%a is read with no schedule.barrier"):
        check(UNPLANNED)
    with pytest.raises(OperationError, match="%a does not say how long it lives: schedule-plan-arena finds out"):
        check(UNPLANNED, barriers=False)
    with pytest.raises(OperationError, match="%a is read before a stage has written it"):
        check(UNPLANNED.replace(stage("first", "%x", "%a"), ""), whole=False)


@pytest.mark.parametrize(
    ("old", "new", "rules"),
    [
        ("schedule.barrier // 1", "", {"barriers": False}),
        ("offset 64", "offset 0", {"arena": False}),
        ("lives 1 to 2", "lives 1 to 1", {"arena": False}),
    ],
)
def test_what_a_pass_will_see_to_is_no_mistake_yet(old: str, new: str, rules: dict[str, bool]) -> None:
    check(SCHEDULE.replace(old, new), **rules)


def test_a_piece_writes_what_it_is_given() -> None:
    def piece(text: str) -> str:
        return f"func.func @f(%x: {TENSOR}, %y: {TENSOR}, %z: {TENSOR}) {{ {text} func.return }}"

    first, second = stage("first", "%x", "%y"), stage("second", "%y", "%z")
    check(piece(first + "schedule.barrier" + second), whole=False)
    with pytest.raises(OperationError, match=r"%y is read with no schedule.barrier since the stage that writes it"):
        check(piece(first + second), whole=False)
    with pytest.raises(OperationError, match="%y is written after it was read"):
        check(piece(second + "schedule.barrier" + first), whole=False)
    with pytest.raises(OperationError, match="%y is written, and only arena and output buffers can be"):
        check(piece(first))


# --- parts ----------------------------------------------------------------------------------------------


ONE = "!layout.tensor<1 x f32>"


def written(type_: str, *views: tuple[str, str]) -> str:
    """A schedule whose stages each write a view of the output: the view's op and type are given."""
    lines = [f"func.func @f(%x: {ONE}) -> {type_} {{", f"  %y = schedule.buffer output 0 : {type_}"]
    for index, (view, part) in enumerate(views):
        lines += [
            f"  %p{index} = layout.{view} : {part}",
            f"  schedule.stage @s{index} %p{index} = kernel.broadcast(%x)",
        ]
    return "\n".join([*lines, f"  func.return %y : {type_}", "}"])


def rows(start: int | str, size: int | str, upper: int | str, layout: str = "ab window") -> tuple[str, str]:
    return f"window %y at [{start}, 0]", f"!layout.tensor<{size} x 16 x f32, {layout} [{start}, 0, {upper}, 0]>"


UNDER_HALO = ("window %y at [0, 0]", "!layout.tensor<2 x 16 x f32, ab window [1, 0, 3, 0]>")


@pytest.mark.parametrize(
    ("type_", "views"),
    [
        ("!layout.tensor<4 x 16 x f32>", [rows(0, 2, 2), rows(2, 2, 0)]),
        ("!layout.tensor<2 * N x 16 x f32>", [rows(0, "N", "N"), rows("N", "N", 0)]),
        ("!layout.tensor<4 x 16 x f32>", [("transpose %y [1, 0]", "!layout.tensor<16 x 4 x f32, ba>")]),
        ("!layout.tensor<4 x 16 x f32>", [("reshape %y", "!layout.tensor<64 x f32>")]),
    ],
)
def test_stages_may_write_views_that_are_together_the_buffer(type_: str, views: list[tuple[str, str]]) -> None:
    check(written(type_, *views))


@pytest.mark.parametrize(
    ("type_", "views", "message"),
    [
        ("4 x 16 x f32", [rows(0, 2, 2)], "%y is returned, and stages have written a part of it only"),
        ("4 x 16 x f32", [rows(0, 2, 2), rows(1, 2, 1)], "%y is written twice: @s0 writes it or a part of it, too"),
        ("N + 2 x 16 x f32", [rows(0, "N", 2), rows("N", 1, 1)], "stages have written a part of it only"),
        ("N + 2 x 16 x f32", [rows(0, "N", 2), rows("M", 2, "N - M")], "%y is written twice: @s0"),
        ("4 x 16 x f32, ab halo [1, 0, 1, 0]", [UNDER_HALO], "written, and nobody writes the zeros around it"),
        ("4 x 16 x f32, Ab3a", [rows(0, 2, 2, "Ab3a window")], "a part is written that cuts blocks of 3 along axis 0"),
    ],
)
def test_parts_that_no_stages_can_write_side_by_side_are_named(
    type_: str, views: list[tuple[str, str]], message: str
) -> None:
    with pytest.raises(OperationError) as caught:
        check(written(f"!layout.tensor<{type_}>", *views))
    assert message in str(caught.value)


# --- a batch in steps --------------------------------------------------------------------------------------

IN_STEPS = """
func.func @f(%x: !layout.tensor<5 x 16 x f32>) -> !layout.tensor<5 x 16 x f32> {
  %g = schedule.buffer arena lives 0 to 1 offset 0 : !layout.tensor<5 x 16 x f32>
  %y = schedule.buffer output 0 : !layout.tensor<5 x 16 x f32>
  schedule.stage @first %g = kernel.softmax(%x)
  schedule.barrier // 1
  schedule.batches @steps reads(%p = %g) writes(%q = %y) 2 as n of 5 {
    %h = schedule.buffer arena lives 0 to 1 offset 0 : !layout.tensor<n x 16 x f32>
    %i = schedule.buffer arena lives 1 to 2 offset 128 : !layout.tensor<n x 16 x f32>
    schedule.stage @second %h = kernel.softmax(%p)
    schedule.barrier // 2
    schedule.stage @third %i = kernel.softmax(%h)
    schedule.barrier // 3
    schedule.stage @fourth %q = kernel.softmax(%i)
  }
  func.return %y : !layout.tensor<5 x 16 x f32>
}
"""


def test_the_schedule_in_steps_is_right() -> None:
    check(IN_STEPS)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("schedule.barrier // 1", "", "%g is read with no schedule.barrier since the stage that writes it"),
        ("schedule.barrier // 2", "", "%h is read with no schedule.barrier since the stage that writes it"),
        ("offset 128", "offset 64", "%i shares bytes 64 to 128 of the arena with %h, and both live at stage 1"),
        ("offset 128", "offset 100", "expected a multiple of 64"),
        (
            "%i = schedule.buffer arena lives 1 to 2",
            "%i = schedule.buffer arena lives 1 to 1",
            "may touch it from 1 to 2",
        ),
        ("%i = schedule.buffer arena lives 1 to 2", "%i = schedule.buffer arena lives 1 to 4", "numbered 0 to 2"),
        ("@fourth %q = kernel.softmax(%i)", "@fourth %p = kernel.softmax(%i)", "%p is written, and only"),
        ("schedule.stage @fourth %q = kernel.softmax(%i)", "", "no stage inside writes the images of %y"),
        (
            "@third %i = kernel.softmax(%h)",
            "@third %i = kernel.softmax(%q)",
            "%q is read before a stage has written it",
        ),
        ("lives 0 to 1 offset 0 : !layout.tensor<5", "lives 0 to 0 offset 0 : !layout.tensor<5", "lives 0 to 0"),
    ],
)
def test_wrong_steps_are_refused(old: str, new: str, message: str) -> None:
    assert IN_STEPS.count(old) == 1
    with pytest.raises(OperationError, match=re.escape(message)):
        check(IN_STEPS.replace(old, new))
