"""Operands whose sizes are free although the operator fixes them, and operators that were seldom asked for."""

from __future__ import annotations

from typing import Any

import lamina
import numpy as np
import pytest
from one_node import model_of
from onnx import TensorProto, helper, numpy_helper
from onnx.onnx_pb import ModelProto, NodeProto
from other_engines import assert_same, evaluated, reference

Array = np.ndarray
RNG = np.random.default_rng(0)


def random(*shape: int) -> Array:
    return RNG.standard_normal(shape).astype(np.float32)


def graph_of(nodes: list[NodeProto], inputs: dict[str, Any], weights: dict[str, Array], opset: int = 18) -> ModelProto:
    """``inputs``: element type and dims by name; the output is y, whose type may be among them."""
    infos = {name: helper.make_tensor_value_info(name, *type_) for name, type_ in inputs.items()}
    output = infos.pop("y", helper.make_empty_tensor_value_info("y"))
    tensors = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "g", list(infos.values()), [output], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def check(model: ModelProto, *feeds: dict[str, Array]) -> None:
    """One compile gives at each size what onnxruntime gives, or what ONNX's reference does where that refuses."""
    executable = lamina.compile(model, threads=1)
    for given in feeds:
        expected = reference(model, given) or evaluated(model, given)
        assert expected is not None
        assert_same(executable.run(given), expected)


@pytest.mark.parametrize("mode", ["linear", "nearest", "cubic"])
def test_grid_sample(mode: str) -> None:
    model = model_of("GridSample", {"x": ["N", 2, "H", "W"], "g": ["N", "A", "B", "C"]}, opset=20, mode=mode)
    check(model, *({"x": random(n, 2, 4, 5), "g": random(n, a, 2, 2)} for n, a in ((1, 3), (2, 4))))
    with pytest.raises(lamina.LaminaError, match="must be 2"):
        lamina.compile(model).run({"x": random(1, 2, 4, 5), "g": random(1, 3, 2, 3)})


def test_roi_align() -> None:
    node = helper.make_node("RoiAlign", ["x", "r", "b"], ["y"], output_height=3, output_width=2)
    types = {"x": (1, ["N", 2, "H", "W"]), "r": (1, ["R", "four"]), "b": (7, ["R"])}
    rois = np.array([[0, 1, 4, 5], [2, 2, 7, 6]], np.float32)
    check(
        graph_of([node], types, {}),
        {"x": random(2, 2, 8, 9), "r": rois, "b": np.array([0, 1])},
        {"x": random(1, 2, 7, 8), "r": rois[:1], "b": np.array([0])},
    )


def test_gather_nd() -> None:
    node = helper.make_node("GatherND", ["x", "i"], ["y"])
    x, i = (1, ["N", "H", 5]), (7, ["K", "L"])
    feeds = {"x": random(3, 4, 5), "i": np.array([[0, 1], [2, 3]])}
    check(graph_of([node], {"x": x, "i": i, "y": (1, ["K", 5])}, {}), feeds, {**feeds, "i": np.array([[1, 1]])})
    with pytest.raises(lamina.LaminaError, match="fix the size of L"):
        lamina.compile(graph_of([node], {"x": x, "i": i}, {}))
    vector = graph_of([node], {"x": (1, ["N"]), "i": i}, {})
    check(vector, {"x": random(4), "i": np.array([[1], [3]])})


def test_constant_of_shape() -> None:
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Concat", ["s", "more"], ["t"], axis=0),
        helper.make_node("ConstantOfShape", ["t"], ["y"], value=helper.make_tensor("v", TensorProto.INT64, [1], [7])),
    ]
    for more in ([0], [2], []):
        model = graph_of(nodes, {"x": (1, ["N", "M"])}, {"more": np.array(more, np.int64)})
        check(model, *({"x": random(n, m)} for n, m in ((2, 3), (1, 1), (0, 5))))


RECURRENT = [
    ("LSTM", 4, ["HardSigmoid", "Tanh", "Affine"], [0.3, 2.0], [0.4, 0.1]),
    ("LSTM", 4, ["Sigmoid", "ScaledTanh", "LeakyRelu"], [1.5, 0.2], [0.7]),
    ("LSTM", 4, ["Sigmoid", "Tanh", "Tanh"], [0.3], []),
    ("GRU", 3, ["HardSigmoid", "ThresholdedRelu"], [0.3, 0.5], [0.4]),
    ("GRU", 3, ["HardSigmoid", "Elu"], [], []),
    ("RNN", 1, ["Elu"], [0.5], []),
]


@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
@pytest.mark.parametrize(("operator", "gates", "names", "alphas", "betas"), RECURRENT)
def test_activations_with_numbers(operator, gates, names, alphas, betas, direction: str) -> None:
    count = 2 if direction == "bidirectional" else 1
    numbers = {"activation_alpha": alphas * count, "activation_beta": betas * count}
    weights = {"w": random(count, gates * 3, 2), "r": random(count, gates * 3, 3), "b": random(count, 6 * gates)}
    attributes = {name: values for name, values in numbers.items() if values}
    model = model_of(
        operator,
        {"x": ["T", "N", 2]},
        weights,
        hidden_size=3,
        activations=names * count,
        direction=direction,
        **attributes,
    )
    check(model, {"x": random(4, 2, 2)}, {"x": random(1, 3, 2)})


@pytest.mark.parametrize("dims", [["N", 2, 3, 4], [2, 2, 3, 4], ["N", 2, "H", "W"]])
def test_batch_normalization_of_each_element(dims: list[int | str]) -> None:
    weights = {name: np.abs(random(2, 3, 4)) for name in ("s", "b", "m", "v")}
    model = model_of("BatchNormalization", {"x": dims}, weights, opset=7, spatial=0)
    check(model, {"x": random(2, 2, 3, 4)}, *([{"x": random(1, 2, 3, 4)}] if dims[0] == "N" else []))


def test_sequence_map() -> None:
    info = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Add", ["a", "w"], ["c"]), helper.make_node("Mul", ["c", "b"], ["q"])],
        "body",
        [info("a", 1, None), info("b", 1, None)],
        [info("q", 1, None), info("c", 1, None)],
    )
    nodes = [
        helper.make_node("SequenceConstruct", ["x", "z"], ["s"]),
        helper.make_node("SequenceMap", ["s", "w"], ["u", "v"], body=body),
        helper.make_node("SequenceMap", ["u", "v"], ["t", "unused"], body=body),
        helper.make_node("ConcatFromSequence", ["t"], ["y"], axis=0),
    ]
    model = graph_of(nodes, {"x": (1, ["N", 3]), "z": (1, ["M", 3])}, {"w": random(3)})
    check(model, {"x": random(2, 3), "z": random(1, 3)}, {"x": random(1, 3), "z": random(4, 3)})


def test_split_parts_make_up_the_axis() -> None:
    given = model_of("Split", {"x": ["N", 3]}, {"s": np.array([1, 2], np.int64)}, outputs=2, axis=0)
    check(given, {"x": random(3, 3)})
    with pytest.raises(lamina.LaminaError, match="must be 3"):
        lamina.compile(given).run({"x": random(0, 3)})
    uneven = model_of("Split", {"x": [2, "N"]}, outputs=3, axis=1, num_outputs=3)
    check(uneven, {"x": random(2, 5)}, {"x": random(2, 9)})
    with pytest.raises(lamina.LaminaError, match="the last part has a size"):
        lamina.compile(uneven).run({"x": random(2, 1)})


@pytest.mark.parametrize("operator", ["Conv", "ConvTranspose"])
def test_kernel_shape_says_what_the_weights_leave_open(operator: str) -> None:
    model = model_of(operator, {"x": ["N", 2, "H", "W"], "w": [2, 2, "A", "B"]}, kernel_shape=[3, 2])
    check(model, {"x": random(1, 2, 6, 5), "w": random(2, 2, 3, 2)})
    with pytest.raises(lamina.LaminaError, match="must be 3"):
        lamina.compile(model).run({"x": random(1, 2, 6, 5), "w": random(2, 2, 2, 2)})


@pytest.mark.parametrize("wanted", [[4, 5], [0, 1]])
def test_cropping_or_padding_an_axis_of_any_size(wanted: list[int]) -> None:
    model = model_of("CenterCropPad", {"x": ["A", 3, "B"]}, {"s": np.array(wanted)}, axes=[0, -1])
    check(model, *({"x": random(a, 3, b)} for a, b in ((0, 4), (1, 0), (3, 5), (4, 8), (5, 6), (100, 1))))
    computed = graph_of(
        [helper.make_node("CenterCropPad", ["x", "s"], ["y"], axes=[2])], {"x": (1, [2, 1, "B"]), "s": (7, [1])}, {}
    )
    check(computed, *({"x": random(2, 1, b), "s": np.array([s])} for b, s in ((0, 4), (5, 0), (5, 2), (5, 8))))


def group_norm(x: Array, scale: Array, bias: Array, groups: int) -> Array:
    """The formula in float64."""
    grouped = x.reshape(len(x), groups, x.shape[1] // groups * x.shape[2]).astype(np.float64)
    with np.errstate(all="ignore"):
        deviation = np.sqrt(np.mean(np.square(grouped - grouped.mean(2, keepdims=True)), 2, keepdims=True) + 1e-5)
        normal = (grouped - grouped.mean(2, keepdims=True)) / deviation
    if len(scale) == groups != x.shape[1]:
        return (normal * scale[:, None] + bias[:, None]).reshape(x.shape)
    return normal.reshape(x.shape) * scale[:, None] + bias[:, None]


@pytest.mark.filterwarnings("ignore:Mean of empty slice")
@pytest.mark.parametrize("opset", [18, 21])
def test_group_normalization_of_any_number_of_channels(opset: int) -> None:
    dims: dict[str, list[int | str]] = {"x": ["N", "C", "H"], "s": ["K"], "b": ["K"]}
    executable = lamina.compile(model_of("GroupNormalization", dims, opset=opset, num_groups=2), threads=1)
    for n, channels, height in ((1, 4, 5), (2, 2, 1), (3, 6, 2), (0, 4, 1), (1, 0, 3), (1, 4, 0), (1, 64, 40)):
        vectors = (random(2 if opset == 18 else channels) for _ in range(2))
        feeds = dict(zip("xsb", (random(n, channels, height), *vectors)))
        expected = group_norm(*feeds.values(), groups=2)
        np.testing.assert_allclose(executable.run(feeds)["y0"], expected, rtol=1e-3, atol=1e-4)
    vector = random(2 if opset == 18 else 3)
    with pytest.raises(lamina.LaminaError, match="the size must divide by 2"):
        executable.run({"x": random(1, 3, 2), "s": vector, "b": vector})


def test_slices_of_axes_that_are_computed() -> None:
    types = {"x": (1, [5, 6, 7]), "s": (7, ["K"]), "e": (7, ["K"])}
    x = random(5, 6, 7)
    bounds = (([], []), ([1], [-1]), ([1, 2, 3], [9, -2, 7]))
    first = graph_of([helper.make_node("Slice", ["x", "s", "e"], ["y"])], types, {})
    check(first, *({"x": x, "s": np.array(s, np.int64), "e": np.array(e, np.int64)} for s, e in bounds))
    node = helper.make_node("Slice", ["x", "s", "e", "a", "t"], ["y"])
    feeds = {"s": np.array([1, 5]), "e": np.array([9, -20]), "a": np.array([0, -1]), "t": np.array([2, -1])}
    model = graph_of([node], {**types, "a": (7, ["K"]), "t": (7, ["K"])}, {})
    check(model, {"x": x, **feeds})
    with pytest.raises(lamina.LaminaError, match="must be 2"):
        lamina.compile(model).run({"x": x, **feeds, "a": np.array([0])})


@pytest.mark.parametrize(("operator", "groups"), [("ConvTranspose", 1), ("ConvTranspose", 2), ("Conv", 1)])
def test_convolutions_of_any_number_of_channels(operator: str, groups: int) -> None:
    model = model_of(operator, {"x": ["N", "C", "H"], "w": ["A", "B", 3]}, group=groups)
    for channels in (2, 6):
        w = random(channels, 2, 3) if operator == "ConvTranspose" else random(4, channels, 3)
        check(model, {"x": random(1, channels, 5), "w": w})


def test_kernel_shape_of_integer_convolutions() -> None:
    types = {"x": (2, [1, 2, "H", "W"]), "w": (2, [3, 2, "A", "B"])}
    node = helper.make_node("ConvInteger", ["x", "w"], ["y"], kernel_shape=[2, 3])
    x, w = (RNG.integers(0, 255, shape).astype(np.uint8) for shape in ((1, 2, 5, 6), (3, 2, 2, 3)))
    check(graph_of([node], types, {}), {"x": x, "w": w})
    with pytest.raises(lamina.LaminaError, match="fix the size of A"):
        lamina.compile(graph_of([helper.make_node("ConvInteger", ["x", "w"], ["y"])], types, {}))
