"""Computed indices out of range raise, and sizes of several inputs that must fit each other are checked at each run."""

import lamina
import numpy as np
import onnx
import onnxruntime
import pytest
from lamina.pipeline import PipelineOptions
from one_node import model_of
from onnx import TensorProto, helper

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def one_node(operator: str, inputs: dict[str, tuple[int, list]], results: int = 1, **attributes) -> onnx.ModelProto:
    """A model of one node called ``pick``; ``inputs``: element type and dims by name."""
    node = helper.make_node(operator, list(inputs), [f"y{i}" for i in range(results)], name="pick", **attributes)
    values = [helper.make_tensor_value_info(name, type_, dims) for name, (type_, dims) in inputs.items()]
    outputs = [onnx.ValueInfoProto(name=name) for name in node.output]
    if operator == "NonMaxSuppression":
        outputs = [helper.make_tensor_value_info("y0", INT64, None)]
    else:
        outputs = [helper.make_tensor_value_info(name, FLOAT, None) for name in node.output]
    graph = helper.make_graph([node], "pick", values, outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=8)


def gather(operator: str, indices: np.ndarray, x: np.ndarray, **attributes):
    model = one_node(
        operator,
        {"x": (FLOAT, [f"x{i}" for i in range(x.ndim)]), "i": (INT64, [f"i{i}" for i in range(indices.ndim)])},
        **attributes,
    )
    if operator == "GatherND":
        model.graph.input[1].type.tensor_type.shape.dim[-1].dim_value = indices.shape[-1]
    return lamina.compile(model, threads=2), {"x": x, "i": indices}, model


X = np.arange(60, dtype=np.float32).reshape(5, 12)
CASES = {
    "Gather": (np.array([0, -5, 4, -1]), {}),
    "Gather of columns": (np.array([[11, -12], [3, 0]]), {"axis": 1}),
    "GatherElements": (np.array([[0, 4, -5, -1] * 3] * 5), {}),
    "GatherElements of columns": (np.array([[0, 11, -12, -1]] * 5), {"axis": 1}),
    "GatherND": (np.array([[4], [-5], [0]]), {}),
    "GatherND of elements": (np.array([[4, 11], [-5, -12]]), {}),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("wrong", [None, 12, -13, 10**12, -(2**63), 2**63 - 1])
def test_gather(case, wrong):
    indices, attributes = CASES[case]
    if wrong is None:
        executable, feeds, model = gather(case.split()[0], indices, X, **attributes)
        (expected,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, feeds)
        np.testing.assert_array_equal(executable.run(feeds)["y0"], expected)
        return
    indices = indices.copy()
    indices.flat[-1] = wrong
    executable, feeds, model = gather(case.split()[0], indices, X, **attributes)
    for _ in range(2):
        with pytest.raises(lamina.ExecutionError, match=rf"index {wrong}\b"):
            executable.run(feeds)
    right = CASES[case][0]
    (expected,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {**feeds, "i": right})
    np.testing.assert_array_equal(executable.run({**feeds, "i": right})["y0"], expected)


def test_the_error_says_where():
    executable, feeds, _ = gather("Gather", np.array([3, 99999999]), X)
    with pytest.raises(
        lamina.IndexOutOfRangeError, match=r"'y0' picks index 99999999 of an axis of 5: expected -5 to 4"
    ):
        executable.run(feeds)
    with pytest.raises(IndexError):
        executable.run(feeds)


@pytest.mark.parametrize("operator", ["Gather", "GatherElements", "GatherND"])
@pytest.mark.parametrize("count", [0, 2])
def test_an_empty_axis_has_nothing_to_pick(operator, count):
    indices = np.zeros((count, 12) if operator == "GatherElements" else (count, 1), np.int64)
    x = np.zeros((0, 12), np.float32)
    executable, feeds, _ = gather(operator, indices, x)
    if count:
        with pytest.raises(lamina.LaminaError, match="x0"):
            executable.run(feeds)
    else:
        assert executable.run(feeds)["y0"].size == 0


@pytest.mark.parametrize("indices", [0, -1, [0], [-1], 2, -3, [0, 1], [-2, -1], [2, 0], [[1], [-1]]], ids=str)
@pytest.mark.parametrize("dims", [["N"], ["N", 2], [2, "N"]], ids=str)
def test_known_indices_of_a_free_axis(dims, indices):
    axis, array = dims.index("N"), np.array(indices)
    model = model_of("Gather", {"x": dims}, {"i": array}, axis=axis)
    executable = lamina.compile(model, options=PipelineOptions(checked=True))
    for size in range(4):
        x = np.float32(np.indices([size if d == "N" else d for d in dims]).sum(0))
        if -size <= array.min() and array.max() < size:
            np.testing.assert_array_equal(executable.run({"x": x})["y0"], np.take(x, array, axis))
        else:
            with pytest.raises(lamina.InputError, match="has the elements that the indices"):
                executable.run({"x": x})


RELATED = {
    "GatherElements off its axis": ("GatherElements", {"x": (FLOAT, (3, 4)), "i": (INT64, (3, 5))}, {}),
    "ScatterElements: updates": (
        "ScatterElements", {"x": (FLOAT, (3, 4)), "i": (INT64, (2, 4)), "u": (FLOAT, (3, 4))}, {}),
    "ScatterElements off its axis": (
        "ScatterElements", {"x": (FLOAT, (3, 4)), "i": (INT64, (2, 5)), "u": (FLOAT, (2, 5))}, {}),
    "ScatterND": ("ScatterND", {"x": (FLOAT, (4, 3)), "i": (INT64, (2, 1)), "u": (FLOAT, (3, 3))}, {}),
    "GatherND of batches": ("GatherND", {"x": (FLOAT, (2, 3)), "i": (INT64, (3, 1))}, {"batch_dims": 1}),
    "GridSample": ("GridSample", {"x": (FLOAT, (1, 1, 4, 4)), "g": (FLOAT, (2, 3, 3, 2))}, {}),
    "ReverseSequence": ("ReverseSequence", {"x": (FLOAT, (4, 3)), "n": (INT64, (2,))}, {}),
    "RoiAlign": ("RoiAlign", {"x": (FLOAT, (1, 1, 4, 4)), "r": (FLOAT, (2, 4)), "b": (INT64, (3,))}, {}),
    "NonMaxSuppression: boxes": ("NonMaxSuppression", {"b": (FLOAT, (1, 5, 4)), "s": (FLOAT, (1, 1, 6))}, {}),
    "NonMaxSuppression: batches": ("NonMaxSuppression", {"b": (FLOAT, (1, 5, 4)), "s": (FLOAT, (2, 1, 5))}, {}),
    "Compress": ("Compress", {"x": (FLOAT, (3, 4)), "c": (BOOL, (4,))}, {"axis": 0}),
    "Einsum": ("Einsum", {"a": (FLOAT, (3, 4)), "b": (FLOAT, (2, 5))}, {"equation": "ij,kj->ik"}),
    "Einsum of batches": ("Einsum", {"a": (FLOAT, (3, 4)), "b": (FLOAT, (2, 4))}, {"equation": "bi,bi->b"}),
    "Einsum without a sum": ("Einsum", {"a": (FLOAT, (3,)), "b": (FLOAT, (2, 4))}, {"equation": "i,ij->ij"}),
    "Einsum of a diagonal": ("Einsum", {"a": (FLOAT, (3, 4))}, {"equation": "ii->i"}),
}  # fmt: skip
KNOWN_DIMS = {("GatherND", "i", 1): 1}


@pytest.mark.parametrize("case", RELATED)
def test_sizes_that_do_not_fit(case):
    operator, inputs, attributes = RELATED[case]
    free = {
        name: (type_, [KNOWN_DIMS.get((operator, name, axis), f"{name}{axis}") for axis in range(len(shape))])
        for name, (type_, shape) in inputs.items()
    }
    executable = lamina.compile(one_node(operator, free, **attributes))
    feeds = {name: np.ones(shape, helper.tensor_dtype_to_np_dtype(type_)) for name, (type_, shape) in inputs.items()}
    with pytest.raises(lamina.InputError) as raised:
        executable.run(feeds)
    assert any(f"{name}{axis}" in str(raised.value) for name in inputs for axis in range(3))
    fixed = {name: (type_, list(shape)) for name, (type_, shape) in inputs.items()}
    with pytest.raises(lamina.LaminaError):
        lamina.compile(one_node(operator, fixed, **attributes)).run(feeds)


def test_parts_that_do_not_make_up_a_free_axis():
    executable = lamina.compile(model_of("Split", {"x": ["N", 2]}, {"sizes": np.array([2, 4])}, outputs=2, axis=0))
    parts = executable.run({"x": np.ones((6, 2), np.float32)})
    assert [parts[name].shape for name in ("y0", "y1")] == [(2, 2), (4, 2)]
    with pytest.raises(lamina.InputError, match="expected shape"):
        executable.run({"x": np.ones((5, 2), np.float32)})


def test_a_part_without_elements_has_the_other_sizes() -> None:
    model = model_of("Concat", {"x": ["N", "M"]}, {"none": np.zeros((2, 0), np.float32)}, axis=1)
    executable = lamina.compile(model)
    x = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(executable.run({"x": x})["y0"], x)
    with pytest.raises(lamina.InputError, match="must be 2"):
        executable.run({"x": x[:1]})
    with pytest.raises(lamina.LaminaError, match="axis 0"):
        lamina.compile(model_of("Concat", {"x": [3, "M"]}, {"none": np.zeros((2, 0), np.float32)}, axis=1))
