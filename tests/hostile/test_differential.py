"""Damaged models give what onnxruntime gives, or are refused.

``LAMINA_FUZZ=20000 pytest tests/hostile/test_differential.py`` tries so many cases; ``LAMINA_FUZZ_SEED``
begins elsewhere. A failing case is repeated by its seed.
"""

from __future__ import annotations

import os
import random

import lamina
import numpy as np
import onnx
import pytest
from lamina.runtime.errors import LaminaError
from mutations import mutated
from one_node import model_of
from onnx import TensorProto, helper
from other_engines import Arrays, assert_same, feeds_to_try, reference
from small_models import seeds

CASES = int(os.environ.get("LAMINA_FUZZ", "60"))
FIRST = int(os.environ.get("LAMINA_FUZZ_SEED", "1"))


def compare(model: onnx.ModelProto, feeds: Arrays, rng: random.Random) -> int:
    """How many runs both engines accepted, and gave the same for."""
    compared = 0
    try:
        executable = lamina.compile(model, threads=rng.choice([1, 2]))
    except LaminaError:
        return 0
    for given in feeds_to_try(model, feeds, rng):
        try:
            found = executable.run(given)
        except LaminaError:
            continue
        expected = reference(model, given)
        if expected is not None:
            assert_same(found, expected)
            compared += 1
    return compared


def feeds_of(model: onnx.ModelProto, seed: int) -> Arrays | None:
    """Random feeds for a damaged model; None where it has inputs that cannot be fed."""
    numbers, feeds, symbols = np.random.default_rng(seed), {}, {}
    weights = {tensor.name for tensor in model.graph.initializer}
    for info in model.graph.input:
        tensor = info.type.tensor_type
        if info.name in weights or tensor.elem_type not in (TensorProto.FLOAT, TensorProto.INT64):
            return None
        shape = [
            symbols.setdefault(d.dim_param, int(numbers.integers(1, 5))) if d.dim_param else d.dim_value
            for d in tensor.shape.dim
        ]
        if min(shape, default=0) < 0 or np.prod(shape, dtype=float) > 1e5:
            return None
        feeds[info.name] = (2 * numbers.normal(size=shape)).astype(helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    return feeds


def damaged_case(seed: int) -> int:
    """Loops are left out: damaged ones run for ever in onnxruntime."""
    rng = random.Random(seed)
    sound = [model for model in seeds() if all(node.op_type != "Loop" for node in model.graph.node)]
    model = mutated(rng.choice(sound), rng)
    feeds = None if isinstance(model, bytes) else feeds_of(model, seed)
    return 0 if feeds is None else compare(model, feeds, rng)


@pytest.mark.parametrize("block", range(4))
def test_damaged_models_give_what_onnxruntime_gives(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMINA_CACHE", "off")
    compared = 0
    with np.errstate(all="ignore"):
        for seed in range(FIRST + block, FIRST + CASES, 4):
            try:
                compared += damaged_case(seed)
            except Exception as error:
                raise AssertionError(f"LAMINA_FUZZ_SEED={seed} LAMINA_FUZZ=1") from error
    assert compared or CASES < 20


# --- what was found this way ----------------------------------------------------------------------------------------


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


@pytest.mark.parametrize(
    "model, fitting, refused",
    [
        (model_of("Conv", {"x": [1, 1, "W"]}, {"w": ones(2, 1, 3)}), {"x": (1, 1, 3)}, {"x": (1, 1, 2)}),
        (
            model_of("InstanceNormalization", {"x": [1, "C", 4]}, {"scale": ones(1), "bias": ones(1)}),
            {"x": (1, 1, 4)},
            {"x": (1, 3, 4)},
        ),
        (model_of("Gather", {"x": ["N", 2]}, {"i": np.array([0, -3])}), {"x": (3, 2)}, {"x": (2, 2)}),
    ],
    ids=["conv", "instance normalization", "gather"],
)  # fmt: skip
def test_free_sizes_that_do_not_fit_are_refused(model: onnx.ModelProto, fitting: dict, refused: dict) -> None:
    executable = lamina.compile(model, threads=1)
    feeds = {name: ones(*shape) for name, shape in fitting.items()}
    expected = reference(model, feeds)
    assert expected is not None
    assert_same(executable.run(feeds), expected)
    with pytest.raises(LaminaError):
        executable.run({name: ones(*shape) for name, shape in refused.items()})


def test_channels_of_a_kernel_that_is_an_input_must_fit() -> None:
    executable = lamina.compile(model_of("Conv", {"x": [1, "C", 5], "w": [2, "K", 3]}, kernel_shape=[3]), threads=1)
    assert executable.run({"x": ones(1, 4, 5), "w": ones(2, 4, 3)})["y0"].shape == (1, 2, 3)
    with pytest.raises(LaminaError):
        executable.run({"x": ones(1, 1, 5), "w": ones(2, 4, 3)})


@pytest.mark.parametrize("start, end, step", [(100, -(2**31), -1), (-2, 100, -1), (4, 2, -1), (2, 6, -2), (-1, 0, -1)])
@pytest.mark.parametrize("size", [1, 2, 5, 9])
def test_backward_slices_of_any_size(start: int, end: int, step: int, size: int) -> None:
    bounds = {name: np.array([value]) for name, value in zip(("s", "e", "a", "t"), (start, end, 0, step), strict=True)}
    x = np.arange(size, dtype=np.float32)
    found = lamina.compile(model_of("Slice", {"x": ["N"]}, bounds), threads=1).run({"x": x})["y0"]
    np.testing.assert_array_equal(found, x[max(start, -size) : end if end > -size else None : step])


def test_directions_and_gates_of_free_weights() -> None:
    free = {"x": [5, 3, 1], "r": ["D", "G", 4]}
    model = model_of("LSTM", free, {"w": ones(1, 16, 1)}, order="x,w,r", direction="reverse", hidden_size=4)
    feeds = {"x": ones(5, 3, 1), "r": ones(1, 16, 4)}
    expected = reference(model, feeds)
    assert expected is not None
    assert_same(lamina.compile(model, threads=1).run(feeds), expected)


def test_a_hidden_size_that_the_weights_do_not_have_is_refused() -> None:
    weights = {"w": ones(1, 16, 3), "r": ones(1, 16, 4)}
    with pytest.raises(LaminaError, match="hidden_size is 100"):
        lamina.compile(model_of("LSTM", {"x": [2, 1, 3]}, weights, hidden_size=100))


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("operator", ["Hardmax", "Softmax", "LogSoftmax"])
def test_softmax_and_the_like_flatten_before_opset_13(operator: str, axis: int) -> None:
    model = model_of(operator, {"x": [4, "N", 3]}, opset=11, axis=axis)
    feeds = {"x": np.random.default_rng(0).normal(size=(4, 2, 3)).astype(np.float32)}
    expected = reference(model, feeds)
    assert expected is not None
    assert_same(lamina.compile(model, threads=1).run(feeds), expected)


@pytest.mark.parametrize("operator", ["Celu", "Elu", "LeakyRelu", "Selu", "ThresholdedRelu"])
@pytest.mark.parametrize("alpha", [-0.5, 0.25, 3.0])
def test_activations_of_any_alpha(operator: str, alpha: float) -> None:
    model = model_of(operator, {"x": ["N"]}, alpha=alpha)
    feeds = {"x": np.linspace(-4, 4, 33, dtype=np.float32)}
    expected = reference(model, feeds)
    assert expected is not None
    assert_same(lamina.compile(model, threads=1).run(feeds), expected)


@pytest.mark.parametrize("size", [8, 11, 12, 13])
def test_output_shape_beyond_the_last_window(size: int) -> None:
    weights = {"w": np.arange(6, dtype=np.float32).reshape(1, 3, 2)}
    model = model_of("ConvTranspose", {"x": [1, 1, 4]}, weights, strides=[3], output_shape=[size])
    feeds = {"x": np.arange(1, 5, dtype=np.float32).reshape(1, 1, 4)}
    expected = reference(model, feeds)
    assert expected is not None
    assert_same(lamina.compile(model, threads=1).run(feeds), expected)


@pytest.mark.parametrize(
    "model, shape",
    [
        (
            model_of(
                "ConvTranspose",
                {"x": [2, 3, 2, 1]},
                {"w": ones(3, 1, 2, 3)},
                group=3,
                strides=[3, 1],
                pads=[1, 1, 0, 2],
            ),
            (2, 3, 2, 1),
        ),
        (
            model_of("Resize", {"x": ["N", 4, 1, "W"]}, {"s": np.array([1, 1, 0.5, 2], np.float32)}, order="x,,s"),
            (2, 4, 1, 9),
        ),
    ],
    ids=["transposed convolution", "resize"],
)
def test_results_without_elements(model: onnx.ModelProto, shape: tuple[int, ...]) -> None:
    feeds = {"x": ones(*shape)}
    found = lamina.compile(model, threads=1).run(feeds)["y0"]
    assert found.size == 0
    expected = reference(model, feeds)
    assert expected is None or found.shape == expected["y0"].shape


@pytest.mark.parametrize("scales", [(0.5, 0.7), (0.6, 2.0), (3.0, 1.5)])
def test_resize_of_opset_10(scales: tuple[float, float]) -> None:
    factors = {"s": np.array([1, 1, *scales], np.float32)}
    model = model_of("Resize", {"x": [1, 2, 5, 5]}, factors, opset=10)
    feeds = {"x": np.random.default_rng(0).normal(size=(1, 2, 5, 5)).astype(np.float32)}
    expected = reference(model, feeds)
    assert expected is not None
    assert_same(lamina.compile(model, threads=1).run(feeds), expected)
