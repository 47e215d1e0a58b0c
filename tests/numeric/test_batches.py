"""Batches that are taken in steps: every number of images gives what each image alone gives, on every level."""

from __future__ import annotations

from pathlib import Path

import lamina
import numpy as np
import onnx
import onnxruntime
import pytest
from batches import compiled_in_steps, scheduled_in_steps
from lamina.interpreters.module import interpret_module
from lamina.pipeline import PipelineOptions, check_rules, phase_named, run_phase
from lamina.runtime.inspection import MemoryGuard, Poison, StageTimer, observed_by
from onnx import TensorProto, helper, numpy_helper


def _weights(name: str, *shape: int) -> onnx.TensorProto:
    rng = np.random.default_rng(len(name) + sum(shape))
    return numpy_helper.from_array((rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32), name)


def pictures(batch: int | str) -> onnx.ModelProto:
    """Convolutions of several kinds, a sum, a concatenation, pools, a resize, a product and a Softmax."""
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "w0"], ["a"], pads=[1, 1, 1, 1]),
        node("Relu", ["a"], ["b"]),
        node("Conv", ["b", "w1"], ["c"], pads=[1, 1, 1, 1]),
        node("Add", ["c", "b"], ["d"]),
        node("Conv", ["d", "w2"], ["e"], pads=[1, 1, 1, 1], group=16),
        node("Conv", ["e", "w3"], ["f"]),
        node("Concat", ["f", "d"], ["g"], axis=1),
        node("MaxPool", ["g"], ["h"], kernel_shape=[2, 2], strides=[2, 2]),
        node("GlobalAveragePool", ["h"], ["i"]),
        node("Flatten", ["i"], ["j"]),
        node("Gemm", ["j", "w4"], ["k"]),
        node("Softmax", ["k"], ["y"]),
    ]
    weights = [
        _weights("w0", 16, 3, 3, 3), _weights("w1", 16, 16, 3, 3), _weights("w2", 16, 1, 3, 3),
        _weights("w3", 16, 16, 1, 1), _weights("w4", 32, 10),
    ]  # fmt: skip
    return _model(nodes, weights, [batch, 3, 12, 12], [batch, 10])


def words(batch: int | str) -> onnx.ModelProto:
    """Attention: rows of matrices that are the words of each text, transposed heads, products of activations."""
    node = helper.make_node
    nodes = [
        node("MatMul", ["x", "w0"], ["q"]),
        node("Reshape", ["q", "heads"], ["r"]),
        node("Transpose", ["r"], ["s"], perm=[0, 2, 1, 3]),
        node("Transpose", ["r"], ["t"], perm=[0, 2, 3, 1]),
        node("MatMul", ["s", "t"], ["u"]),
        node("Softmax", ["u"], ["v"], axis=-1),
        node("MatMul", ["v", "s"], ["a"]),
        node("Transpose", ["a"], ["b"], perm=[0, 2, 1, 3]),
        node("Reshape", ["b", "flat"], ["c"]),
        node("Add", ["c", "x"], ["d"]),
        node("LayerNormalization", ["d", "scale"], ["y"]),
    ]
    weights = [
        _weights("w0", 16, 16), _weights("scale", 16),
        numpy_helper.from_array(np.array([0, 0, 2, 8]), "heads"), numpy_helper.from_array(np.array([0, 0, 16]), "flat"),
    ]  # fmt: skip
    return _model(nodes, weights, [batch, 5, 16], [batch, 5, 16])


def _model(nodes: list, weights: list, given: list, result: list) -> onnx.ModelProto:
    inputs, outputs = (
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)] for name, shape in (("x", given), ("y", result))
    )
    graph = helper.make_graph(nodes, "g", inputs, outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


NETWORKS = {"pictures": pictures, "words": words}


def feed(model: onnx.ModelProto, images: int) -> np.ndarray:
    shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    return np.random.default_rng(images).standard_normal((images, *shape[1:])).astype(np.float32)


def expected(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})[0]  # pyright: ignore


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("batch", "step"), [(6, 1), (6, 4), ("N", 1), ("N", 3)])
def test_any_number_of_images(name: str, batch: int | str, step: int) -> None:
    model = NETWORKS[name](batch)
    executables = [compiled_in_steps(model, step, threads) for threads in (1, 2, 3)]
    for images in (6,) if isinstance(batch, int) else (1, 2, 3, 5, 8):
        x = feed(model, images)
        results = [executable.run({"x": x})["y"] for executable in executables]
        np.testing.assert_allclose(results[0], expected(model, x), rtol=1e-4, atol=1e-5)
        assert all(result.tobytes() == results[0].tobytes() for result in results)


def test_images_taken_alone_have_the_bits_of_a_batch_of_one() -> None:
    """Of the same model: one for a single image may sum in other orders, such as along the depth of its only row."""
    x = feed(pictures(1), 5)
    executable = compiled_in_steps(pictures("N"), 1, 2)
    together = executable.run({"x": x})["y"]
    assert together.tobytes() == b"".join(executable.run({"x": image[None]})["y"].tobytes() for image in x)


def test_no_images() -> None:
    assert compiled_in_steps(pictures("N"), 3, 2).run({"x": np.zeros((0, 3, 12, 12), np.float32)})["y"].shape == (0, 10)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_interpreters_agree(name: str) -> None:
    """On the schedule level, and on loops, where shares of two threads run one after the other."""
    model = NETWORKS[name]("N")
    x = feed(model, 2)
    for step in (1, 3):
        module, context = scheduled_in_steps(model, step)
        np.testing.assert_allclose(
            interpret_module(module, {"x": x}, context.constants)["y"], expected(model, x), rtol=1e-4, atol=1e-5
        )
    run_phase(module, context, phase_named("loops"), PipelineOptions())
    check_rules(module, context, phase_named("loops"))
    np.testing.assert_allclose(
        interpret_module(module, {"x": x}, context.constants)["y"], expected(model, x), rtol=1e-4, atol=1e-5
    )


def test_a_run_can_be_looked_at() -> None:
    """Each stage once, however many steps; no kernel leaves its memory, or reads what nobody has written."""
    model = pictures("N")
    x = feed(model, 7)
    executable = compiled_in_steps(model, 3, 2)
    wanted, timer = executable.run({"x": x})["y"], StageTimer()
    for observer in (timer, Poison(), MemoryGuard()):
        with observed_by(observer):
            assert executable.run({"x": x})["y"].tobytes() == wanted.tobytes()
    (segment,) = executable.program.segments.values()
    assert [time.stage for time in timer.times] == [stage.name for stage in segment.stages]


def test_code_that_checks_itself(tmp_path: Path) -> None:
    model = pictures("N")
    x = feed(model, 4)
    executable = compiled_in_steps(model, 3, 2, checked=True)
    executable.save(tmp_path / "batches.lamina")
    np.testing.assert_allclose(executable.run({"x": x})["y"], expected(model, x), rtol=1e-4, atol=1e-5)
    loaded = lamina.load(tmp_path / "batches.lamina")
    assert loaded.run({"x": x})["y"].tobytes() == executable.run({"x": x})["y"].tobytes()


def test_a_number_beside_a_batch() -> None:
    """It has no images, and is copied to the output beside them."""
    nodes = [helper.make_node("Neg", ["x"], ["y"]), helper.make_node("Gather", ["v", "first"], ["number"])]
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, 3]),
        helper.make_tensor_value_info("v", TensorProto.FLOAT, [1]),
    ]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("y", "number")]
    first = numpy_helper.from_array(np.array(0), "first")
    model = helper.make_model(
        helper.make_graph(nodes, "g", inputs, outputs, [first]),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    x = np.ones((4, 3), np.float32)
    found = lamina.compile(model).run({"x": x, "v": np.array([7], np.float32)})
    np.testing.assert_array_equal(found["y"], -x)
    assert found["number"].shape == () and found["number"] == 7
