"""ScatterElements, ScatterND and GatherND as kernels, against NumPy, onnxruntime, and updates made one by one."""

from __future__ import annotations

import itertools

import lamina
import numpy as np
import onnx
import pytest
from onnx import helper

RNG = np.random.default_rng(0)
COMBINE = {"none": lambda a, b: b, "add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}
TYPES = [np.float32, np.float64, np.float16, np.int64, np.int32, np.int8, np.uint8, np.uint16, np.bool_]


def numbers(shape: tuple[int, ...], dtype: type) -> np.ndarray:
    values = RNG.integers(0, 7, shape) if np.dtype(dtype).kind == "u" else RNG.integers(-3, 4, shape)
    return (values % 2 if dtype is np.bool_ else values).astype(dtype)


def model_of(operator: str, arrays: dict[str, np.ndarray], free: bool, **attributes: object) -> onnx.ModelProto:
    infos = []
    for name, array in arrays.items():
        dims: list[int | str] = [f"{name}{axis}" if free else size for axis, size in enumerate(array.shape)]
        if operator != "ScatterElements" and name == "i":
            dims[-1] = array.shape[-1]
        infos.append(helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), dims))
    node = helper.make_node(operator, list(arrays), ["y"], **attributes)
    graph = helper.make_graph([node], "g", infos, [onnx.ValueInfoProto(name="y")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def scattered_elements(x: np.ndarray, indices: np.ndarray, updates: np.ndarray, axis: int, reduction: str):
    result = x.copy()
    for place in np.ndindex(updates.shape):
        target = (*place[:axis], int(indices[place]), *place[axis + 1 :])
        result[target] = COMBINE[reduction](result[target], updates[place])
    return result


def scattered_nd(x: np.ndarray, indices: np.ndarray, updates: np.ndarray, reduction: str):
    result = x.copy()
    for place in np.ndindex(indices.shape[:-1]):
        target = tuple(indices[place])
        result[target] = COMBINE[reduction](result[target], updates[place])
    return result


ELEMENTS = [
    ((5,), (9,), 0), ((6, 70), (9, 70), 0), ((6, 70), (4, 50), 0), ((3, 8), (3, 20), 1),
    ((3, 5, 4, 6), (2, 9, 3, 6), 1),
]  # fmt: skip
POSITIONS = [((6, 70), (9, 1)), ((6, 7), (3, 4, 2)), ((5, 4, 33), (8, 2)), ((0, 3), (0, 1)), ((4, 3), (0, 1))]


@pytest.mark.parametrize("free", [False, True], ids=["static", "free"])
@pytest.mark.parametrize("reduction", COMBINE)
def test_scatter(reduction: str, free: bool) -> None:
    """Each shape with some of the types; indices come several times, and negative ones too."""
    types = itertools.cycle(TYPES if reduction != "min" else TYPES[::-1])
    for shape, count, axis in ELEMENTS:
        dtype = next(types)
        indices = RNG.integers(-shape[axis], shape[axis], count)
        feeds = {"x": numbers(shape, dtype), "i": indices, "u": numbers(count, dtype)}
        executable = lamina.compile(model_of("ScatterElements", feeds, free, axis=axis, reduction=reduction), threads=2)
        expected = scattered_elements(*feeds.values(), axis=axis, reduction=reduction)
        np.testing.assert_array_equal(executable.run(feeds)["y"], expected, str((shape, dtype)))
    for shape, index_shape in POSITIONS:
        dtype = next(types)
        sizes = shape[: index_shape[-1]]
        indices = np.stack([RNG.integers(-size, max(size, 1), index_shape[:-1]) for size in sizes], -1)
        feeds = {"x": numbers(shape, dtype), "i": indices.astype(np.int64)}
        feeds["u"] = numbers((*index_shape[:-1], *shape[index_shape[-1] :]), dtype)
        executable = lamina.compile(model_of("ScatterND", feeds, free, reduction=reduction), threads=2)
        expected = scattered_nd(*feeds.values(), reduction=reduction)
        np.testing.assert_array_equal(executable.run(feeds)["y"], expected, str((shape, dtype)))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint64, np.bool_])
@pytest.mark.parametrize("reduction", ["max", "min", "mul"])
def test_numbers_without_a_sign(dtype: type, reduction: str) -> None:
    x = np.array([0, 1, 0, 1] if dtype is np.bool_ else [200, 3, 255, 0]).astype(dtype)
    feeds = {"x": x, "i": np.array([3, 2, 0, 0]), "u": x[::-1].copy()}
    found = lamina.compile(model_of("ScatterElements", feeds, False, reduction=reduction)).run(feeds)["y"]
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(found, scattered_elements(*feeds.values(), axis=0, reduction=reduction))


def test_sums_of_messages() -> None:
    """As graph networks are exported: indices that are the same for all features, into zeros."""
    edges, features = 50, 40
    nodes = [
        helper.make_node("Expand", ["i", "wide"], ["indices"]),
        helper.make_node("Expand", ["zero", "result"], ["zeros"]),
        helper.make_node("ScatterElements", ["zeros", "indices", "u"], ["y"], axis=0, reduction="add"),
    ]
    infos = [
        helper.make_tensor_value_info("i", onnx.TensorProto.INT64, [edges, 1]),
        helper.make_tensor_value_info("u", onnx.TensorProto.FLOAT, [edges, features]),
    ]
    weights = {
        "wide": np.array([edges, features]), "zero": np.zeros(1, np.float32), "result": np.array([7, features]),
    }  # fmt: skip
    tensors = [onnx.numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "g", infos, [onnx.ValueInfoProto(name="y")], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    feeds = {"i": RNG.integers(0, 7, (edges, 1)), "u": numbers((edges, features), np.float32)}
    expected = np.zeros((7, features), np.float32)
    np.add.at(expected, feeds["i"][:, 0], feeds["u"])
    np.testing.assert_array_equal(lamina.compile(model, threads=2).run(feeds)["y"], expected)


@pytest.mark.parametrize("wrong", [4, -5, 2**40])
@pytest.mark.parametrize("operator", ["ScatterElements", "ScatterND", "GatherND"])
def test_index_out_of_range(operator: str, wrong: int) -> None:
    feeds = {"x": numbers((4, 3), np.float32), "i": np.array([[0, 1], [1, 2]]), "u": numbers((2,), np.float32)}
    if operator == "ScatterElements":
        feeds["u"] = numbers((2, 2), np.float32)
    if operator == "GatherND":
        del feeds["u"]
    executable = lamina.compile(model_of(operator, feeds, False))
    executable.run(feeds)
    indices = feeds["i"].copy()
    indices[1, 0] = wrong
    with pytest.raises(lamina.IndexOutOfRangeError, match=rf"'y' picks index {wrong} of an axis of 4"):
        executable.run({**feeds, "i": indices})


@pytest.mark.parametrize("free", [False, True], ids=["static", "free"])
@pytest.mark.parametrize(
    ("batch", "shape", "index_shape"),
    [
        (0, (5, 6, 7), (4, 2)),
        (1, (3, 6, 7), (3, 4, 1)),
        (1, (3, 6, 7), (3, 4, 2)),
        (2, (3, 2, 7, 5), (3, 2, 6, 1)),
        (1, (2, 2, 2), (2, 1)),
        (2, (3, 2, 7), (3, 2, 1)),
    ],
)
def test_gather_nd(batch: int, shape: tuple[int, ...], index_shape: tuple[int, ...], free: bool) -> None:
    sizes = shape[batch : batch + index_shape[-1]]
    indices = np.stack([RNG.integers(-size, size, index_shape[:-1]) for size in sizes], -1)
    feeds = {"x": numbers(shape, np.float32), "i": indices}
    model = model_of("GatherND", feeds, free, batch_dims=batch)
    found = lamina.compile(model, threads=2).run(feeds)["y"]
    expected = np.stack([feeds["x"][(*place[:batch], *indices[place])] for place in np.ndindex(index_shape[:-1])])
    np.testing.assert_array_equal(found, expected.reshape(found.shape))
