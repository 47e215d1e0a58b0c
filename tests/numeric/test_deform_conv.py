"""DeformConv against ONNX's reference."""

from __future__ import annotations

import lamina
import numpy as np
import pytest
from one_node import model_of
from onnx.reference import ReferenceEvaluator


@pytest.mark.parametrize("free", [False, True], ids=["static", "free"])
@pytest.mark.parametrize(
    ("group", "offset_group", "fields", "outputs"),
    [
        (1, 1, {}, (4, 5)),
        (2, 1, {"pads": [1, 0, 1, 2]}, (6, 7)),
        (1, 2, {"strides": [2, 1], "dilations": [1, 2], "pads": [0, 1, 1, 1]}, (3, 5)),
    ],
)
def test_deform_conv(group: int, offset_group: int, fields: dict, outputs: tuple[int, int], free: bool) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 4, 6, 7), dtype=np.float32)
    w, bias = rng.standard_normal((6, 4 // group, 3, 3), dtype=np.float32), rng.standard_normal(6, dtype=np.float32)
    offsets = rng.uniform(-2, 2, (2, offset_group * 18, *outputs)).astype(np.float32)
    mask = rng.uniform(0, 1, (2, offset_group * 9, *outputs)).astype(np.float32)
    feeds = {"x": x, "o": offsets, "m": mask}
    dims: dict[str, list[int | str]] = {name: list(array.shape) for name, array in feeds.items()}
    if free:
        dims = {
            "x": ["N", 4, "H", "W"], "o": ["N", offset_group * 18, "A", "B"], "m": ["N", offset_group * 9, "A", "B"],
        }  # fmt: skip
    model = model_of(
        "DeformConv", dims, {"w": w, "c": bias}, order="x,w,o,c,m", opset=19,
        group=group, offset_group=offset_group, **fields,
    )  # fmt: skip
    found = lamina.compile(model, threads=2).run(feeds)["y0"]
    (expected,) = ReferenceEvaluator(model).run(None, feeds)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
