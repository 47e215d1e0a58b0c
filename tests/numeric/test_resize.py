"""Resize in all its modes, for fixed and free sizes, against ONNX's formulas in fractions."""

from __future__ import annotations

from typing import Any

import lamina
import numpy as np
import pytest
from exact_resize import COORDINATES, exact_resize
from one_node import model_of
from onnx import ModelProto, TensorProto, helper, numpy_helper
from random_model import evaluate

SHAPES = [(1, 2, 20, 7), (2, 2, 9, 13)]
CROP = {"roi": [0.1, -0.2, 0.75, 1.25], "extrapolation_value": 9.5}
CASES: list[dict[str, Any]] = [
    {"sizes": [6, 10]},
    {"sizes": [20, 1]},
    {"scales": [0.7, 1.3]},
    {"scales": [2.0, 0.6]},
    {"scales": [1.5, 1 / 3]},
    {"sizes": [17, 5], "keep_aspect_ratio_policy": "not_larger"},
    {"sizes": [17, 5], "keep_aspect_ratio_policy": "not_smaller"},
]
NEAREST = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]


def model(dims: list[int | str], given: dict[str, Any], opset: int) -> ModelProto:
    """A Resize; sizes, scales and roi are initializers."""
    tensors = {
        "r": np.array(given.get("roi", []), np.float32),
        "s": np.array(given.get("scales", []), np.float32),
        "z": np.array(given.get("sizes", []), np.int64),
    }
    attributes = {name: value for name, value in given.items() if name not in ("roi", "scales", "sizes")}
    order = "x,r,s,z" if "sizes" in given else "x,r,s"
    return model_of("Resize", {"x": dims}, tensors, order, opset=opset, **attributes)


def check(given: dict[str, Any], opset: int, dims: list[int | str], shapes: list[tuple[int, ...]]) -> None:
    executable = lamina.compile(model(dims, given, opset), threads=1)
    for shape in shapes:
        x = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
        found, expected = executable.run({"x": x})["y0"], exact_resize(x, **given)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5, err_msg=f"{given} {shape}")


def options(mode: str, number: int) -> dict[str, Any]:
    """The attributes that a mode has, another choice for each number."""
    if mode == "nearest":
        return {"nearest_mode": NEAREST[number % 4]}
    attributes: dict[str, Any] = {"antialias": number % 2, "exclude_outside": number // 2 % 2}
    return attributes | ({"cubic_coeff_a": -0.5} if mode == "cubic" and number % 3 else {})


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("coordinates", [*COORDINATES, "tf_crop_and_resize"])
def test_resize(mode: str, coordinates: str) -> None:
    is_old = coordinates == "tf_half_pixel_for_nn"
    first = list(COORDINATES).index(coordinates) if coordinates in COORDINATES else 0
    for number, case in enumerate(CASES[:5] if is_old else CASES, first):
        given = {**case, **options(mode, number), "mode": mode, "coordinate_transformation_mode": coordinates}
        if coordinates == "tf_crop_and_resize":
            given |= CROP
        if is_old:
            given.pop("antialias", None)
            name = "sizes" if "sizes" in given else "scales"
            shape = SHAPES[0]
            given[name] = [*([1, 2] if name == "sizes" else [1.0, 1.0]), *given[name]]
            check(given, 11 + number % 2, ["N", 2, "H", "W"] if number % 2 else list(shape), [shape])
        elif number % 3 == 0:
            check({**given, "axes": [2, 3]}, 18, list(SHAPES[0]), SHAPES[:1])
        else:
            check({**given, "axes": [-2, 3]}, 19, ["N", 2, "H", "W"], SHAPES)


def test_a_coordinate_halfway_between_two_elements() -> None:
    """(4 + 1/2) / (6 / 20) - 1/2 is 14.5, which is rounded up."""
    x = np.arange(20, dtype=np.float32).reshape(1, 1, 1, 20)
    given = {"mode": "nearest", "nearest_mode": "round_prefer_ceil", "sizes": [6], "axes": [3]}
    for dims in ([1, 1, 1, 20], [1, 1, 1, "W"]):
        found = lamina.compile(model(dims, given, 18)).run({"x": x})["y0"]
        np.testing.assert_array_equal(found.reshape(-1), [1, 5, 8, 11, 15, 18])


@pytest.mark.parametrize("policy", ["stretch", "not_larger", "not_smaller"])
def test_sizes_that_are_an_input(policy: str) -> None:
    given = {"mode": "linear", "sizes": [17, 5], "axes": [3, 2], "keep_aspect_ratio_policy": policy}
    runtime = model([1, 2, "H", "W"], given, 19)
    (sizes,) = [tensor for tensor in runtime.graph.initializer if tensor.name == "z"]
    runtime.graph.initializer.remove(sizes)
    runtime.graph.input.add(name="z").type.tensor_type.elem_type = sizes.data_type
    runtime.graph.input[-1].type.tensor_type.shape.dim.add(dim_value=2)
    x = np.random.default_rng(1).standard_normal((1, 2, 9, 13)).astype(np.float32)
    found = lamina.compile(runtime).run({"x": x, "z": np.array([17, 5])})["y0"]
    np.testing.assert_allclose(found, exact_resize(x, **given), rtol=1e-4, atol=1e-5)


def test_an_axis_without_elements_is_refused() -> None:
    executable = lamina.compile(model([1, 1, "H", "W"], {"sizes": [4], "axes": [3]}, 18), threads=1)
    assert executable.run({"x": np.zeros((1, 1, 0, 5), np.float32)})["y0"].shape == (1, 1, 0, 4)
    with pytest.raises(lamina.LaminaError, match="axis 3"):
        executable.run({"x": np.zeros((1, 1, 5, 0), np.float32)})


@pytest.mark.parametrize("factor", [0.7, 1.3, 1 / 3])
def test_sizes_by_a_scale_are_those_of_onnxruntime(factor: float) -> None:
    given = {"scales": [factor], "axes": [2], "mode": "nearest", "nearest_mode": "floor"}
    given["coordinate_transformation_mode"] = "asymmetric"
    free = lamina.compile(model([1, 1, "H"], given, 18), threads=1)
    for size in (9, 10, 90):
        feeds = {"x": np.arange(size, dtype=np.float32).reshape(1, 1, size)}
        expected = evaluate(model([1, 1, "H"], given, 18), feeds)["y0"]
        fixed = lamina.compile(model([1, 1, size], given, 18), threads=1)
        for executable in (free, fixed):
            np.testing.assert_array_equal(executable.run(feeds)["y0"], expected)


@pytest.mark.parametrize("mode", ["linear", "nearest"])
def test_a_pointwise_convolution_before_images_grow(mode: str) -> None:
    """Of a concatenation, of which one part grows by a whole factor, one by any, and one stays."""
    rng = np.random.default_rng(0)
    weights = {
        "w": rng.standard_normal((20, 42, 1, 1), dtype=np.float32),
        "b": rng.standard_normal(20, dtype=np.float32),
        "twice": np.array([1, 1, 2, 2], np.float32),
        "more": np.array([1, 1, 1.75, 1.25], np.float32),
        "r": np.zeros(0, np.float32),
    }
    nodes = [
        helper.make_node("Resize", ["x", "r", "twice"], ["x2"], mode=mode),
        helper.make_node("Resize", ["y", "r", "more"], ["y2"], mode=mode),
        helper.make_node("Concat", ["x2", "z", "y2"], ["c"], axis=1),
        helper.make_node("Conv", ["c", "w", "b"], ["v"]),
        helper.make_node("Relu", ["v"], ["out"]),
    ]
    dims = {"x": ["N", 16, 7, 5], "y": ["N", 18, 8, 8], "z": ["N", 8, 14, 10]}
    made = helper.make_model(
        helper.make_graph(
            nodes,
            "grown",
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes) for name, sizes in dims.items()],
            [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["N", 20, 14, 10])],
            [numpy_helper.from_array(array, name) for name, array in weights.items()],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    feeds = {name: rng.standard_normal((2, *sizes[1:])).astype(np.float32) for name, sizes in dims.items()}
    images = [
        exact_resize(feeds["x"], scales=[1.0, 1.0, 2.0, 2.0], mode=mode), feeds["z"],
        exact_resize(feeds["y"], scales=[1.0, 1.0, 1.75, 1.25], mode=mode),
    ]  # fmt: skip
    sums = np.einsum("nchw,oc->nohw", np.concatenate(images, 1).astype(np.float64), weights["w"][:, :, 0, 0])
    expected = np.maximum(sums + weights["b"][:, None, None], 0)
    found = lamina.compile(made, threads=1).run(feeds)["out"]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("antialias", "last"), [(0, 3), (1, 4)])
def test_integers_are_cut_off_and_rounded_against_aliasing(antialias: int, last: int) -> None:
    """As onnxruntime does, which rounds antialiased ones after each axis, too. ONNX's evaluator rounds both."""
    row = np.array([1, 2, 9, 7, 3, 3], np.int8)
    proto = model([1, 6], {"sizes": [1, 3], "mode": "linear", "antialias": antialias}, 19)
    proto.graph.input[0].type.tensor_type.elem_type = TensorProto.INT8
    found = lamina.compile(proto, threads=1).run({"x": row[None]})["y0"]
    assert found[0].tolist() == evaluate(proto, {"x": row[None]})["y0"][0].tolist()
    assert found[0, -1] == last


@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_nothing_is_made_of_some_elements(mode: str) -> None:
    proto = model([1, 1, 1, 7], {"scales": [1.0, 1.0, 0.5, 2.0], "mode": mode, "antialias": 1}, 19)
    assert lamina.compile(proto, threads=1).run({"x": np.ones((1, 1, 1, 7), np.float32)})["y0"].shape == (1, 1, 0, 14)
