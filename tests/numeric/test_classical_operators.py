"""Linear models, support vectors, scalers and encoders of ai.onnx.ml beside onnxruntime."""

from __future__ import annotations

from typing import Any

import lamina
import numpy as np
import onnx
import onnxruntime
import pytest
from lamina.errors import InvalidModelError
from lamina.runtime.errors import LaminaError
from onnx import TensorProto, helper

LABELS_AND_SCORES = ("label", "scores")
RNG = np.random.default_rng(0)
X = np.concatenate([np.zeros((1, 3)), RNG.standard_normal((29, 3))]).astype(np.float32)
ONE_ROW = {"coefficients": [1.0, 0.5, -0.25], "intercepts": [0.1]}
THREE_ROWS = {"coefficients": RNG.standard_normal(9).tolist(), "intercepts": [0.1, 0.2, 0.3]}
INTEGERS = np.array([[1, 2], [3, 9], [2, 2]], np.int64)
FLOATS = np.array([[np.nan, 2.0], [1, 7]], np.float32)
TEXT = np.array([["a", "b"], ["zz", "c"]], object)


def model_of(operator: str, x: np.ndarray, version: int, **attributes: Any) -> onnx.ModelProto:
    outputs = LABELS_AND_SCORES if operator.endswith("Classifier") else ("y",)
    node = helper.make_node(operator, ["x"], list(outputs), domain="ai.onnx.ml", **attributes)
    kind = TensorProto.STRING if x.dtype == object else helper.np_dtype_to_tensor_dtype(x.dtype)
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", version)]
    schema = onnx.defs.get_schema(operator, version, "ai.onnx.ml")
    graph = helper.make_graph(
        [node],
        operator,
        [helper.make_tensor_value_info("x", kind, ["N", *x.shape[1:]])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
    )
    assert len(schema.outputs) == len(outputs)
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def compare(operator: str, x: np.ndarray, version: int = 3, kinds: tuple[int, ...] = (), **attributes: Any) -> None:
    """``kinds``: the types of the outputs that are not f32."""
    model = model_of(operator, x, version, **attributes)
    for output, kind in zip(model.graph.output, kinds):
        output.type.tensor_type.elem_type = kind
    expected = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    found = list(lamina.compile(model).run({"x": x}).values())
    for have, want in zip(found, expected, strict=True):
        assert (have.dtype, have.shape) == (want.dtype, want.shape)
        if have.dtype == object:
            assert (have == want).all()
        else:
            np.testing.assert_allclose(have, want, rtol=1e-4, atol=1e-5)


INTEGER, STRING = (TensorProto.INT64,), (TensorProto.STRING,)


@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"])
def test_linear_models(transform: str) -> None:
    compare("LinearClassifier", X, kinds=INTEGER, classlabels_ints=[3, 4], post_transform=transform, **ONE_ROW)
    labels = {"classlabels_strings": ["a", "b", "c"]}
    compare("LinearClassifier", X, kinds=STRING, post_transform=transform, **labels, **THREE_ROWS)
    compare("LinearRegressor", X, targets=1, post_transform=transform, **ONE_ROW)
    compare("LinearRegressor", X, targets=3, post_transform=transform, **THREE_ROWS)


@pytest.mark.parametrize("kind", [np.float64, np.int64, np.int32])
def test_other_types_of_features(kind: type) -> None:
    x = (X * 3).astype(kind)
    compare("LinearClassifier", x, kinds=INTEGER, classlabels_ints=[3, 4, 5], **THREE_ROWS)
    compare("Scaler", x, scale=[2.0, 0.5, 3.0], offset=[1.0, 0.1, 0.2])
    compare("Normalizer", x, norm="L2")


def vectors(kernel: str) -> dict[str, Any]:
    numbers = np.random.default_rng(1).standard_normal(21).tolist()
    return {"kernel_type": kernel, "kernel_params": [0.5, 0.2, 3.0], "support_vectors": numbers}


SEVEN, FOURTEEN = RNG.standard_normal(7).tolist(), RNG.standard_normal(14).tolist()
TWO = {"vectors_per_class": [3, 4], "coefficients": SEVEN, "rho": [0.3], "classlabels_ints": [5, 9]}
THREE = {"vectors_per_class": [2, 3, 2], "coefficients": FOURTEEN, "rho": [0.3, 0.1, -0.2]}


@pytest.mark.parametrize("kernel", ["LINEAR", "POLY", "RBF", "SIGMOID"])
def test_kernels_of_support_vectors(kernel: str) -> None:
    one_class = int(kernel == "POLY")
    compare("SVMRegressor", X, n_supports=7, one_class=one_class, coefficients=SEVEN, rho=[0.3], **vectors(kernel))
    compare("SVMClassifier", X, kinds=INTEGER, classlabels_ints=[5, 9, 11], **THREE, **vectors(kernel))


def test_scores_of_support_vectors() -> None:
    given = vectors("RBF")
    for transform in ("NONE", "LOGISTIC"):
        compare("SVMClassifier", X, kinds=INTEGER, post_transform=transform, **TWO, **given)
    compare("SVMClassifier", X, kinds=INTEGER, prob_a=[-1.0], prob_b=[0.1], **TWO, **given)
    likely = {"prob_a": [-1.0, -0.5, -2.0], "prob_b": [0.1, 0.2, 0.3]}
    compare("SVMClassifier", X, kinds=STRING, classlabels_strings=["a", "b", "c"], **likely, **THREE, **given)


def test_support_vector_machines_of_planes() -> None:
    given = {"kernel_params": [0.0, 0.0, 0.0], "rho": [0.3]}
    compare("SVMRegressor", X, n_supports=0, coefficients=[1.0, 2.0, 3.0], **given)
    for weights in (RNG.standard_normal(6), np.abs(RNG.standard_normal(6))):
        compare("SVMClassifier", X, kinds=INTEGER, classlabels_ints=[5, 9], coefficients=weights.tolist(), **given)
    coefficients = RNG.standard_normal(9).tolist()
    compare("SVMClassifier", X, kinds=INTEGER, classlabels_ints=[5, 9, 11], coefficients=coefficients, **given)


PREPARATIONS = [
    ("Scaler", X, (), {"scale": [2.0], "offset": [1.0]}),
    ("Normalizer", X, (), {"norm": "MAX"}),
    ("Normalizer", X, (), {"norm": "L1"}),
    ("Binarizer", X, (), {"threshold": 0.2}),
    ("Binarizer", X, (), {"threshold": float("inf")}),
    ("Imputer", FLOATS, (), {"imputed_value_floats": [7.0, 8.0], "replaced_value_float": float("nan")}),
    ("Imputer", FLOATS, (), {"imputed_value_floats": [7.0], "replaced_value_float": 2.0}),
    ("Imputer", INTEGERS, INTEGER, {"imputed_value_int64s": [7], "replaced_value_int64": 3}),
    ("OneHotEncoder", INTEGERS, (), {"cats_int64s": [1, 2, 3]}),
    ("OneHotEncoder", X * 3, (), {"cats_int64s": [0, 1, 2, 3]}),
    ("OneHotEncoder", TEXT, (), {"cats_strings": ["a", "b", "c"]}),
    ("CategoryMapper", TEXT, INTEGER, {"cats_int64s": [4, 5], "cats_strings": ["a", "b"]}),
    ("CategoryMapper", INTEGERS, STRING, {"cats_int64s": [1, 9], "cats_strings": ["a", "b"]}),
]


@pytest.mark.parametrize(("operator", "x", "kinds", "attributes"), PREPARATIONS)
def test_preparations(operator: str, x: np.ndarray, kinds: tuple[int, ...], attributes: dict[str, Any]) -> None:
    compare(operator, x, kinds=kinds, **attributes)


ENCODERS = [
    (INTEGERS, INTEGER, 2, {"keys_int64s": [1, 2, 1], "values_int64s": [10, 20, 30], "default_int64": 5}),
    (INTEGERS, INTEGER, 2, {"keys_int64s": [*range(300)], "values_int64s": [*range(300, 0, -1)]}),
    (INTEGERS, STRING, 2, {"keys_int64s": [1, 2], "values_strings": ["a", "b"]}),
    (TEXT, INTEGER, 2, {"keys_strings": ["a", "b"], "values_int64s": [7, 8]}),
    (TEXT, (), 2, {"keys_strings": ["a", "b"], "values_floats": [7.0, 8.0]}),
    (TEXT, STRING, 2, {"keys_strings": ["a", "b"], "values_strings": ["x", "y"], "default_string": "?"}),
    (FLOATS, INTEGER, 2, {"keys_floats": [float("nan"), 2.0], "values_int64s": [10, 20]}),
    (FLOATS, INTEGER, 4, {"keys_floats": [float("nan"), 2.0], "values_int64s": [10, 20]}),
    (FLOATS, STRING, 2, {"keys_floats": [1.0, 2.0], "values_strings": ["p", "q"]}),
    (TEXT, INTEGER, 1, {"classes_strings": ["a", "b"]}),
    (INTEGERS, STRING, 1, {"classes_strings": ["a", "b", "c"]}),
]


@pytest.mark.parametrize(("x", "kinds", "version", "attributes"), ENCODERS)
def test_label_encoders(x: np.ndarray, kinds: tuple[int, ...], version: int, attributes: dict[str, Any]) -> None:
    compare("LabelEncoder", x, version, kinds, **attributes)


@pytest.mark.parametrize("x", [INTEGERS, TEXT])
def test_an_unknown_category_is_refused_where_zeros_are(x: np.ndarray) -> None:
    known = {"cats_strings": ["a", "b", "c"]} if x.dtype == object else {"cats_int64s": [1, 2, 3]}
    compiled = lamina.compile(model_of("OneHotEncoder", x, 1, zeros=0, **known))
    assert compiled.run({"x": x[:1]})["y"].shape == (1, 2, 3)
    with pytest.raises(LaminaError, match="picks index 3 of an axis of 3"):
        compiled.run({"x": x})


def test_features_side_by_side() -> None:
    """Cut, filled up with zeros, and columns picked of them; against the definition."""
    nodes = [
        helper.make_node("FeatureVectorizer", ["a", "b"], ["both"], domain="ai.onnx.ml", inputdimensions=[2, 4]),
        helper.make_node("ArrayFeatureExtractor", ["both", "columns"], ["y"], domain="ai.onnx.ml"),
    ]
    graph = helper.make_graph(
        nodes,
        "side_by_side",
        [
            helper.make_tensor_value_info("a", TensorProto.FLOAT, ["N", 3]),
            helper.make_tensor_value_info("b", TensorProto.FLOAT, ["N", 2]),
            helper.make_tensor_value_info("columns", TensorProto.INT64, [1, 3]),
        ],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("both", "y")],
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    feeds = {"a": X[:3], "b": INTEGERS.astype(np.float32), "columns": np.array([[5, 0, 3]])}
    found = lamina.compile(model).run(feeds)
    both = np.concatenate([X[:3, :2], feeds["b"], np.zeros((3, 2), np.float32)], axis=1)
    np.testing.assert_array_equal(found["both"], both)
    np.testing.assert_array_equal(found["y"], both[:, [5, 0, 3]])


@pytest.mark.parametrize(
    ("operator", "x", "attributes", "complaint"),
    [
        ("Normalizer", X, {"norm": "L3"}, "norm is 'L3'"),
        ("LinearRegressor", X, {"coefficients": [1.0, 2.0]}, "the number of features"),
        ("LinearClassifier", X, {"classlabels_ints": [1], **ONE_ROW}, "1 labels for one row"),
        ("Scaler", X, {"scale": [1.0, 2.0], "offset": [0.0]}, "the number of features"),
        ("LabelEncoder", X, {"keys_int64s": [1], "values_int64s": [1]}, "the keys are int64, and the input is f32"),
        ("OneHotEncoder", X, {"cats_strings": ["a"]}, "the categories are text"),
        ("SVMRegressor", X, {"n_supports": 2, "support_vectors": [1.0]}, "do not make 2 vectors"),
    ],
)
def test_what_does_not_fit_is_refused(operator: str, x: np.ndarray, attributes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidModelError, match=complaint):
        lamina.compile(model_of(operator, x, 3, **attributes))


def test_whole_numbers_are_compared_with_an_infinity() -> None:
    """onnxruntime binarizes floats only."""
    node = helper.make_node("Binarizer", ["x"], ["y"], domain="ai.onnx.ml", threshold=float("inf"))
    infos = [helper.make_tensor_value_info(name, TensorProto.INT64, [2]) for name in ("x", "y")]
    imports = [helper.make_opsetid("ai.onnx.ml", 1), helper.make_opsetid("", 13)]
    model = helper.make_model(helper.make_graph([node], "g", infos[:1], infos[1:]), opset_imports=imports)
    assert lamina.compile(model, threads=1).run({"x": np.array([1, -1])})["y"].tolist() == [0, 0]
