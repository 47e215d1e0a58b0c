"""Products and convolutions of integers, in machine code, against onnxruntime and NumPy."""

from __future__ import annotations

import lamina
import numpy as np
import onnx
import pytest
from lamina.pipeline import PipelineOptions
from onnx import helper, numpy_helper
from other_engines import assert_same, reference

RNG = np.random.default_rng(0)


def drawn(dtype: type, *shape: int) -> np.ndarray:
    limits = np.iinfo(dtype)
    return RNG.integers(limits.min, limits.max, shape, dtype, endpoint=True)


def model_of(
    operator: str,
    feeds: dict[str, np.ndarray],
    weights: dict[str, np.ndarray],
    free: tuple[int, ...] = (),
    **attributes: object,
) -> onnx.ModelProto:
    """One node; the axes ``free`` of the inputs are."""
    infos = [
        helper.make_tensor_value_info(
            name,
            helper.np_dtype_to_tensor_dtype(array.dtype),
            [f"{name}{axis}" if axis in free else size for axis, size in enumerate(array.shape)],
        )
        for name, array in feeds.items()
    ]
    node = helper.make_node(operator, [*feeds, *weights], ["y"], **attributes)
    tensors = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph([node], "g", infos, [helper.make_empty_tensor_value_info("y")], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def check(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> None:
    """In a checked build, on two threads, without a step on the host."""
    executable = lamina.compile(model, threads=2, options=PipelineOptions(checked=True))
    assert not [step for step in executable.program.body.steps if type(step).__name__ == "Host"]
    expected = reference(model, feeds)
    assert expected is not None
    assert_same(executable.run(feeds), expected)


@pytest.mark.parametrize("shape", [(1, 7, 1), (5, 64, 70), (33, 300, 96), (64, 2000, 17)])
@pytest.mark.parametrize("free", [(), (0,)])
def test_matmul_integer(shape: tuple[int, int, int], free: tuple[int, ...]) -> None:
    rows, depth, columns = shape
    feeds = {"x": drawn(np.uint8, rows, depth)}
    weights = {"w": drawn(np.int8, depth, columns), "a": np.uint8(131), "b": np.array(-5, np.int8)}
    weights = {name: np.asarray(value) for name, value in weights.items()}
    check(model_of("MatMulInteger", feeds, weights, free), feeds)


@pytest.mark.parametrize(
    ("channels", "outputs", "window", "groups", "stride"),
    [(3, 16, 3, 1, 2), (32, 32, 3, 1, 1), (64, 48, 1, 1, 1), (16, 16, 3, 16, 1), (16, 32, 3, 2, 1), (10, 6, 5, 1, 1)],
)
@pytest.mark.parametrize("free", [(), (2, 3)])
def test_conv_integer(
    channels: int, outputs: int, window: int, groups: int, stride: int, free: tuple[int, ...]
) -> None:
    feeds = {"x": drawn(np.uint8, 2, channels, 13, 11)}
    weights = {"w": drawn(np.int8, outputs, channels // groups, window, window), "zero": np.array(120, np.uint8)}
    pads = [window // 2] * 4
    check(model_of("ConvInteger", feeds, weights, free, group=groups, strides=[stride] * 2, pads=pads), feeds)


@pytest.mark.parametrize("dtype", [np.int32, np.uint32])
def test_products_wrap(dtype: type) -> None:
    feeds = {"x": drawn(dtype, 2, 9, 33), "w": drawn(dtype, 33, 20)}
    executable = lamina.compile(model_of("MatMul", feeds, {}), threads=2)
    with np.errstate(over="ignore"):
        expected = (feeds["x"].astype(np.int64) @ feeds["w"].astype(np.int64)).astype(dtype)
    np.testing.assert_array_equal(executable.run(feeds)["y"], expected)
