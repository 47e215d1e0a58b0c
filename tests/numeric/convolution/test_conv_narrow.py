"""Convolutions of integers of 8 bits, by the machine's atoms: sums are exact."""

from __future__ import annotations

import pytest
from lamina.dialects.multiplying import is_tile
from lamina.machines import host_target

TARGET = host_target()
SIGNS = {
    "signed": ("s8", "s8", "s32"),
    "unsigned x": ("u8", "s8", "s32"),
    "unsigned w": ("s8", "u8", "s32"),
    "unsigned": ("u8", "u8", "s32"),
}

# x, w, attributes
CONVOLUTIONS = {
    "blocks": ((2, 32, 9, 10), (48, 32, 3, 3), {"pads": (1, 1, 1, 1)}),
    "pointwise": ((1, 64, 7, 7), (32, 64, 1, 1), {}),
    "strided": ((1, 16, 11, 13), (16, 16, 3, 3), {"strides": (2, 2), "pads": (1, 1, 1, 1)}),
    "dilated": ((1, 16, 12, 12), (16, 16, 2, 3), {"dilations": (2, 3)}),
    "part of a block": ((1, 18, 6, 7), (20, 18, 3, 3), {"pads": (0, 1, 2, 1)}),
    "words and a rest": ((1, 39, 5, 6), (33, 39, 1, 3), {}),
    "three channels": ((1, 3, 12, 15), (16, 3, 5, 5), {"strides": (2, 2), "pads": (2, 2, 2, 2)}),
    "one channel": ((1, 1, 8, 9), (8, 1, 3, 3), {"pads": (1, 1, 1, 1)}),
    "groups": ((1, 64, 6, 6), (64, 32, 3, 3), {"groups": 2, "pads": (1, 1, 1, 1)}),
}


@pytest.mark.parametrize("algorithm", ["direct", "indirect"])
@pytest.mark.parametrize("unsigned", SIGNS)
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_sums_are_exact(check_convolution, convolution, name: str, unsigned: str, algorithm: str) -> None:
    x, w, attributes = CONVOLUTIONS[name]
    for bias in (True, False):
        case = convolution(x, w, algorithm, **attributes, bias=bias, elements=SIGNS[unsigned])
        decisions = check_convolution(case, threads=2 if bias else 1)
        fits = TARGET.atom_for(*("ui8" if element == "u8" else "i8" for element in SIGNS[unsigned][:2]), "i32")
        if fits and x[1] >= 16 and not is_tile(decisions.atom):
            assert decisions.atom == fits.name
    free = convolution((x[0], x[1], "H", "W"), w, algorithm, **attributes, elements=SIGNS[unsigned])
    check_convolution(free, {"H": x[2], "W": x[3]})


@pytest.mark.skipif(TARGET.atom_for("ui8", "i8", "i32") is None, reason="this machine has no dot product of bytes")
@pytest.mark.parametrize("channels", [17, 18, 23])
def test_words_that_channels_do_not_fill(check_convolution, convolution, channels: int) -> None:
    atom = TARGET.atom_for("ui8", "i8", "i32")
    x, w, elements = (2, channels, 6, 9), (32, channels, 3, 3), SIGNS["unsigned x"]
    for algorithm, said in (("direct", {"columns": 4}), ("indirect", {"rows": 4, "block": 24, "lanes": 16})):
        case = convolution(x, w, algorithm, pads=(1, 1, 1, 1), elements=elements)
        assert check_convolution(case, decisions=said | {"atom": atom.name}).atom == atom.name
