"""What orders, counts and selects elements: the same positions as onnxruntime's, order and ties included."""

from __future__ import annotations

from collections.abc import Sequence

import lamina
import numpy as np
import onnx
import onnxruntime
import pytest
from lamina.runtime.errors import ExecutionError, InputError
from lamina.runtime.program import Bind, Host
from onnx import helper, numpy_helper


def model_of(
    operator: str, feeds: dict[str, np.ndarray], outputs: int, constants: dict[str, np.ndarray], **fields: object
) -> bytes:
    """One node; all sizes of what is fed are free. Operands are the feeds, then the constants."""
    inputs = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(array.dtype), [f"{name}{axis}" for axis in range(array.ndim)]
        )
        for name, array in feeds.items()
    ]
    results = [f"y{number}" for number in range(outputs)]
    tensors = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    node = helper.make_node(operator, [*feeds, *constants], results, **fields)
    infos = [helper.make_empty_tensor_value_info(name) for name in results]
    graph = helper.make_graph([node], "selections", inputs, infos, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return onnx.shape_inference.infer_shapes(model).SerializeToString()


def check(model: bytes, feeds: dict[str, np.ndarray], threads: int = 1) -> list[np.ndarray]:
    """That no operation runs on the host, and the results are the bits of onnxruntime's."""
    executable = lamina.compile(model, threads=threads)
    assert not [step for step in executable.program.body.steps if isinstance(step, Host)]
    found = list(executable.run(feeds).values())
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    for mine, theirs in zip(found, session.run(None, feeds), strict=True):
        assert mine.dtype == theirs.dtype
        np.testing.assert_array_equal(mine, theirs)
    return found


# --- TopK -----------------------------------------------------------------------------------------------


def few_values(shape: Sequence[int], dtype: str) -> np.ndarray:
    """With many ties; of floats also both zeros, infinities and the smallest numbers."""
    rng = np.random.default_rng(len(shape))
    x = rng.integers(0, 20, shape).astype(dtype)
    if x.dtype.kind == "f":
        x -= 10
        x.reshape(-1)[::7] = -0.0
        x.reshape(-1)[3::11] = np.inf
        x.reshape(-1)[5::13] = np.finfo(dtype).smallest_subnormal
    elif x.dtype.kind == "i":
        x -= 10
        x.reshape(-1)[0] = np.iinfo(dtype).min
    else:
        x.reshape(-1)[0] = np.iinfo(dtype).max
    return x


@pytest.mark.parametrize("largest", [0, 1])
@pytest.mark.parametrize("dtype", ["float32", "float16", "float64", "int64", "int32", "int8", "uint8"])
def test_topk_of_all_types(dtype: str, largest: int) -> None:
    x = few_values((3, 41), dtype)
    check(model_of("TopK", {"x": x}, 2, {"k": np.array([9])}, axis=-1, largest=largest), {"x": x}, threads=2)


@pytest.mark.parametrize(("shape", "axis", "k"), [((3, 5, 4), 1, 2), ((17, 3), 0, 17), ((2, 300), 1, 70), ((9,), 0, 0)])
def test_topk_along_any_axis(shape: tuple[int, ...], axis: int, k: int) -> None:
    x = few_values(shape, "float32")
    check(model_of("TopK", {"x": x}, 2, {"k": np.array([k])}, axis=axis), {"x": x})


@pytest.mark.parametrize("order", ["random", "ascending", "descending", "equal"])
def test_topk_of_long_rows(order: str) -> None:
    """What is gathered is sorted several times on the way."""
    x = np.random.default_rng(0).standard_normal((1, 5000), np.float32)
    x = {"random": x, "ascending": np.sort(x), "descending": -np.sort(x), "equal": np.ones_like(x)}[order]
    check(model_of("TopK", {"x": x}, 2, {"k": np.array([50])}, axis=1), {"x": x})


@pytest.mark.parametrize("largest", [0, 1])
def test_a_nan_is_larger_than_all_numbers(largest: int) -> None:
    x = np.random.default_rng(0).standard_normal((2, 40)).astype(np.float32)
    x[:, [1, 7, 39]] = np.nan
    x[0, 4] = np.inf
    check(model_of("TopK", {"x": x}, 2, {"k": np.array([40])}, largest=largest), {"x": x})


def test_topk_of_a_computed_number() -> None:
    x, wanted = few_values((2, 30), "float32"), np.array([4], np.int64)
    model = model_of("TopK", {"x": x, "k": wanted}, 2, {})
    check(model, {"x": x, "k": wanted})
    executable = lamina.compile(model)
    assert any(isinstance(step, Bind) for step in executable.program.body.steps)
    assert executable.run({"x": x, "k": np.array([30])})["y0"].shape == (2, 30)
    with pytest.raises((ExecutionError, InputError), match="k is more than there are elements"):
        executable.run({"x": x, "k": np.array([31])})
    with pytest.raises(InputError):
        executable.run({"x": x, "k": np.array([1, 2])})
    with pytest.raises(ExecutionError, match="negative"):
        executable.run({"x": x, "k": np.array([-1])})


# --- what is not zero -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "bool", "int64", "int32", "uint8"])
@pytest.mark.parametrize("shape", [(2, 3, 7), (0, 4), (70, 41)])
def test_nonzero(shape: tuple[int, ...], dtype: str) -> None:
    rng = np.random.default_rng(1)
    x = np.where(rng.random(shape) < 0.3, rng.integers(1, 5, shape), 0).astype(dtype)
    if x.dtype.kind == "f" and x.size:
        x.reshape(-1)[:3] = -0.0, np.nan, np.finfo(dtype).smallest_subnormal
    check(model_of("NonZero", {"x": x}, 1, {}), {"x": x})


@pytest.mark.parametrize("dtype", ["float16", "float64", "int8", "uint32"])
def test_nonzero_of_types_that_onnxruntime_has_not(dtype: str) -> None:
    x = (np.arange(40) % 3).astype(dtype).reshape(5, 8)
    model = model_of("NonZero", {"x": x}, 1, {})
    np.testing.assert_array_equal(lamina.compile(model).run({"x": x})["y0"], np.stack(np.nonzero(x)))


def test_chunks_of_what_is_found_follow_each_other() -> None:
    x = np.zeros((3, 5000), np.float32)
    x[:, [0, 2047, 2048, 4999]] = 1
    x[2, 100:200] = 1
    check(model_of("NonZero", {"x": x}, 1, {}), {"x": x})


@pytest.mark.parametrize("axis", [None, 0, 1])
def test_compress(axis: int | None) -> None:
    x = np.arange(60, dtype=np.float32).reshape(6, 10)
    condition = np.array([False, True, True, False, True])
    fields = {} if axis is None else {"axis": axis}
    feeds = {"x": x, "condition": condition}
    check(model_of("Compress", feeds, 1, {}, **fields), feeds)


# --- boxes ----------------------------------------------------------------------------------------------


def boxes_and_scores(batches: int, classes: int, count: int, side: int, center: int) -> dict[str, np.ndarray]:
    """Many boxes on a picture of that side, some of them turned around or without area; scores with many ties."""
    rng = np.random.default_rng(count)
    corner, size = rng.random((batches, count, 2)) * side, 5 + 40 * rng.random((batches, count, 2))
    size[:, ::9] = 0
    boxes = np.concatenate([corner, size if center else corner + size], 2)
    if not center:
        boxes[:, ::4] = boxes[:, ::4][..., [2, 3, 0, 1]]
    scores = np.round(rng.random((batches, classes, count)), 2)
    return {"boxes": boxes.astype(np.float32), "scores": scores.astype(np.float32)}


@pytest.mark.parametrize("center", [0, 1])
@pytest.mark.parametrize(
    ("classes", "count", "side", "limit", "overlap", "least"),
    [
        (3, 70, 100, 10, 0.5, 0.3),
        (2, 400, 60, 400, 0.3, None),  # Few of many are kept: several rounds of candidates.
        (1, 300, 5000, 1 << 62, 0.0, -1.0),
        (2, 33, 100, 0, 0.5, 0.1),
        (1, 40, 10, 20, 1.0, 0.995),  # No score is above the least one.
    ],
)
def test_non_max_suppression(
    classes: int, count: int, side: int, limit: int, overlap: float, least: float | None, center: int
) -> None:
    feeds = boxes_and_scores(2, classes, count, side, center)
    constants = {"most": np.array([limit]), "overlap": np.array([overlap], np.float32)}
    if least is not None:
        constants["least"] = np.array([least], np.float32)
    model = model_of("NonMaxSuppression", feeds, 1, constants, center_point_box=center)
    check(model, feeds, threads=2)


def test_non_max_suppression_by_computed_thresholds() -> None:
    feeds = boxes_and_scores(1, 2, 50, 80, 0)
    feeds |= {"most": np.array([7]), "overlap": np.array([0.4], np.float32), "least": np.array([0.2], np.float32)}
    model = model_of("NonMaxSuppression", feeds, 1, {})
    assert len(check(model, feeds)[0])
    empty = {**feeds, "boxes": feeds["boxes"][:, :0], "scores": feeds["scores"][..., :0]}
    assert check(model, empty)[0].shape == (0, 3)


# --- Unique ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("in_order", [0, 1])
@pytest.mark.parametrize(
    ("dtype", "shape", "axis"),
    [
        ("int64", (4, 30), None),
        ("float32", (4, 30), None),
        ("int8", (50,), None),
        ("int64", (20, 3), 0),
        ("float32", (3, 2, 9), 2),
        ("int64", (0,), None),
    ],
)
def test_unique(dtype: str, shape: tuple[int, ...], axis: int | None, in_order: int) -> None:
    x = np.random.default_rng(2).integers(-2, 2 if axis is not None else 12, shape).astype(dtype)
    if dtype == "float32":
        x[x == 0] = -0.0
        x.reshape(-1)[-2:] = 0.0, np.inf
    fields = {} if axis is None else {"axis": axis}
    check(model_of("Unique", {"x": x}, 4, {}, sorted=in_order, **fields), {"x": x})


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float64", "float16"])
def test_unique_of_types_that_onnxruntime_has_not(dtype: str) -> None:
    x = np.array([200, 3, 3, 0, 7, 200, 3]).astype(dtype)
    found = lamina.compile(model_of("Unique", {"x": x}, 4, {})).run({"x": x})
    expected = np.unique(x, True, True, True)
    for mine, theirs in zip(found.values(), expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_nan_are_one_in_unique() -> None:
    x = np.array([np.nan, 1, -np.nan, np.inf, 1, np.nan], np.float32)
    found = lamina.compile(model_of("Unique", {"x": x}, 4, {})).run({"x": x})
    np.testing.assert_array_equal(found["y0"], [1, np.inf, np.nan])
    np.testing.assert_array_equal(found["y3"], [2, 1, 3])


# --- whole detectors ------------------------------------------------------------------------------------


def test_a_detector_with_suppression_in_the_graph() -> None:
    """Boxes and scores come from a convolution; what is kept is gathered, of any number of pictures' columns."""
    rng = np.random.default_rng(5)
    weights = {
        "w": rng.standard_normal((4 + 3, 8, 1, 1)).astype(np.float32),
        "to_rows": np.array([1, 7, -1]),
        "parts": np.array([4, 3]),
        "most": np.array([5]),
        "iou": np.array([0.4], np.float32),
        "least": np.array([0.6], np.float32),
        "column": np.array(2),
        "side": np.array(8, np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["head"]),
        helper.make_node("Reshape", ["head", "to_rows"], ["rows"]),
        helper.make_node("Sigmoid", ["rows"], ["shares"]),
        helper.make_node("Split", ["shares", "parts"], ["places", "scores"], axis=1),
        helper.make_node("Mul", ["places", "side"], ["scaled"]),
        helper.make_node("Transpose", ["scaled"], ["boxes"], perm=[0, 2, 1]),
        helper.make_node(
            "NonMaxSuppression", ["boxes", "scores", "most", "iou", "least"], ["kept"], center_point_box=1
        ),
        helper.make_node("Gather", ["kept", "column"], ["which"], axis=1),
        helper.make_node("Gather", ["boxes", "which"], ["found"], axis=1),
    ]
    info = [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 8, "H", "W"])]
    outputs = [helper.make_empty_tensor_value_info(name) for name in ("kept", "found")]
    tensors = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "detector", info, outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    data = onnx.shape_inference.infer_shapes(model).SerializeToString()
    feeds = {"x": rng.standard_normal((1, 8, 9, 11)).astype(np.float32)}
    executable = lamina.compile(data)
    assert [type(step).__name__ for step in executable.program.body.steps] == ["Call", "Bind", "Call"]
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    kept, found = session.run(None, feeds)
    results = executable.run(feeds)
    np.testing.assert_array_equal(results["kept"], kept)
    np.testing.assert_allclose(results["found"], found, rtol=1e-4, atol=1e-5)
