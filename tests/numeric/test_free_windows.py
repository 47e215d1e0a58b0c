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
