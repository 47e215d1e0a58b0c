"""kernel.resize against ONNX's formulas in fractions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from exact_resize import exact_resize
from lamina.dialects import kernel
from lamina.dialects import shape as dims
from lamina.dialects.layout import TensorType
from lamina.dialects.layout_algebra import Layout
from lamina.dialects.shape import symbol
from xdsl.dialects import arith
from xdsl.dialects.builtin import f32
from xdsl.ir import Block, Region

N, H, W = symbol("N"), symbol("H"), symbol("W")
SIZES = {"N": 2, "H": 5, "W": 7}


def resize(x, out_shape, mode, coordinates, rounding, scales):
    given = {"scales": scales} if scales else {"sizes": out_shape}
    return exact_resize(x, mode=mode, coordinate_transformation_mode=coordinates, nearest_mode=rounding, **given)


CASES = [
    ([1, 32, 5, 6], [1, 32, 10, 12], [1, 1, 2, 2]),
    ([2, 24, 5, 6], [2, 24, 15, 12], None),
    ([2, 3, 5, 6], [2, 3, 8, 17], None),
    ([1, 16, 9, 8], [1, 16, 4, 4], None),
    ([1, 16, 1, 1], [1, 16, 4, 6], None),
    ([1, 16, 5, 6], [1, 16, 7, 9], [1, 1, 1.5, 1.5625]),
    ([1, 4, 10], [1, 4, 33], None),
    ([3, 10, 5, 1], [3, 10, 1, 1], None),
    ([N, 16, H, W], [N, 16, dims.multiply(H, 2), dims.multiply(W, 2)], [1, 1, 2, 2]),
    ([N, 16, H, W], [N, 16, 11, 13], None),
]


@pytest.mark.parametrize("blocked", [True, False])
@pytest.mark.parametrize(
    ("mode", "coordinates", "rounding"),
    [
        *itertools.product(["nearest"], ["half_pixel", "asymmetric"], ["round_prefer_floor", "floor"]),
        ("nearest", "align_corners", "round_prefer_ceil"),
        ("nearest", "pytorch_half_pixel", "ceil"),
        ("linear", "half_pixel", "floor"),
        ("linear", "pytorch_half_pixel", "floor"),
        ("linear", "align_corners", "floor"),
        ("linear", "asymmetric", "floor"),
        ("linear", "half_pixel_symmetric", "floor"),
        ("nearest", "tf_half_pixel_for_nn", "floor"),
    ],
)
@pytest.mark.parametrize("case", range(len(CASES)))
def test_resize(run_kernel, case: int, mode, coordinates, rounding, blocked: bool) -> None:
    shape, out_shape, scales = CASES[case]
    letters = "abcd"[: len(shape)]
    layout = Layout(f"aB{letters[2:]}16b" if blocked else letters)
    source, out = TensorType.of(shape, f32, layout), TensorType.of(out_shape, f32, layout)
    concrete = [int(dims.substitute(size, SIZES)) for size in shape]
    x = np.random.default_rng(case).standard_normal(concrete).astype(np.float32)
    extra = {} if scales is None else {"scales": scales}
    (got,) = run_kernel(
        lambda v: kernel.ResizeOp(v, out, mode=mode, coordinates=coordinates, rounding=rounding, **extra),
        [(x, source)],
        [out],
        symbols=SIZES,
        threads=2,
    )
    expected = resize(x, got.shape, mode, coordinates, rounding, scales)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5 if mode == "linear" else 0)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_resize_adds_what_it_upsamples_to(run_kernel, mode: str) -> None:
    layout = Layout.channel_blocked(4, 16)
    source, out = TensorType.of([1, 24, 5, 6], f32, layout), TensorType.of([1, 24, 10, 12], f32, layout)
    x = np.random.default_rng(0).standard_normal((1, 24, 5, 6)).astype(np.float32)
    skip = np.random.default_rng(1).standard_normal((1, 24, 10, 12)).astype(np.float32)
    block = Block(arg_types=[f32, f32])
    total = arith.AddfOp(*block.args)
    block.add_ops([total, kernel.YieldOp(total.result)])
    (got,) = run_kernel(
        lambda v: kernel.ResizeOp(
            v[:1],
            out,
            mode=mode,
            coordinates="asymmetric",
            rounding="floor",
            epilogue_ins=v[1:],
            epilogue=Region(block),
        ),
        [(x, source), (skip, out)],
        [out],
    )
    expected = resize(x, skip.shape, mode, "asymmetric", "floor", None) + skip
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
