"""ConvTranspose by phases against the sum that ONNX defines: each element of x adds the kernel to the result."""

from __future__ import annotations

from typing import Any

import lamina
import numpy as np
import pytest
from lamina.compiler import compile_module, import_for
from one_node import model_of

RNG = np.random.default_rng(0)


def transposed(x: np.ndarray, w: np.ndarray, strides, dilations, pads, extra, group: int) -> np.ndarray:
    rank, (batch, channels, *sizes), (_, outputs, *kernel) = x.ndim - 2, x.shape, w.shape
    full = [(n - 1) * s + (k - 1) * d + 1 + e for n, s, k, d, e in zip(sizes, strides, kernel, dilations, extra)]
    y = np.zeros((batch, group * outputs, *full), np.float64)
    for place in np.ndindex(*kernel):
        spots = tuple(slice(p * d, p * d + (n - 1) * s + 1, s) for p, d, n, s in zip(place, dilations, sizes, strides))
        taps = w[(slice(None), slice(None), *place)].reshape(group, channels // group, outputs)
        terms = np.einsum("ngc...,gco->ngo...", x.reshape(batch, group, channels // group, *sizes), taps)
        y[(slice(None), slice(None), *spots)] += terms.reshape(batch, -1, *sizes)
    cut = tuple(slice(pads[a], full[a] - pads[rank + a]) for a in range(rank))
    return y[(slice(None), slice(None), *cut)]


CASES: dict[str, dict[str, Any]] = {
    "4x4 by 2": {"kernel": [4, 4], "strides": [2, 2], "pads": [1, 1, 1, 1]},
    "3x3 by 2, apart": {"kernel": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "extra": [1, 1]},
    "11x11 by 4, some taps zero": {"kernel": [11, 11], "strides": [4, 4], "pads": [2, 3, 1, 2]},
    "dilated, with rests in common": {"kernel": [3, 4], "strides": [2, 3], "dilations": [2, 2]},
    "dilated, no rest in common": {"kernel": [4, 3], "strides": [3, 2], "dilations": [2, 3], "pads": [1, 0, 0, 2]},
    "places without taps": {"kernel": [1, 2], "strides": [3, 4], "extra": [2, 1]},
    "groups": {"kernel": [4, 3], "strides": [2, 2], "group": 2},
    "one channel a group": {"kernel": [4, 4], "strides": [2, 2], "group": 4, "pads": [1, 1, 1, 1]},
    "one axis": {"kernel": [16], "strides": [8], "pads": [4, 4]},
    "three axes": {"kernel": [3, 2, 3], "strides": [2, 1, 2], "pads": [1, 0, 1, 0, 0, 1]},
    "stride 1": {"kernel": [3, 3], "strides": [1, 1], "pads": [1, 1, 1, 1]},
    "cut to less than a stride": {"kernel": [5, 5], "strides": [4, 4], "pads": [3, 1, 4, 3]},
}


@pytest.mark.parametrize("form", ["known", "free", "given weights"])
@pytest.mark.parametrize("case", CASES)
def test_by_phases(case: str, form: str) -> None:
    fields = CASES[case]
    kernel, strides = fields["kernel"], fields["strides"]
    rank, group = len(kernel), fields.get("group", 1)
    dilations, extra = fields.get("dilations", [1] * rank), fields.get("extra", [0] * rank)
    pads = fields.get("pads", [0] * 2 * rank)
    x = RNG.standard_normal((2, 4, *[5, 3, 4][:rank]), dtype=np.float32)
    w = RNG.standard_normal((4, 3 if group == 1 else 1, *kernel), dtype=np.float32)
    dims = ["N", 4, *"HWD"[:rank]] if form == "free" else list(x.shape)
    inputs: dict[str, list[int | str]] = {"x": dims}
    if form == "given weights":
        inputs["w"] = list(w.shape)
    model = model_of(
        "ConvTranspose", inputs, {} if "w" in inputs else {"w": w},
        strides=strides, dilations=dilations, pads=pads, output_padding=extra, group=group,
    )  # fmt: skip
    feeds = {"x": x, "w": w} if "w" in inputs else {"x": x}
    found = lamina.compile(model, threads=2).run(feeds)["y0"]
    expected = transposed(x, w, strides, dilations, pads, extra, group)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_no_zeros_are_multiplied() -> None:
    """An FCN's upsampling: one convolution of 2 x 2 taps, and no padded copy of x."""
    model = model_of("ConvTranspose", {"x": [1, 4, 9, 9]}, {"w": np.ones((4, 3, 16, 16), np.float32)}, strides=[8, 8])
    module, context = import_for(model)
    convolutions = [op for op in module.walk() if op.name == "graph.conv"]
    assert [op.operands[1].type.dims for op in convolutions] == [(3 * 64, 4, 2, 2)]
    assert not [op for op in module.walk() if op.name == "graph.pad"]
    compile_module(module, context)
