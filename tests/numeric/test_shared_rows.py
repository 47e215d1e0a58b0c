"""Threads that share the rows of images: the same bits for any number, and no memory that nobody has written."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from lamina.compiler import compile_module
from lamina.context import CompilerContext
from lamina.frontend import import_model
from lamina.interpreters.module import interpret_module
from lamina.pipeline import compile_through, module_text
from lamina.runtime.inspection import MemoryGuard, Poison, observed_by
from onnx import TensorProto, helper, numpy_helper


def _pictures(batch: int | str, channels: int) -> onnx.ModelProto:
    """Padded convolutions of each kind, a sum and a pool, of 28 rows; then one of 14."""
    node, rng = helper.make_node, np.random.default_rng(channels)

    def weights(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array((rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype("f4"), name)

    nodes = [
        node("Conv", ["x", "w0"], ["a"], strides=[2, 2], pads=[1, 1, 1, 1]),
        node("Conv", ["a", "w1"], ["b"], pads=[1, 1, 1, 1], group=channels),
        node("Conv", ["b", "w2"], ["c"]),
        node("Add", ["c", "a"], ["d"]),
        node("MaxPool", ["d"], ["e"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        node("Conv", ["e", "w3"], ["f"], pads=[1, 1, 1, 1]),
        node("ReduceMean", ["f"], ["y"], axes=[2, 3], keepdims=0),
    ]
    constants = [
        weights("w0", channels, 3, 3, 3), weights("w1", channels, 1, 3, 3), weights("w2", channels, channels, 1, 1),
        weights("w3", channels, channels, 3, 3),
    ]  # fmt: skip
    inputs, outputs = (
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, *shape])]
        for name, shape in (("x", (3, 56, 56)), ("y", (channels,)))
    )
    graph = helper.make_graph(nodes, "g", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(("batch", "channels"), [(1, 32), (3, 24), ("N", 16)])
def test_bits_do_not_depend_on_who_takes_which_rows(batch: int | str, channels: int) -> None:
    model, context = _pictures(batch, channels), CompilerContext()
    module = compile_through(import_model(model, context=context), context, stop="schedule")
    text = module_text(module)
    assert "threads [n, oh]" in text and "share rows" in text
    x = np.random.default_rng(1).standard_normal((batch if isinstance(batch, int) else 2, 3, 56, 56)).astype(np.float32)
    expected = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})[0]
    executable = compile_module(module, context, start="schedule", threads=1)
    result = executable.run({"x": x})["y"]
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)
    for threads in (2, 3, 5):
        executable.set_threads(threads)
        assert executable.run({"x": x})["y"].tobytes() == result.tobytes()
    for observer in (Poison(), MemoryGuard()):
        with observed_by(observer):
            assert executable.run({"x": x})["y"].tobytes() == result.tobytes()


def test_no_two_threads_write_the_same_elements() -> None:
    """The interpreter of loops lets two threads take their shares, and finds those."""
    model, context = _pictures(1, 16), CompilerContext()
    x = np.random.default_rng(1).standard_normal((1, 3, 56, 56)).astype(np.float32)
    module = compile_through(import_model(model, context=context), context, stop="schedule")
    expected = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})[0]
    np.testing.assert_allclose(
        interpret_module(module, {"x": x}, context.constants)["y"], expected, rtol=1e-4, atol=1e-5
    )
