"""Every wrong edit of the memory and order of a schedule is refused at its operation, on networks of all kinds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lamina
import numpy as np
import onnx
import pytest
from lamina.benchmarks.small_networks import PICTURES, SENTENCES, STATISTICS
from lamina.benchmarks.zoo import zoo_model
from lamina.cli.failures import describe
from lamina.cli.lamina_opt import LaminaOptMain
from lamina.cli.level_text import LevelText
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


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "free_pictures"])
def test_what_compiles_from_the_text_gives_the_same_bits(name: str, tmp_path: Path) -> None:
    model = NETWORKS[name]().SerializeToString()
    options = PipelineOptions(use_cache=False, dump_folder=tmp_path)
    expected = lamina.compile(model, threads=2, options=options)
    with LevelText.from_options(tmp_path / "3-schedule.mlir", None, None).opened("host", 3.0, "flush") as opened:
        found = compile_module(*opened, start="schedule", threads=2)
    rng = np.random.default_rng(3)
    feeds = {
        info.name: rng.uniform(0, 5, [d if isinstance(d, int) else 9 for d in info.shape]).astype(info.dtype)
        for info in expected.inputs
    }
    outputs = found.run(feeds)
    for output, wanted in expected.run(feeds).items():
        assert outputs[output].tobytes() == wanted.tobytes()


# --- each kind of wrong edit has a place ------------------------------------------------------------------

NO_BARRIER = "%r is read with no schedule.barrier since the stage that writes it"
# A pattern in the text of small_network on AVX2, what it becomes, and what is said, and where.
EDITS = {
    "a misspelt decision": (r"m tile", "m tlie", "axis m of kernel.gemm has no 'tlie': did you mean 'tile'?"),
    "a misspelt decision of no axis": (r"m tile", "patc true, m tile", "'patc': did you mean 'pack'?"),
    "another kernel's axis": (r"m tile", "ow tile", "kernel.gemm has no axis or decision 'ow', it has m, n, k"),
    "an impossible number": (r"m tile \d+", "m tile -2", "m tile -2, expected 1 to 64"),
    "an impossible word": (r"ow tile 4", "along widht", "along widht, expected width or height"),
    "a decision said twice": (r"m tile \d+", "m tile 1 tile 2", "'m tile' is decided twice"),
    "a decision said in two ways": (r"ow tile 4", "ow tile 4, oh tile 4", "'oh tile' is decided twice"),
    "a decision that is missing": (r", n tile 8", "", "the plan does not say 'n tile'"),
    "an axis that there is not": (r"m tile", "order [k], m tile", "order [k], expected some of [b, n, m], each once"),
    "an axis twice": (r"m tile", "order [m, m], m tile", "order [m, m], expected some of [b, n, m], each once"),
    "threads of no run of axes": (r"m tile", "threads [b, m], m tile", "[b, m], which do not follow each other"),
    "an impossible width": (r"oc blocks 1", "oc blocks 3", "w is packed in blocks of 24 output channels"),
    "a misspelt attribute": (r" pads \[", " pad [", "'pad' is no part of a stage of kernel.conv"),
    "a misspelt algorithm": (r"conv direct", "conv dirct", "dirct"),
    "a misspelt kernel": (r"kernel.pool", "kernel.pol", "did you mean 'kernel.pool'?"),
    "a layout that the kernel does not take": (r" packed : (.*4 x 5 x f32)>", r" : \1, Ab8a>", "B lies in Ab8a"),
    "a removed barrier": (r"    schedule.barrier\n(.*pool0)", r"\1", NO_BARRIER),
    "a removed stage": (r"    schedule.stage @pool0.*\n", "", "%p is read before a stage has written it"),
    "an offset that is not aligned": (r"offset 1216", "offset 1217", "offset 1217: expected a multiple of 64"),
    "an offset in a live buffer": (r"offset 1216", "offset 64", "%r shares bytes 64 to "),
    "an offset beyond the arena": (r"offset 1216", "offset 640000", "all buffers one after another take"),
    "a life that is too short": (r"lives 1 to 2", "lives 1 to 1", "stages may touch it from 1 to 2"),
    "a misspelt word": (r"lives 1 to 2", "livs 1 to 2", "'livs' is no part of a buffer: expected lives"),
    "an output that is not returned": (r"output 0", "output 1", "%y is output 1, and is not returned as that"),
}  # fmt: skip


@pytest.fixture(scope="module")
def dumped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dumped")
    module, context = import_for(small_network().SerializeToString(), target="avx2")
    compile_through(module, context, stop="schedule", options=PipelineOptions(dump_folder=folder))
    return folder


@pytest.mark.parametrize("kind", EDITS)
def test_each_kind_of_wrong_edit_has_a_place(kind: str, dumped: Path) -> None:
    text, (pattern, new, message) = (dumped / "3-schedule.mlir").read_text(), EDITS[kind]
    (found,) = re.finditer(pattern, text)
    edited = dumped / "3-schedule.edited.mlir"
    edited.write_text(text[: found.start()] + found.expand(new) + text[found.end() :])
    for said in (said_by_compile(edited), said_by_lamina_opt(edited)):
        place = re.match(rf"{re.escape(str(edited))}:(\d+):\d+: ?", said)
        assert place is not None, said
        # Where the edit stands, or what it makes wrong.
        assert int(place[1]) > text[: found.start()].count("\n")
        assert message in said


def said_by_compile(path: Path) -> str:
    with pytest.raises(Exception) as caught, LevelText.from_options(path, None, None).opened("avx2", 3.0, "flush"):
        pass
    return describe(caught.value, "lamina").message


def said_by_lamina_opt(path: Path) -> str:
    """Of the text alone."""
    with pytest.raises(Exception) as caught:
        LaminaOptMain([str(path), "-o", str(path.with_suffix(".out"))]).run()
    return describe(caught.value, "lamina-opt").message
