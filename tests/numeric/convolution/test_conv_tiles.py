"""Direct and indirect convolutions of narrow numbers in registers of whole matrices: sums are exact."""

from __future__ import annotations

import pytest
from lamina.machines import host_target
from lamina.machines.atoms import ATOMS

pytestmark = pytest.mark.skipif(
    host_target().atom_for("ui8", "i8", "i32", tiles=True) is None, reason="this machine has no registers of matrices"
)

STRIPS = {"direct": "strip", "indirect": "block"}

# x, w, attributes, decisions
CONVOLUTIONS = {
    "rows": ((2, 32, 9, 14), (48, 32, 3, 3), {"pads": (1, 1, 1, 1)}, {}),
    "one row of pixels": ((1, 64, 7, 7), (32, 64, 1, 1), {}, {}),
    "strided": ((1, 64, 11, 13), (80, 64, 3, 3), {"strides": (2, 2), "pads": (1, 1, 1, 1)}, {}),
    "dilated": ((1, 16, 12, 12), (32, 16, 2, 3), {"dilations": (2, 3)}, {}),
    "words that fill no register": ((1, 39, 6, 17), (33, 39, 3, 3), {"pads": (0, 1, 2, 1)}, {}),
    "parts of a row": ((1, 64, 4, 70), (64, 64, 3, 1), {"pads": (1, 0, 1, 0)}, {"strip": 32}),
    "strips and panels": ((2, 80, 10, 6), (96, 80, 1, 1), {}, {"strip": 16, "panel_chunks": 2}),
    "groups": ((1, 128, 9, 9), (96, 64, 3, 3), {"groups": 2, "pads": (1, 1, 1, 1)}, {}),
    "rows in strips": ((1, 16, 11, 9), (64, 16, 3, 3), {}, {"strip": 20, "panel_chunks": 3}),
}


@pytest.mark.parametrize("algorithm", STRIPS)
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_sums_are_exact(check_convolution, convolution, name: str, algorithm: str) -> None:
    x, w, attributes, said = CONVOLUTIONS[name]
    said = {STRIPS[algorithm] if key == "strip" else key: value for key, value in said.items()}
    for bias, left in ((True, "u8"), (False, "s8")):
        case = convolution(x, w, algorithm, **attributes, bias=bias, elements=(left, "s8", "s32"))
        decisions = check_convolution(case, threads=2 if bias else 1, decisions=said)
        assert ATOMS[decisions.atom].is_tile


def test_three_channels(check_convolution, convolution) -> None:
    case = convolution((1, 3, 20, 23), (40, 3, 7, 7), "indirect", strides=(2, 2), elements=("u8", "s8", "s32"))
    assert ATOMS[check_convolution(case).atom].is_tile


@pytest.mark.parametrize("algorithm", STRIPS)
@pytest.mark.parametrize("w", [(48, 64, 3, 3), (33, 32, 1, 1), (32, 41, 3, 3)])
def test_bf16(check_convolution, convolution, w: tuple[int, ...], algorithm: str) -> None:
    case = convolution((1, w[1], 9, 9), w, algorithm, epilogue=["y"], elements=("bf16", "bf16", "f32"))
    assert check_convolution(case).atom == "tdpbf16ps"
