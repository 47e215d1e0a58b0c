"""The schedule is complete: its text, edited by hand and read back, compiles to a model that runs."""

from __future__ import annotations

import re

import numpy as np
import onnx
import pytest
from lamina.compiler import compile_module, import_for
from lamina.context import CompilerContext
from lamina.pipeline import compile_through
from onnx import TensorProto, helper, numpy_helper
from xdsl.parser import Parser


def two_branches() -> onnx.ModelProto:
    """relu(conv3x3(x)) + conv1x1(x): two stages that do not depend on each other, then one that reads both."""
    rng = np.random.default_rng(0)
    weights = {
        "w3": rng.standard_normal((32, 16, 3, 3), dtype=np.float32) / 12,
        "w1": rng.standard_normal((32, 16, 1, 1), dtype=np.float32) / 4,
        "b": rng.standard_normal(32, dtype=np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w3", "b"], ["c3"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Conv", ["x", "w1"], ["c1"], strides=[2, 2]),
        helper.make_node("Concat", ["c3", "c1"], ["y"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "two_branches",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 16, 28, 28])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 64, 14, 14])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


@pytest.fixture(scope="module")
def scheduled() -> tuple[str, CompilerContext]:
    module, context = import_for(two_branches().SerializeToString(), target="host")
    compile_through(module, context, stop="schedule")
    return str(module), context


def run(text: str, context: CompilerContext) -> np.ndarray:
    module = Parser(context, text).parse_module()
    module.verify()
    x = np.random.default_rng(1).standard_normal((1, 16, 28, 28), dtype=np.float32)
    return compile_module(module, context, start="schedule", threads=1).run({"x": x})["y"]


def test_other_panels_are_packed_anew(scheduled: tuple[str, CompilerContext]) -> None:
    text, context = scheduled
    edited, count = re.subn(r"oc blocks 2", "oc blocks 1", text)
    assert count
    np.testing.assert_array_equal(run(edited, context), run(text, context))


def test_unedited_text_runs(scheduled: tuple[str, CompilerContext]) -> None:
    text, context = scheduled
    import onnxruntime

    x = np.random.default_rng(1).standard_normal((1, 16, 28, 28), dtype=np.float32)
    expected = onnxruntime.InferenceSession(two_branches().SerializeToString()).run(None, {"x": x})[0]
    np.testing.assert_allclose(run(text, context), expected, rtol=1e-4, atol=1e-5)


def test_edited_tile_gives_the_same_bits(scheduled: tuple[str, CompilerContext]) -> None:
    text, context = scheduled
    edited = re.sub(r"(ow|n) tile \d+", r"\1 tile 3", text)
    assert edited != text
    np.testing.assert_array_equal(run(edited, context), run(text, context))


def test_edited_order_gives_the_same_bits(scheduled: tuple[str, CompilerContext]) -> None:
    text, context = scheduled
    stages = re.findall(r"    schedule\.stage @conv\d.*\n", text)
    assert len(stages) == 2
    first, second = stages
    # Both buffers and all weights first, then the stages in the other order.
    head, _, rest = text.partition(first)
    between, _, tail = rest.partition(second)
    edited = head + between + second + first + tail
    np.testing.assert_array_equal(run(edited, context), run(text, context))
