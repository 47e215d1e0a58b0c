"""Steps of optimisers, gradients, modes of training and random numbers; against ONNX's reference and by definition."""

from __future__ import annotations

from typing import Any

import lamina
import numpy as np
import onnx
import pytest
from lamina.errors import UnsupportedOperatorError
from lamina.runtime.errors import ExecutionError
from onnx import TensorProto, helper, parser
from onnx.reference import ReferenceEvaluator

T = TensorProto
RNG = np.random.default_rng(0)
TRAINING = "ai.onnx.preview.training"


def one_node(node: onnx.NodeProto, feeds: dict[str, np.ndarray], outputs: dict[str, int], free: bool = False) -> Any:
    def shape(name: str, x: np.ndarray) -> list[Any]:
        return [f"{name}{axis}" if free else size for axis, size in enumerate(x.shape)]

    codes = {name: helper.np_dtype_to_tensor_dtype(x.dtype) for name, x in feeds.items()}
    given = [helper.make_tensor_value_info(name, codes[name], shape(name, x)) for name, x in feeds.items()]
    wanted = [helper.make_tensor_value_info(name, code, None) for name, code in outputs.items()]
    opsets = [helper.make_opsetid("", 26), helper.make_opsetid(TRAINING, 1)]
    graph = helper.make_graph([node], "one", given, wanted)
    return helper.make_model(graph, opset_imports=opsets, ir_version=11)


def compare(node: onnx.NodeProto, feeds: dict[str, np.ndarray], codes: dict[str, int], free: bool = False) -> None:
    model = one_node(node, feeds, codes, free)
    found = lamina.compile(model.SerializeToString()).run(feeds)
    for value, expected in zip(found.values(), ReferenceEvaluator(model).run(None, feeds), strict=True):
        assert value.dtype == expected.dtype
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)


OPTIMISERS = [
    ("Adagrad", 3, {"decay_factor": 0.1, "epsilon": 1e-5, "norm_coefficient": 0.01}),
    ("Adam", 4, {"alpha": 0.9, "beta": 0.8, "epsilon": 1e-5, "norm_coefficient": 0.01, "norm_coefficient_post": 0.1}),
    ("Momentum", 3, {"alpha": 0.9, "beta": 0.8, "mode": "standard", "norm_coefficient": 0.01}),
    ("Momentum", 3, {"alpha": 0.9, "beta": 0.8, "mode": "nesterov", "norm_coefficient": 0.01}),
]


@pytest.mark.parametrize(("operator", "kinds", "attributes"), OPTIMISERS)
@pytest.mark.parametrize("time", [0, 3])
def test_optimisers_take_the_steps_of_the_reference(
    operator: str, kinds: int, attributes: dict[str, Any], time: int
) -> None:
    feeds: dict[str, np.ndarray] = {"R": np.array(0.1, np.float32), "T": np.array(time)}
    for kind in range(kinds):
        for place, size in enumerate((3, 2)):
            feeds[f"x{kind}{place}"] = RNG.random(size, dtype=np.float32)
    outputs = [f"y{index}" for index in range(2 * (kinds - 1))]
    node = helper.make_node(operator, list(feeds), outputs, domain=TRAINING, **attributes)
    compare(node, feeds, dict.fromkeys(outputs, T.FLOAT))


GRADIENTS = {
    "chain": "m = MatMul (x, w) a = Add (m, b) t = Tanh (a) s = Sigmoid (t) y = ReduceMean <keepdims = 0> (s)",
    "quotient": "e = Exp (x) p = Mul (e, e) r = Sqrt (p) q = Div (w, b) n = MatMul (r, q)"
    " y = ReduceSum <keepdims = 0> (n)",
    "shared": "m = MatMul (x, w) a = Sub (m, b) u = Mul (a, m) v = Sin (u) k = Relu (v)"
    " y = ReduceSum <keepdims = 0> (k)",
}


@pytest.mark.parametrize("nodes", GRADIENTS.values(), ids=GRADIENTS)
def test_gradients_are_the_quotients_of_differences(nodes: str) -> None:
    head = "(double[2, 3] x, double[3, 4] w, double[4] b) =>"
    gradient = f'dx, dw, db = {TRAINING}.Gradient <xs = ["x", "w", "b"], y = "y"> (x, w, b)'
    imports = f'<ir_version: 9, opset_import: ["" : 13, "{TRAINING}" : 1]>'
    text = f"{imports} g {head} (double y, double[2, 3] dx, double[3, 4] dw, double[4] db) {{ {nodes}\n {gradient} }}"
    executable = lamina.compile(parser.parse_model(text).SerializeToString())
    feeds = {"x": RNG.random((2, 3)), "w": RNG.random((3, 4)), "b": 1 + RNG.random(4)}
    found = executable.run(feeds)
    for name, values in feeds.items():
        differences = np.zeros_like(values)
        for place in np.ndindex(values.shape):
            moved = [values.copy(), values.copy()]
            moved[0][place] += 1e-5
            moved[1][place] -= 1e-5
            up, down = (executable.run({**feeds, name: each})["y"] for each in moved)
            differences[place] = (up - down) / 2e-5
        np.testing.assert_allclose(found[f"d{name}"], differences, rtol=1e-4, atol=1e-7)


def test_a_gradient_that_is_not_known_is_told_of() -> None:
    text = f"""<ir_version: 9, opset_import: ["" : 13, "{TRAINING}" : 1]> g (float[3] x) => (float[3] y, float[3] d) {{
        y = Softplus (x)
        d = {TRAINING}.Gradient <xs = ["x"], y = "y"> (x)
    }}"""
    with pytest.raises(UnsupportedOperatorError, match="gradient of Softplus is not known"):
        lamina.compile(parser.parse_model(text).SerializeToString())


@pytest.mark.parametrize("free", [False, True], ids=["fixed", "free"])
def test_batch_normalisation_learns_mean_and_variance(free: bool) -> None:
    x = RNG.standard_normal((3, 4, 5, 2), dtype=np.float32)
    feeds = {"x": x, **{name: RNG.random(4, dtype=np.float32) for name in ("s", "b", "m", "v")}}
    attributes = {"training_mode": 1, "momentum": 0.7, "epsilon": 1e-3}
    node = helper.make_node("BatchNormalization", list(feeds), ["y", "mean", "var"], **attributes)
    compare(node, feeds, dict.fromkeys(("y", "mean", "var"), T.FLOAT), free)


@pytest.mark.parametrize("ratio", [0.0, 0.25, 0.9])
def test_dropout_drops_its_share_and_scales_the_rest(ratio: float) -> None:
    x = np.full((200, 300), 2, np.float32)
    feeds = {"x": x, "r": np.array(ratio, np.float32), "t": np.array(True)}
    model = one_node(helper.make_node("Dropout", list(feeds), ["y", "mask"]), feeds, {"y": T.FLOAT, "mask": T.BOOL})
    executable = lamina.compile(model.SerializeToString())
    y, mask = executable.run(feeds).values()
    assert abs(mask.mean() - (1 - ratio)) < 0.01
    np.testing.assert_allclose(y, np.where(mask, x / np.float32(1 - ratio), 0), rtol=1e-6)
    again = executable.run(feeds)["mask"]
    assert (again == mask).all() == (ratio == 0.0)
    np.testing.assert_array_equal(executable.run({**feeds, "t": np.array(False)})["y"], x)


def drawn(operator: str, shape: tuple[int, ...] | None = None, x: np.ndarray | None = None, **attributes: Any) -> Any:
    feeds = {} if x is None else {"x": x}
    if shape is not None:
        attributes["shape"] = shape
    code = attributes.get("dtype", T.FLOAT)
    model = one_node(helper.make_node(operator, list(feeds), ["y"], **attributes), feeds, {"y": code})
    executable = lamina.compile(model.SerializeToString())
    return executable.run(feeds)["y"], executable.run(feeds)["y"]


def test_random_numbers_have_their_distributions() -> None:
    y, _ = drawn("RandomUniform", (300, 200), low=-1.0, high=3.0)
    assert y.min() >= -1 and y.max() <= 3 and abs(y.mean() - 1) < 0.03 and abs(y.var() - 16 / 12) < 0.03
    assert np.ptp(np.histogram(y, 10)[0]) < 800
    y, _ = drawn("RandomNormal", (300, 200), mean=2.0, scale=0.5, dtype=T.DOUBLE)
    assert y.dtype == np.float64 and abs(y.mean() - 2) < 0.01 and abs(y.std() - 0.5) < 0.01
    assert abs((np.abs(y - 2) < 0.5).mean() - 0.6827) < 0.01
    p = np.repeat(np.array([[0.0], [0.2], [0.7], [1.0]], np.float32), 20000, 1)
    y, _ = drawn("Bernoulli", x=p)
    np.testing.assert_allclose(y.mean(1), [0, 0.2, 0.7, 1], atol=0.02)
    logits = np.log(np.array([[0.1, 0.6, 0.3]], np.float32))
    y, _ = drawn("Multinomial", x=logits, sample_size=30000, dtype=T.INT64)
    np.testing.assert_allclose(np.bincount(y[0]) / 30000, [0.1, 0.6, 0.3], atol=0.015)


@pytest.mark.parametrize("seed", [None, 5.0])
def test_seeded_numbers_are_the_same_at_each_run(seed: float | None) -> None:
    attributes = {} if seed is None else {"seed": seed}
    first, second = drawn("RandomNormalLike", x=np.zeros((4, 5), np.float32), **attributes)
    assert (first == second).all() == (seed is not None)


@pytest.mark.parametrize("free", [False, True], ids=["fixed", "free"])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_determinants(size: int, free: bool) -> None:
    x = RNG.standard_normal((3, 2, size, size), dtype=np.float32)
    compare(helper.make_node("Det", ["x"], ["y"]), {"x": x}, {"y": T.FLOAT}, free)


@pytest.mark.parametrize("free", [False, True], ids=["fixed", "free"])
@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("attributes", [{}, {"exclusive": 1}, {"reverse": 1}, {"exclusive": 1, "reverse": 1}])
def test_running_products(attributes: dict[str, int], axis: int, free: bool) -> None:
    x = (0.5 + RNG.random((7, 5))).astype(np.float32)
    feeds = {"x": x, "axis": np.array(axis, np.int64)}
    compare(helper.make_node("CumProd", ["x", "axis"], ["y"], **attributes), feeds, {"y": T.FLOAT}, free)


@pytest.mark.parametrize("free", [False, True], ids=["fixed", "free"])
def test_parts_of_computed_sizes(free: bool) -> None:
    feeds = {"x": RNG.standard_normal((4, 6), dtype=np.float32), "sizes": np.array([1, 0, 5])}
    node = helper.make_node("Split", ["x", "sizes"], ["a", "b", "c"], axis=1)
    compare(node, feeds, dict.fromkeys("abc", T.FLOAT), free)
    executable = lamina.compile(one_node(node, feeds, dict.fromkeys("abc", T.FLOAT), free).SerializeToString())
    with pytest.raises(ExecutionError, match="expected shape"):
        executable.run({**feeds, "sizes": np.array([1, 1, 1])})


def test_mel_weights_of_constants_are_a_constant() -> None:
    numbers = [np.array(8), np.array(16), np.array(8192), np.array(0.0, np.float32), np.array(4096.0, np.float32)]
    weights = [onnx.numpy_helper.from_array(x, f"w{index}") for index, x in enumerate(numbers)]
    node = helper.make_node("MelWeightMatrix", [w.name for w in weights], ["y"])
    model = one_node(node, {}, {"y": T.FLOAT})
    model.graph.initializer.extend(weights)
    executable = lamina.compile(model.SerializeToString())
    assert not [step for step in executable.program.body.steps if hasattr(step, "operation")]
    np.testing.assert_allclose(executable.run({})["y"], ReferenceEvaluator(model).run(None, {})[0], rtol=1e-6)
