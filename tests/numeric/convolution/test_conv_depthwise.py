"""Depthwise convolution in channel blocks against NumPy."""

from __future__ import annotations

import pytest
from lamina.machines import host_target
from lamina.machines.atoms import ATOMS, GENERAL_ATOM

# name: x, window, attributes
CASES = {
    "3x3": ([1, 32, 14, 14], [3, 3], {"pads": [1, 1, 1, 1]}),
    "5x5 stride": ([2, 48, 15, 28], [5, 5], {"strides": [2, 2], "pads": [2, 2, 2, 2]}),
    "7x7 keeps a loop": ([1, 16, 14, 56], [7, 7], {"pads": [3, 3, 3, 3]}),
    "ragged channels": ([1, 40, 9, 11], [3, 3], {"pads": [1, 1, 1, 1]}),
    "uneven": ([1, 20, 17, 33], [3, 5], {"pads": [2, 1, 0, 4], "dilations": [2, 1]}),
    "no bias": ([1, 16, 7, 7], [3, 3], {"bias": False, "pads": [1, 1, 1, 1]}),
}


@pytest.mark.parametrize("name", CASES)
def test_attributes(check_convolution, convolution, name: str) -> None:
    x, window, attributes = CASES[name]
    case = convolution(x, [x[1], 1, *window], "depthwise", groups=x[1], **attributes)
    for threads in (1, 3):
        check_convolution(case, threads=threads)


def test_symbolic_sizes(check_convolution, convolution) -> None:
    case = convolution(["N", 24, "H", "W"], [24, 1, 3, 3], "depthwise", groups=24, pads=[1, 1, 1, 1])
    for symbols in ({"N": 1, "H": 5, "W": 7}, {"N": 2, "H": 20, "W": 70}, {"N": 1, "H": 1, "W": 1}):
        check_convolution(case, symbols, 2)


def test_epilogue(check_convolution, convolution) -> None:
    for operands in ([["y", "y", "y", "y"]], [["y", 20, 1, 1], []]):
        case = convolution([1, 20, 9, 40], [20, 1, 3, 3], "depthwise", groups=20, pads=[1, 1, 1, 1], epilogue=operands)
        check_convolution(case, threads=2)


SIGNS = [("u8", "s8", "s32"), ("s8", "u8", "s32"), ("s8", "s8", "s32"), ("u8", "u8", "s32"), ("bf16", "bf16", "f32")]
NARROW = ("3x3", "5x5 stride", "7x7 keeps a loop", "uneven")


@pytest.mark.parametrize("elements", SIGNS, ids="-".join)
def test_narrow_elements(check_convolution, convolution, elements: tuple[str, str, str]) -> None:
    pairs = host_target().atom_for("i16", "i16", "i32") if elements[-1] == "s32" else None
    for name in NARROW:
        x, window, attributes = CASES[name]
        case = convolution(x, [x[1], 1, *window], "depthwise", groups=x[1], elements=elements, **attributes)
        assert check_convolution(case, threads=2).atom == (pairs.name if pairs else GENERAL_ATOM)


@pytest.mark.parametrize("atom", [GENERAL_ATOM, *(name for name in host_target().atoms if not ATOMS[name].is_matrix)])
def test_edited_atoms(check_convolution, convolution, atom: str) -> None:
    """Words of two taps and of four, and what is left of a row of them."""
    floats = ATOMS[atom].sums == "f32" if atom in ATOMS else False
    elements = SIGNS[-1] if floats else SIGNS[0]
    for window in ([2, 5], [1, 1], [3, 4]):
        case = convolution([1, 24, 9, 21], [24, 1, *window], "depthwise", groups=24, elements=elements)
        named = {"u8": "ui8", "s8": "i8", "s32": "i32"}
        if atom == GENERAL_ATOM or ATOMS[atom].multiplies_widened(*(named.get(name, name) for name in elements)):
            assert check_convolution(case, decisions={"atom": atom}).atom == atom
