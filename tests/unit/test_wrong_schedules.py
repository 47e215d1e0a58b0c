"""Every wrong edit of the memory and order of a schedule is refused at its operation, on networks of all kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import lamina
import numpy as np
import onnx
import pytest
from lamina.benchmarks.small_networks import PICTURES, SENTENCES, STATISTICS
from lamina.benchmarks.zoo import zoo_model
from lamina.cli.text_checks import check_program
from lamina.compiler import compile_module, import_for
from lamina.context import CompilerContext
from lamina.dialects.schedule import BarrierOp, BufferOp, StageOp
from lamina.errors import OperationError
from lamina.pipeline import PipelineOptions, check_rules, compile_through, module_text, phase_named
from small_models import model_of, node, recurrence, small_network, whole
from xdsl.dialects.builtin import IntegerAttr, ModuleOp, i64
from xdsl.dialects.func import FuncOp
from xdsl.parser import Parser


def free_pictures() -> onnx.ModelProto:
    rng = np.random.default_rng(0)
    nodes = [
        node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
        node("Relu", ["c"], ["r"]),
        node("Conv", ["r", "v"], ["d"], pads=[1, 1, 1, 1]),
        node("Add", ["d", "r"], ["a"]),
        node("ReduceMean", ["a", "axes"], ["y"], keepdims=0),
    ]
    shapes = {"w": (16, 3, 3, 3), "v": (16, 16, 3, 3)}
    weights = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    return model_of(nodes, {"x": [2, 3, "H", "W"]}, weights | {"axes": whole(2, 3)})  # pyright: ignore[reportArgumentType]


NETWORKS: dict[str, Callable[[], onnx.ModelProto]] = {
    "small_network": small_network,
    "free_pictures": free_pictures,
    "recurrence": recurrence,
    "pictures": PICTURES.model,
    "sentences": SENTENCES.model,
    "statistics": STATISTICS.model,
}


@pytest.fixture(scope="module", params=NETWORKS)
def scheduled(request: pytest.FixtureRequest) -> tuple[ModuleOp, CompilerContext]:
    module, context = import_for(NETWORKS[request.param]().SerializeToString(), target="avx2")
    return compile_through(module, context, stop="schedule"), context


def functions(module: ModuleOp) -> Iterator[FuncOp]:
    return (op for op in module.ops if isinstance(op, FuncOp) and op.sym_name.data != "main")


def operations(module: ModuleOp, kind: type) -> list[Any]:
    """The operations of a kind by their number, which a copy of the module has too."""
    return [op for function in functions(module) for op in function.body.block.ops if isinstance(op, kind)]


def refusal(scheduled: tuple[ModuleOp, CompilerContext], kind: type, number: int, edit: Callable[[Any], Any]) -> str:
    """What is said of the schedule after an edit of one operation; empty where nothing is."""
    module, context = scheduled[0].clone(), scheduled[1]
    edit(operations(module, kind)[number])
    try:
        check_rules(module, context, phase_named("schedule"))
    except OperationError as error:
        return str(error)
    return ""


def test_a_removed_barrier_is_said(scheduled) -> None:
    check_rules(*scheduled, phase_named("schedule"))
    for number in range(len(operations(scheduled[0], BarrierOp))):
        assert refusal(scheduled, BarrierOp, number, lambda op: op.detach()), f"barrier {number}"


def test_a_removed_stage_is_said(scheduled) -> None:
    for number, stage in enumerate(operations(scheduled[0], StageOp)):
        said = refusal(scheduled, StageOp, number, lambda op: op.detach())
        assert "before a stage has written it" in said or "no stage writes" in said, stage


def test_a_life_that_is_too_short_or_impossible_is_said(scheduled) -> None:
    for number, buffer in enumerate(operations(scheduled[0], BufferOp)):
        if buffer.kind.data != "arena":
            continue
        first, last = buffer.lives
        for lives in ((first, first), (last, last), (last, first), (-1, last), (first, 10_000)):
            if lives != (first, last):
                said = refusal(scheduled, BufferOp, number, lambda op, lives=lives: op.set_lives(*lives))
                # Stages between the same two barriers are one moment.
                assert said or lives in ((first, first), (last, last)), (buffer, lives)


def test_an_offset_in_a_live_buffer_is_said(scheduled) -> None:
    placed = [(number, op) for number, op in enumerate(operations(scheduled[0], BufferOp)) if op.offset is not None]
    for number, buffer in placed:
        for offset in (-64, buffer.offset.value.data + 32):
            assert "expected a multiple of 64" in refusal(scheduled, BufferOp, number, moved_to(offset))
        for _, other in placed:
            meets = other.lives[0] <= buffer.lives[1] and buffer.lives[0] <= other.lives[1]
            if other is not buffer and meets and other.parent is buffer.parent:
                said = refusal(scheduled, BufferOp, number, moved_to(other.offset.value.data))
                assert "shares bytes" in said, (buffer, other)


def moved_to(offset: int) -> Callable[[Any], None]:
    def move(buffer: Any) -> None:
        buffer.offset = IntegerAttr(offset, i64)

    return move


def test_outputs_are_numbered_as_they_are_returned(scheduled) -> None:
    def numbered(index: int) -> Callable[[Any], None]:
        def number(buffer: Any) -> None:
            buffer.index = IntegerAttr(index, i64)

        return number

    for number, buffer in enumerate(operations(scheduled[0], BufferOp)):
        if buffer.kind.data == "output":
            for index in (-1, buffer.index.value.data + 1, 7):
                assert "is not returned as that" in refusal(scheduled, BufferOp, number, numbered(index))


# --- the text is complete --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*NETWORKS, "squeezenet1_1"])
def test_the_text_says_all(name: str) -> None:
    model = NETWORKS[name]().SerializeToString() if name in NETWORKS else zoo_model(name).read_bytes()
    module, context = import_for(model, target="avx2")
    text = module_text(compile_through(module, context, stop="schedule"))
    again = Parser(context, text).parse_module()
    again.verify()
    check_program(again, context, "schedule")
    assert module_text(again) == text


@pytest.mark.parametrize("name", ["small_network", "statistics", "recurrence"])
def test_what_compiles_from_the_text_gives_the_same_bits(name: str) -> None:
    model = NETWORKS[name]().SerializeToString()
    expected = lamina.compile(model, threads=2, options=PipelineOptions(use_cache=False))
    module, context = import_for(model)
    text = module_text(compile_through(module, context, stop="schedule"))
    found = compile_module(Parser(context, text).parse_module(), context, start="schedule", threads=2)
    rng = np.random.default_rng(3)
    feeds = {
        info.name: rng.uniform(0, 5, [d if isinstance(d, int) else 9 for d in info.shape]).astype(info.dtype)
        for info in expected.inputs
    }
    outputs = found.run(feeds)
    for output, wanted in expected.run(feeds).items():
        assert outputs[output].tobytes() == wanted.tobytes()
