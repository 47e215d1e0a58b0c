"""No kernel leaves its buffers: checked code says so, and so do pages around each buffer that cannot be touched.

``LAMINA_FUZZ=2000 pytest tests/numeric/test_memory_access.py`` takes all of ONNX's cases and more random models.
"""

from __future__ import annotations

import os
import random
import warnings
from pathlib import Path

import lamina
import numpy as np
import onnx
import pytest
from lamina.backend.compile_image import compile_image as generate_code
from lamina.cache.models import find_entry
from lamina.context import CompilerContext
from lamina.machines import target_by_name
from lamina.runtime.errors import MemoryAccessError
from lamina.runtime.image import MappedImage
from lamina.runtime.inspection import run_kernel
from lamina.runtime.memory import address_of
from lamina.universe import UNIVERSE
from memory_access import CHECKED, assert_stays_in_its_memory
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from random_model import RandomModel
from random_steps import STEPS
from xdsl.parser import Parser

COUNT = int(os.environ.get("LAMINA_FUZZ", "40"))
FIRST = int(os.environ.get("LAMINA_FUZZ_SEED", "1"))

COPY = """
func.func @copy(%x: memref<?xf32>, %y: memref<?xf32>, %i: index, %n: index, %thread: index, %threads: index)
    attributes {lamina.kernel} {
  %zero = arith.constant 0 : index
  %none = arith.constant dense<0.0> : vector<16xf32>
  %on = vector.create_mask %n : vector<16xi1>
  %v = vector.maskedload %x[%i], %on, %none : memref<?xf32>, vector<16xi1>, vector<16xf32> into vector<16xf32>
  %first = memref.load %x[%i] : memref<?xf32>
  vector.maskedstore %y[%zero], %on, %v : memref<?xf32>, vector<16xi1>, vector<16xf32>
  memref.store %first, %y[%zero] : memref<?xf32>
  func.return
}
"""


@pytest.fixture(scope="module", params=["host", "avx2", "x86_64"])
def checked_copy(request: pytest.FixtureRequest) -> MappedImage:
    """The kernel above, checked, with masks and without."""
    target = target_by_name(request.param)
    if target.architecture != target_by_name("host").architecture:
        pytest.skip("code for another machine")
    context = CompilerContext(target=target)
    module = Parser(context, COPY).parse_module()
    for name in ("lower-loops-to-llvm", "llvm-check-bounds"):
        UNIVERSE.all_passes[name]()().apply(context, module)
    image = generate_code(module, target)
    return MappedImage(image.data, image.symbols)


@pytest.mark.parametrize(
    "index, lanes, place",
    [(0, 16, None), (4, 16, None), (19, 1, None), (5, 15, None), (5, 16, (0, 20)), (20, 1, (0, 80)), (-1, 3, (0, -4)),
     (1 << 40, 2, (0, 1 << 42))],
)  # fmt: skip
def test_an_access_outside_is_told_and_not_made(
    checked_copy: MappedImage, index: int, lanes: int, place: tuple[int, int] | None
) -> None:
    x, y, report = np.arange(20, dtype=np.float32), np.zeros(16, np.float32), np.zeros(1, np.int64)
    buffers = [array.view(np.uint8) for array in (x, y)]
    run_kernel(checked_copy, "copy", [*buffers, index, lanes, x.nbytes, y.nbytes, address_of(report)])
    word = int(report[0])
    if place is None:
        assert word == 0
        np.testing.assert_array_equal(y[:lanes], x[index : index + lanes])
        return
    offset = word & ((1 << 48) - 1)
    offset -= (offset >> 47) << 48
    assert (word >> 48) - 1 == place[0]
    # A masked access without masks in the machine is one for each lane; the last one is told of.
    assert place[1] <= offset <= place[1] + 4 * lanes


def softmax_model() -> onnx.ModelProto:
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 5])]
    nodes = [helper.make_node("Softmax", ["x"], ["y"])]
    graph = helper.make_graph(nodes, "g", inputs, [helper.make_empty_tensor_value_info("y")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def test_zeros_that_are_read_through_the_pointer_of_an_image_are_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lamina.passes.kernel.choose_algorithms.applicable_algorithms", lambda *_: ["indirect"])
    w = np.random.default_rng(0).standard_normal((4, 2, 3, 3)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2, "H", 5])],
        [helper.make_empty_tensor_value_info("y")],
        [numpy_helper.from_array(w, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    x = np.random.default_rng(1).standard_normal((2, 2, 4, 5)).astype(np.float32)
    checked = lamina.compile(model, threads=2, options=CHECKED())
    assert any(
        "indirect" in stage.function for segment in checked.program.segments.values() for stage in segment.stages
    )
    (expected,) = ReferenceEvaluator(model).run(None, {"x": x})
    np.testing.assert_allclose(checked.run({"x": x})["y"], expected, rtol=1e-5, atol=1e-5)


def test_a_run_that_leaves_a_buffer_ends_with_its_place() -> None:
    """Told that the input is a row shorter than it is, the code finds its last row outside."""
    x = np.ones((7, 5), np.float32)
    model = lamina.compile(softmax_model(), threads=1, options=CHECKED())
    np.testing.assert_allclose(model.run({"x": x})["y"], 0.2, rtol=1e-6)
    model = lamina.compile(softmax_model(), threads=1, options=CHECKED())
    (segment,) = model.program.segments.values()
    (stage,) = segment.stages
    sizes = [number for number, argument in enumerate(stage.arguments) if argument[0] == "dim"][-2:]
    stage.arguments[sizes[0]] = ("dim", f"({stage.arguments[sizes[0]][1]})-20")
    for run in (model.run, model.run_guarded, model.run_poisoned):
        with pytest.raises(
            MemoryAccessError, match=rf"stage '{stage.name}' .* accesses byte 1[2-3]\d of buffer 'input0'"
        ):
            run({"x": x})


def test_checked_code_is_apart_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMINA_CACHE", "on")
    monkeypatch.setenv("LAMINA_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("LAMINA_CHECKED", raising=False)
    model = softmax_model()
    plain, checked = find_entry(model, None, "host"), find_entry(model, None, "host", checked=True)
    assert plain is not None and checked is not None
    assert plain.request != checked.request
    monkeypatch.setenv("LAMINA_CHECKED", "1")
    lamina.compile(model, threads=1)
    found = checked.load(1)
    assert plain.load(1) is None and found is not None
    (segment,) = found.program.segments.values()
    assert segment.buffers[-1].kind == "report"
    np.testing.assert_allclose(found.run({"x": np.zeros((3, 5), np.float32)})["y"], 0.2, rtol=1e-6)


def conformance_cases() -> list:
    """ONNX's cases that can be fed with arrays: one for each operator, or all of them."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        cases = collect_testcases(None)  # pyright: ignore[reportArgumentType]
    chosen = {case.model.graph.node[-1].op_type if COUNT < 1000 else case.name: case for case in cases}
    return list(chosen.values())


def fed(case) -> dict[str, np.ndarray] | None:
    """The feeds of a case; None where one is no array."""
    values = [numpy_helper.to_array(v) if isinstance(v, onnx.TensorProto) else v for v in case.data_sets[0][0]]
    if not all(isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biuf" for value in values):
        return None
    return {info.name: np.asarray(value) for info, value in zip(case.model.graph.input, values, strict=False)}


@pytest.mark.parametrize("block", range(4))
def test_conformance_cases_stay_in_their_memory(block: int) -> None:
    ran = 0
    for case in conformance_cases()[block::4]:
        feeds = fed(case)
        if feeds is not None:
            with np.errstate(all="ignore"):
                ran += assert_stays_in_its_memory(case.model, feeds, case.name)
    assert ran > 10


@pytest.mark.parametrize("block", range(2))
def test_random_models_stay_in_their_memory(block: int) -> None:
    ran = 0
    for seed in range(FIRST + block, FIRST + COUNT, 2):
        drawn = RandomModel(seed, random.Random(seed).choice([1, 2, 4]), STEPS)
        if drawn.nodes:
            with np.errstate(all="ignore"):
                ran += assert_stays_in_its_memory(drawn.model(), drawn.feeds, f"LAMINA_FUZZ_SEED={seed}")
    assert ran


@pytest.mark.parametrize("lower, upper", [(-3, 3), (-5, 9), (6, -5), (6, -4), (-4, 1), (7, -7), (-1, 2)])
@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("free", [True, False], ids=["free", "fixed"])
def test_a_border_may_crop_more_than_there_is(lower: int, upper: int, width: int, free: bool) -> None:
    """Element i of the result is element i - lower of the source where there is one, else the border's."""
    x = np.arange(4 * width, dtype=np.float32).reshape(4, width) + 1
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N" if free else 4, width])]
    pads = numpy_helper.from_array(np.array([lower, 0, upper, 0]), "pads")
    nodes = [helper.make_node("Pad", ["x", "pads"], ["y"])]
    graph = helper.make_graph(nodes, "g", inputs, [helper.make_empty_tensor_value_info("y")], [pads])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    expected = np.zeros((4 + lower + upper, width), np.float32)
    for row in range(len(expected)):
        if 0 <= row - lower < 4:
            expected[row] = x[row - lower]
    np.testing.assert_array_equal(lamina.compile(model, threads=1, options=CHECKED()).run({"x": x})["y"], expected)


@pytest.mark.parametrize("size", [1, 17, 31, 49, 65])
def test_the_last_of_narrowed_numbers_is_stored_alone(size: int) -> None:
    """One lane of a vector that a cast narrows: as wide as it was it would reach beyond the end."""
    nodes = [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.UINT8)]
    inputs = [helper.make_tensor_value_info("x", TensorProto.INT32, [size])]
    graph = helper.make_graph(nodes, "g", inputs, [helper.make_empty_tensor_value_info("y")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    assert assert_stays_in_its_memory(model, {"x": np.arange(size, dtype=np.int32)}, f"{size} bytes")
