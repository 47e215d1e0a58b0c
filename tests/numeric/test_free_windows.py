"""Windows over free sizes: padding that depends on the size, windows that reach past it, outputs of a given size."""

from __future__ import annotations

from typing import Any

import lamina
import numpy as np
import pytest
from lamina.pipeline import PipelineOptions
from one_node import model_of
from other_engines import evaluated, reference

SIZES = [(1, 7, 8), (2, 6, 9), (1, 5, 11), (1, 12, 10)]


def check(operator: str, sizes: list[tuple[int, ...]] = SIZES, outputs: int = 1, **attributes: Any) -> None:
    """A free model gives at each size what onnxruntime gives, or what ONNX's reference does where that refuses."""
    weights = {"w": np.random.default_rng(0).standard_normal((4, 2, 3, 2)).astype(np.float32)}
    weights = weights if operator.startswith("Conv") else {}
    channels = 4 if operator == "ConvTranspose" else 2
    model = model_of(operator, {"x": ["N", channels, "H", "W"]}, weights, outputs=outputs, opset=19, **attributes)
    executable = lamina.compile(model, threads=1, options=PipelineOptions(checked=True))
    for batch, *spatial in sizes:
        feeds = {"x": np.random.default_rng(1).standard_normal((batch, channels, *spatial)).astype(np.float32)}
        found, expected = executable.run(feeds), reference(model, feeds) or evaluated(model, feeds)
        assert expected is not None
        for name, wanted in expected.items():
            np.testing.assert_allclose(found[name], wanted, rtol=1e-4, atol=1e-5, err_msg=f"{name} {spatial}")


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER"])
@pytest.mark.parametrize("strides", [[2, 3], [3, 1]])
def test_automatic_padding(mode: str, strides: list[int]) -> None:
    check("Conv", auto_pad=mode, strides=strides)
    check("LpPool", auto_pad=mode, strides=[min(s, 2) for s in strides], kernel_shape=[3, 4])
    shared = {"auto_pad": mode, "strides": strides, "kernel_shape": [5, 4]}
    check("MaxPool", outputs=2, storage_order=strides[0] % 2, **shared)
    check("AveragePool", count_include_pad=0, **shared)
    check("AveragePool", count_include_pad=1, **shared)


def test_automatic_padding_with_dilations() -> None:
    check("Conv", auto_pad="SAME_UPPER", strides=[2, 2], dilations=[2, 1])


@pytest.mark.parametrize("strides", [[2, 3], [4, 1]])
@pytest.mark.parametrize("pads", [[0, 0, 0, 0], [1, 0, 1, 1]])
def test_windows_that_reach_past_the_end(strides: list[int], pads: list[int]) -> None:
    shared = {"ceil_mode": 1, "strides": strides, "pads": pads, "kernel_shape": [3, 2]}
    check("MaxPool", **shared)
    check("AveragePool", count_include_pad=0, **shared)
    check("AveragePool", count_include_pad=1, **shared)


@pytest.mark.parametrize("mode", ["NOTSET", "SAME_UPPER"])
def test_transposed_convolution_to_a_size(mode: str) -> None:
    check("ConvTranspose", [(1, 9, 10), (2, 10, 12)], output_shape=[20, 21], strides=[2, 2], auto_pad=mode)


def pooled(x: np.ndarray, kernel: int, stride: int, dilation: int, pads: list[int], ceil: int) -> np.ndarray | None:
    """The largest and the mean of each window by the formulas of the specification; None where that has no size."""
    size, reach = x.shape[2], (kernel - 1) * dilation + 1
    room = size + sum(pads) - reach
    count = (-(-room // stride) if ceil else room // stride) + 1
    if ceil and count > 0 and (count - 1) * stride >= size + pads[0]:
        count -= 1  # It would begin in the padding at the end.
    if count < 0 or (not ceil and stride > 1 and room < 0):
        return None
    result = np.zeros((2, *x.shape[:2], count), np.float32)
    for place in range(count):
        seen = np.array([place * stride + step * dilation - pads[0] for step in range(kernel)])
        elements = x[:, :, seen[(seen >= 0) & (seen < size)]]
        result[:, :, :, place] = elements.max(2, initial=-np.inf), elements.mean(2)
    return result


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value")
@pytest.mark.parametrize(
    ("kernel", "stride", "dilation", "pads", "ceil"),
    [(3, 1, 1, [0, 0], 0), (4, 3, 1, [1, 0], 0), (3, 2, 2, [0, 1], 0), (3, 2, 1, [0, 0], 1), (4, 3, 1, [1, 1], 1)],
)
def test_windows_larger_than_what_they_move_over(
    kernel: int, stride: int, dilation: int, pads: list[int], ceil: int
) -> None:
    """There are none where one nearly fits, which is refused where strides make that doubtful, and further from it."""
    attributes = {"kernel_shape": [kernel], "strides": [stride], "dilations": [dilation], "pads": pads}
    models = [
        model_of(operator, {"x": [1, 2, "W"]}, opset=19, ceil_mode=ceil, **attributes)
        for operator in ("MaxPool", "AveragePool")
    ]
    executables = [lamina.compile(model, threads=1, options=PipelineOptions(checked=True)) for model in models]
    for size in range(7):
        x = np.random.default_rng(size).standard_normal((1, 2, size)).astype(np.float32)
        expected = pooled(x, kernel, stride, dilation, pads, ceil)
        for number, (model, executable) in enumerate(zip(models, executables)):
            if expected is not None:
                np.testing.assert_allclose(executable.run({"x": x})["y0"], expected[number], rtol=1e-5, atol=1e-6)
                continue
            with pytest.raises(lamina.LaminaError, match=f"windows that reach over .* must be at least .* W = {size}"):
                executable.run({"x": x})
            with pytest.raises(lamina.LaminaError, match=f"windows that reach over .* is {size}, but must be at least"):
                lamina.compile(model, shapes={"x": [1, 2, size]})


def test_one_window_of_a_fixed_size_that_nearly_fits() -> None:
    shared: dict[str, Any] = {"kernel_shape": [3, 3], "opset": 19}
    for operator, outputs in (("MaxPool", 2), ("AveragePool", 1), ("LpPool", 1)):
        executable = lamina.compile(model_of(operator, {"x": [1, 16, 2, 9]}, outputs=outputs, **shared), threads=2)
        for result in executable.run({"x": np.ones((1, 16, 2, 9), np.float32)}).values():
            assert result.shape == (1, 16, 0, 7)
