"""Sizes that only a run gives, of slices, ranges, broadcasts, pads and images: as onnxruntime's, without the host."""

from __future__ import annotations

from typing import Any

import lamina
import numpy as np
import onnx
import onnxruntime
import pytest
from lamina.runtime.errors import ExecutionError
from lamina.runtime.program import Host
from onnx import helper

X = np.random.default_rng(0).standard_normal((5, 6, 7)).astype(np.float32)


def model_of(operator: str, feeds: dict[str, np.ndarray], **fields: Any) -> onnx.ModelProto:
    """One node, whose inputs are all given to each run; the sizes of x are free."""
    infos = [
        helper.make_tensor_value_info(
            name,
            helper.np_dtype_to_tensor_dtype(array.dtype),
            list("abc")[: array.ndim] if name == "x" else array.shape,
        )
        for name, array in feeds.items()
    ]
    node = helper.make_node(operator, list(feeds), ["y"], **fields)
    graph = helper.make_graph([node], "g", infos, [onnx.ValueInfoProto(name="y")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def compiled(model: onnx.ModelProto) -> lamina.Executable:
    executable = lamina.compile(model, threads=1)
    assert not any(isinstance(step, Host) for step in executable.program.body.steps)
    return executable


def vectors(*rows: list[int]) -> dict[str, np.ndarray]:
    return {name: np.array(row, np.int64) for name, row in zip(("starts", "ends", "axes", "steps"), rows)}


LEAST, MOST = -(2**63), 2**63 - 1
BOUNDS = [
    ([1, 2], [4, 5], [1, 1]),
    ([-3, -100], [-1, 100], [1, 2]),
    ([4, 6], [0, -8], [-1, -2]),
    ([100, -1], [LEAST, LEAST], [-2, -1]),
    ([3, 0], [2, MOST], [1, 3]),
    ([-1, 5], [0, 6], [-1, MOST]),
    ([0, 0], [0, 7], [1, LEAST]),
]


@pytest.mark.parametrize("axes", [[1, 2], [-1, 0]])
def test_slices(axes: list[int]) -> None:
    """One compile for all bounds; axes of one element and of none too."""
    model = model_of("Slice", {"x": X, **vectors([0, 0], [1, 1], axes, [1, 1])})
    executable, session = compiled(model), onnxruntime.InferenceSession(model.SerializeToString())
    for x in (X, X[:1, :1, :1], X[:, :0]):
        for starts, ends, steps in BOUNDS:
            feeds = {"x": x, **vectors(starts, ends, axes, steps)}
            found, (expected,) = executable.run(feeds)["y"], session.run(None, feeds)
            assert found.shape == expected.shape, (x.shape, starts, ends, steps)
            np.testing.assert_array_equal(found, expected)


def test_a_step_of_zero_is_an_error() -> None:
    feeds = {"x": X, **vectors([0], [1], [0], [1])}
    executable = compiled(model_of("Slice", feeds))
    with pytest.raises(ExecutionError, match="cannot be negative"):
        executable.run({**feeds, "steps": np.array([0])})


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.int64, np.float32, np.float64])
def test_ranges(dtype: Any) -> None:
    cases = [(0, 10, 1), (3, 20, 4), (7, -9, -3), (5, 5, 1), (5, 1, 2), (-100, 100, 60)]
    if dtype in (np.float32, np.float64):
        cases += [(0.5, 3, 0.25), (1, 0, -0.1), (0, 1, 1 / 3)]
    executable = None
    for case in cases:
        feeds = dict(zip(("start", "limit", "step"), (np.array(number, dtype) for number in case)))
        executable = executable or compiled(model_of("Range", feeds))
        found = executable.run(feeds)["y"]
        start, limit, step = (value.astype(np.float64) for value in feeds.values())
        count = max(int(np.ceil((limit - start) / step)), 0)
        expected = (np.arange(count) * step + start).astype(dtype)
        assert found.shape == expected.shape, case
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("shape", [[5, 6, 7], [1, 1, 1], [2, 1, 5, 6, 7], [6, 1]])
def test_broadcasts(shape: list[int]) -> None:
    feeds = {"x": X, "shape": np.array(shape)}
    found = compiled(model_of("Expand", feeds)).run(feeds)["y"]
    np.testing.assert_array_equal(found, np.broadcast_to(X, np.broadcast_shapes(X.shape, tuple(shape))))


def test_repetitions() -> None:
    executable = compiled(model_of("Tile", {"x": X, "repeats": np.array([1, 1, 1])}))
    for repeats in ([1, 1, 1], [2, 1, 3], [1, 4, 1], [0, 2, 2]):
        found = executable.run({"x": X, "repeats": np.array(repeats)})["y"]
        np.testing.assert_array_equal(found, np.tile(X, repeats))


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect"])
def test_pads(mode: str) -> None:
    """What is negative cuts away."""
    model = model_of("Pad", {"x": X, "pads": np.zeros(6, np.int64)}, mode=mode)
    executable, session = compiled(model), onnxruntime.InferenceSession(model.SerializeToString())
    for pads in ([0] * 6, [1, 0, 2, 0, 3, 1], [-1, 2, 0, 1, -2, 0]):
        feeds = {"x": X, "pads": np.array(pads)}
        np.testing.assert_array_equal(executable.run(feeds)["y"], session.run(None, feeds)[0])
    with pytest.raises(ExecutionError):
        executable.run({"x": X, "pads": np.array([-3, 0, 0, -3, 0, 0])})


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_a_value_to_pad_with(dtype: Any) -> None:
    x = (10 * X).astype(dtype)
    feeds = {"x": x, "pads": np.zeros(6, np.int64), "value": np.array(7, dtype)}
    executable = compiled(model_of("Pad", feeds))
    for pads in ([1, 0, 2, 0, 3, 1], [-1, 2, 0, 1, -2, 0]):
        kept = x[max(-pads[0], 0) :, : -2 if pads[4] < 0 else None]
        expected = np.pad(kept, [(max(a, 0), max(b, 0)) for a, b in zip(pads[:3], pads[3:])], constant_values=7)
        np.testing.assert_array_equal(executable.run({**feeds, "pads": np.array(pads)})["y"], expected)


@pytest.mark.parametrize(("mode", "coordinates"), [("linear", "half_pixel"), ("nearest", "asymmetric")])
def test_sizes_of_images(mode: str, coordinates: str) -> None:
    x = X[None, :3]
    node = helper.make_node(
        "Resize", ["x", "", "", "sizes"], ["y"], mode=mode, coordinate_transformation_mode=coordinates, axes=[2, 3]
    )
    infos = [
        helper.make_tensor_value_info("x", 1, [1, 3, "H", "W"]),
        helper.make_tensor_value_info("sizes", onnx.TensorProto.INT64, [2]),
    ]
    graph = helper.make_graph([node], "g", infos, [onnx.ValueInfoProto(name="y")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    executable, session = compiled(model), onnxruntime.InferenceSession(model.SerializeToString())
    for height, width in ((6, 7), (12, 15), (3, 2)):
        feeds = {"x": x, "sizes": np.array([height, width])}
        np.testing.assert_allclose(executable.run(feeds)["y"], session.run(None, feeds)[0], rtol=1e-5, atol=1e-6)
    with pytest.raises(ExecutionError, match="cannot be negative"):
        executable.run({"x": x[:, :, :0], "sizes": np.array([2, 2])})
