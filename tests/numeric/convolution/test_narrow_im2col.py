"""im2col of bytes and bf16 by the machine's atoms, against exact sums: words of channels, and what is left of them."""

from __future__ import annotations

import pytest
from lamina.machines import host_target
from lamina.machines.atoms import GENERAL_ATOM

# name: x, w, attributes
CASES = {
    "3x3": ([1, 16, 14, 14], [32, 16, 3, 3], {"pads": [1, 1, 1, 1]}),
    "1x1": ([2, 32, 9, 11], [40, 32, 1, 1], {}),
    "1x1, rest of a word": ([2, 17, 9, 11], [5, 17, 1, 1], {}),
    "1x7": ([2, 5, 6, 40], [9, 5, 1, 7], {"pads": [0, 3, 0, 3]}),
    "one channel": ([1, 1, 9, 20], [7, 1, 3, 3], {"pads": [1, 1, 1, 1]}),
    "three channels": ([1, 3, 9, 150], [9, 3, 7, 7], {"strides": [2, 2], "pads": [3, 3, 3, 3]}),
    "four channels, stride 3": ([2, 4, 21, 70], [5, 4, 5, 5], {"strides": [1, 3], "pads": [2, 1, 2, 1]}),
    "stride 16": ([1, 3, 32, 272], [8, 3, 16, 16], {"strides": [16, 16]}),
    "dilation": ([1, 5, 20, 40], [8, 5, 3, 3], {"dilations": [2, 3], "pads": [2, 3, 2, 3]}),
    "padding beyond the window": ([1, 2, 5, 6], [3, 2, 3, 3], {"pads": [4, 5, 3, 6]}),
    "groups": ([1, 12, 9, 20], [8, 3, 3, 3], {"groups": 4, "pads": [1, 1, 1, 1]}),
    "groups of a prime number": ([2, 10, 9, 20], [34, 5, 3, 3], {"groups": 2, "pads": [1, 1, 1, 1]}),
    "whole vectors": ([1, 8, 8, 64], [6, 8, 3, 3], {"pads": [1, 1, 1, 1]}),
    "words that fill no register": ([1, 5, 9, 20], [35, 5, 3, 5], {"pads": [1, 2, 1, 2]}),
    "3-D": ([1, 3, 6, 7, 9], [5, 3, 3, 3, 3], {"pads": [1, 1, 1, 1, 1, 1]}),
    "many channels": ([1, 130, 7, 7], [70, 130, 3, 3], {"bias": False, "pads": [1, 1, 1, 1]}),
}
SIGNS = [("u8", "s8", "s32"), ("s8", "u8", "s32"), ("s8", "s8", "s32"), ("u8", "u8", "s32")]
NAMED = {"u8": "ui8", "s8": "i8", "s32": "i32", "bf16": "bf16", "f32": "f32"}


def atoms_of(elements: tuple[str, str, str]) -> set[str]:
    """For vectors, and for whole registers of matrices, whose left is w."""
    x, w, sums = (NAMED[element] for element in elements)
    atoms = [host_target().atom_for(w, x, sums, tiles=tiles) for tiles in (False, True)]
    return {atom.name if atom else GENERAL_ATOM for atom in atoms}


@pytest.mark.parametrize("name", CASES)
def test_mixed_signs(check_convolution, convolution, name: str) -> None:
    x, w, attributes = CASES[name]
    elements = SIGNS[0]
    case = convolution(x, w, elements=elements, **attributes)
    assert check_convolution(case).atom in atoms_of(elements)
    check_convolution(case, decisions={"columns": 32, "row_chunks": 2}, threads=2)


@pytest.mark.parametrize("elements", [*SIGNS[1:], ("bf16", "bf16", "f32")], ids="-".join)
@pytest.mark.parametrize("name", ["3x3", "1x1, rest of a word", "three channels"])
def test_other_elements(check_convolution, convolution, name: str, elements: tuple[str, str, str]) -> None:
    x, w, attributes = CASES[name]
    found = check_convolution(convolution(x, w, elements=elements, **attributes), threads=2)
    assert found.atom in atoms_of(elements)


def test_free_sizes(check_convolution, convolution) -> None:
    case = convolution(["N", 6, "H", "W"], [20, 6, 3, 3], pads=[1, 1, 1, 1], elements=SIGNS[0])
    for height, width in ((5, 7), (1, 1), (3, 90)):
        found = check_convolution(case, symbols={"N": 2, "H": height, "W": width}, threads=2)
        assert found.atom in atoms_of(SIGNS[0])
