"""GridSample, RoiAlign and Resize by weights as kernels, against onnxruntime and ONNX's reference."""

from __future__ import annotations

import itertools

import lamina
import numpy as np
import onnx
import onnxruntime
import pytest
from lamina.compiler import compile_module, import_for
from lamina.pipeline import HOST_OPERATIONS, PipelineOptions
from one_node import model_of
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

RNG = np.random.default_rng(0)


def random(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape, dtype=np.float32)


def check(model: onnx.ModelProto, feeds: dict[str, np.ndarray], by_reference: bool = False, tolerance=1e-4) -> None:
    """No step of it runs on the host."""
    module, context = import_for(model)
    executable = compile_module(module, context, threads=2)
    assert not [op.name for op in module.walk() if op.name in HOST_OPERATIONS]
    if by_reference:
        (expected,) = ReferenceEvaluator(model).run(None, feeds)
    else:
        (expected,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, feeds)
    np.testing.assert_allclose(executable.run(feeds)["y0"], expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["linear", "nearest", "cubic"])
def test_grid_sample(mode: str, padding: str) -> None:
    """Few channels and many, one spatial size free, positions far outside among them."""
    grid = RNG.uniform(-2.2, 2.2, (2, 5, 6, 2)).astype(np.float32)
    for channels, align in ((3, 0), (20, 1), (20, 0)):
        inputs: dict[str, list[int | str]] = {"x": ["N", channels, "H", 9], "g": ["N", "A", 6, 2]}
        model = model_of("GridSample", inputs, opset=20, mode=mode, padding_mode=padding, align_corners=align)
        check(model, {"x": random(2, channels, 7, 9), "g": grid})


@pytest.mark.parametrize("mode", ["linear", "nearest"])
def test_grid_sample_of_volumes(mode: str) -> None:
    grid = RNG.uniform(-1.5, 1.5, (2, 3, 2, 4, 3)).astype(np.float32)
    for padding, align in itertools.product(["zeros", "border", "reflection"], [0, 1]):
        inputs: dict[str, list[int | str]] = {"x": [2, 3, 4, 5, 6], "g": [2, 3, 2, 4, 3]}
        model = model_of("GridSample", inputs, opset=20, mode=mode, padding_mode=padding, align_corners=align)
        check(model, {"x": random(2, 3, 4, 5, 6), "g": grid})


def test_what_is_not_sampled_does_not_count() -> None:
    """Infinities at the border, and positions that are no numbers or far away."""
    x = np.full((1, 1, 3, 3), np.inf, np.float32)
    grid = np.array([[-9, -9], [np.nan, 0], [np.inf, -np.inf], [1e30, 0]], np.float32).reshape(1, 1, 4, 2)
    model = model_of("GridSample", {"x": [1, 1, 3, 3], "g": [1, 1, 4, 2]}, opset=20)
    np.testing.assert_array_equal(lamina.compile(model).run({"x": x, "g": grid})["y0"], np.zeros((1, 1, 1, 4)))


def roi_model(channels: int, **attributes: object) -> onnx.ModelProto:
    node = helper.make_node("RoiAlign", ["x", "r", "b"], ["y0"], output_height=3, output_width=4, **attributes)
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", channels, "H", 20]),
        helper.make_tensor_value_info("r", TensorProto.FLOAT, ["R", 4]),
        helper.make_tensor_value_info("b", TensorProto.INT64, ["R"]),
    ]
    graph = helper.make_graph([node], "g", inputs, [onnx.ValueInfoProto(name="y0")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=9)


@pytest.mark.parametrize("channels", [3, 20])
@pytest.mark.parametrize("ratio", [0, 2])
@pytest.mark.parametrize("mode", ["avg", "max"])
def test_roi_align(mode: str, ratio: int, channels: int) -> None:
    """Some regions lie partly outside, one has its ends exchanged."""
    low, high = RNG.uniform(-5, 20, (9, 2)), RNG.uniform(20, 40, (9, 2))
    regions = np.concatenate([low, high], 1).astype(np.float32)
    regions[4] = regions[4][::-1]
    images = np.array([0, 1, 0, 1, 1, 0, 0, 1, 1])
    for form in ("half_pixel", "output_half_pixel"):
        model = roi_model(
            channels, mode=mode, sampling_ratio=ratio, spatial_scale=0.5, coordinate_transformation_mode=form
        )
        check(model, {"x": random(2, channels, 16, 20), "r": regions, "b": images})


@pytest.mark.parametrize("wrong", [2, -1, 2**40])
def test_image_of_a_region_out_of_range(wrong: int) -> None:
    executable = lamina.compile(roi_model(3))
    feeds = {"x": random(2, 3, 16, 20), "r": np.ones((2, 4), np.float32), "b": np.array([0, wrong])}
    with pytest.raises(lamina.IndexOutOfRangeError, match=f"index {wrong} "):
        executable.run(feeds)


@pytest.mark.parametrize("sizes", [(2, 3, 0, 20), (0, 3, 16, 20)])
def test_images_without_elements_have_no_regions(sizes: tuple[int, ...]) -> None:
    executable = lamina.compile(roi_model(3), options=PipelineOptions(checked=True))
    feeds = {"x": random(*sizes), "r": np.ones((2, 4), np.float32), "b": np.zeros(2, np.int64)}
    with pytest.raises(lamina.InputError, match="at least"):
        executable.run(feeds)
    none = executable.run(feeds | {"r": np.zeros((0, 4), np.float32), "b": np.zeros(0, np.int64)})["y0"]
    assert none.shape == (0, 3, 3, 4)


def test_nothing_is_sampled_of_images_without_elements() -> None:
    model = model_of("GridSample", {"x": [1, 3, "H", 4], "g": [1, "A", 6, 2]}, opset=20)
    executable = lamina.compile(model, options=PipelineOptions(checked=True))
    x = np.zeros((1, 3, 0, 4), np.float32)
    with pytest.raises(lamina.InputError, match="at least"):
        executable.run({"x": x, "g": np.zeros((1, 5, 6, 2), np.float32)})
    assert executable.run({"x": x, "g": np.zeros((1, 0, 6, 2), np.float32)})["y0"].shape == (1, 3, 0, 6)


@pytest.mark.parametrize("coordinates", ["half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"])
@pytest.mark.parametrize("mode", ["cubic", "linear"])
def test_resize_by_weights(mode: str, coordinates: str) -> None:
    for antialias, exclude, scales in ((1, 0, (0.6, 0.45)), (0, 1, (2.0, 1.7)), (0, 0, (0.5, 3.0)), (1, 1, (0.3, 2.0))):
        model = model_of(
            "Resize", {"x": [2, 3, 10, 12]}, {"": np.zeros(0), "s": np.array([1, 1, *scales], np.float32)},
            order="x,,s", mode=mode, antialias=antialias, exclude_outside=exclude,
            coordinate_transformation_mode=coordinates,
        )  # fmt: skip
        del model.graph.initializer[0]
        check(model, {"x": random(2, 3, 10, 12)}, by_reference=True)


@pytest.mark.parametrize("form", ["known", "free"])
@pytest.mark.parametrize(
    ("rank", "width", "stride", "pad", "fields"),
    [
        (2, 2, 2, 0, {}),
        (2, 3, 2, 1, {"storage_order": 1, "ceil_mode": 1}),
        (2, 3, 1, 0, {"dilations": [2, 2]}),
        (3, 3, 2, 1, {"storage_order": 1}),
    ],
)
def test_places_of_the_largest(rank: int, width: int, stride: int, pad: int, fields: dict, form: str) -> None:
    """One plane is minus infinity everywhere: what is padded is none of its places."""
    x = random(2, 3, *[9, 8, 7][:rank])
    x[0, 0] = -np.inf
    dims: list[int | str] = ["N", 3, *"HWD"[:rank]] if form == "free" else list(x.shape)
    model = model_of(
        "MaxPool", {"x": dims}, outputs=2, kernel_shape=[width] * rank, strides=[stride] * rank,
        pads=[pad] * 2 * rank, **fields,
    )  # fmt: skip
    found = lamina.compile(model, threads=2).run({"x": x})
    expected = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    for name, array in zip(found, expected):
        np.testing.assert_array_equal(found[name], array)
