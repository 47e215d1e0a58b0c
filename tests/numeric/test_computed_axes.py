"""Axes, diagonals and depths that only a run gives: as those known before, and as onnxruntime's."""

from __future__ import annotations

import lamina
import numpy as np
import onnx
import onnxruntime
import pytest
from lamina.runtime.errors import ExecutionError
from lamina.runtime.program import Host
from onnx import TensorProto, helper

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
X = np.random.default_rng(0).uniform(0.5, 2, (3, 1, 4)).astype(np.float32)
REDUCTIONS = ["Sum", "Mean", "Max", "Min", "Prod", "SumSquare", "L1", "L2", "LogSum", "LogSumExp"]


def compared(operator: str, feeds: dict[str, np.ndarray], rank: int, rtol: float = 1e-6, **attributes: object) -> None:
    """Runs one node, whose inputs are all given to each run with free sizes but for those of axes."""
    infos = []
    for name, array in feeds.items():
        sizes = [f"{name}{axis}" for axis in range(array.ndim)] if array.dtype == np.float32 else array.shape
        infos.append(helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), sizes))
    node = helper.make_node(operator, list(feeds), ["y"], **attributes)
    y = helper.make_tensor_value_info("y", FLOAT, [None] * rank)
    model = helper.make_model(helper.make_graph([node], "g", infos, [y]), opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    (expected,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, feeds)
    found = lamina.compile(model, threads=1).run(feeds)["y"]
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=1e-6)


@pytest.mark.parametrize("kind", REDUCTIONS)
@pytest.mark.parametrize(("axes", "keepdims"), [([0], 1), ([-1], 0), ([2, 0], 1), ([1, -3], 0)])
def test_reductions(kind: str, axes: list[int], keepdims: int) -> None:
    rank = 3 if keepdims else 3 - len(axes)
    compared(f"Reduce{kind}", {"x": X, "axes": np.array(axes)}, rank, rtol=1e-5, keepdims=keepdims)


def test_a_result_without_axes() -> None:
    compared("ReduceProd", {"x": X, "axes": np.array([2, 0, 1])}, 0, rtol=1e-5, keepdims=0)


@pytest.mark.parametrize("noop", [0, 1])
def test_no_axes_are_all_of_them_or_none(noop: int) -> None:
    compared("ReduceSum", {"x": X, "axes": np.zeros(0, np.int64)}, 3, rtol=1e-5, keepdims=1, noop_with_empty_axes=noop)


@pytest.mark.parametrize("axes", [[0], [-1], [1, 3], [-1, 0]])
def test_axes_of_one_element(axes: list[int]) -> None:
    compared("Unsqueeze", {"x": X, "axes": np.array(axes)}, 3 + len(axes))
    spread = np.expand_dims(X, tuple(axes))
    compared("Squeeze", {"x": spread, "axes": np.array(axes)}, 3)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
@pytest.mark.parametrize("flags", [{}, {"exclusive": 1}, {"reverse": 1}])
def test_cumulative_sums(axis: int, flags: dict[str, int]) -> None:
    compared("CumSum", {"x": X, "axis": np.asarray(axis)}, 3, rtol=1e-5, **flags)


@pytest.mark.parametrize("upper", [0, 1])
@pytest.mark.parametrize("diagonal", [-5, -1, 0, 2, 7])
def test_triangles(upper: int, diagonal: int) -> None:
    compared("Trilu", {"x": np.moveaxis(X, 1, 2)[:, :3].copy(), "k": np.asarray(diagonal)}, 3, upper=upper)
    compared("Trilu", {"x": np.ones((5, 4), np.float32), "k": np.asarray(diagonal)}, 2, upper=upper)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("depth", [1, 4])
def test_one_hot(axis: int, depth: int) -> None:
    indices = np.array([[0, -1, 3], [2, 5, -4]])
    feeds = {"indices": indices, "depth": np.asarray(depth), "values": np.array([2, 5], np.float32)}
    compared("OneHot", feeds, 3, axis=axis)


@pytest.mark.parametrize("axes", [[0], [2, 0], [-1, -3]])
def test_pads(axes: list[int]) -> None:
    pads = np.arange(1, 1 + 2 * len(axes))
    feeds = {"x": X, "pads": pads, "value": np.float32(3), "axes": np.array(axes)}
    compared("Pad", {name: np.asarray(array) for name, array in feeds.items()}, 3)


def test_how_many_axes_there_are_is_known() -> None:
    node = helper.make_node("ReduceSum", ["x", "axes"], ["y"], keepdims=0, name="sums")
    infos = [helper.make_tensor_value_info("x", FLOAT, [2, 3]), helper.make_tensor_value_info("axes", INT64, ["n"])]
    graph = helper.make_graph([node], "g", infos, [helper.make_tensor_value_info("y", FLOAT, None)])
    model = helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    with pytest.raises(lamina.LaminaError, match=r"'sums'.*the number of axes"):
        lamina.compile(model)


@pytest.mark.parametrize("keepdims", [0, 1])
def test_computed_axes_of_free_sizes_need_no_host(keepdims: int) -> None:
    names = "A, B, C" if keepdims else "A, B"
    text = f"""<ir_version: 9, opset_import: ["" : 18]> g (float[N, M, 4] x, int64[1] a) => (float[{names}] y) {{
        y = ReduceSum <keepdims = {keepdims}> (x, a)
    }}"""
    executable = lamina.compile(onnx.parser.parse_model(text).SerializeToString())
    assert [step for step in executable.program.body.steps if isinstance(step, Host)] == []
    for shape in ((2, 3, 4), (1, 1, 4), (0, 3, 4), (2, 0, 4)):
        x = np.random.default_rng(0).random(shape, dtype=np.float32)
        for axis in (0, 1, 2, -1, -3):
            y = executable.run({"x": x, "a": np.array([axis])})["y"]
            expected = x.sum(axis, keepdims=bool(keepdims))
            assert y.shape == expected.shape
            np.testing.assert_allclose(y, expected, rtol=1e-6)


def test_axes_that_are_no_single_elements_are_not_squeezed() -> None:
    text = """<ir_version: 9, opset_import: ["" : 18]> g (float[N, M, 4] x, int64[2] a) => (float[B] y) {
        y = Squeeze (x, a)
    }"""
    executable = lamina.compile(onnx.parser.parse_model(text).SerializeToString())
    assert executable.run({"x": np.ones((1, 1, 4), np.float32), "a": np.array([0, -2])})["y"].shape == (4,)
    with pytest.raises(ExecutionError, match="expected shape"):
        executable.run({"x": np.ones((1, 3, 4), np.float32), "a": np.array([0, 1])})
