"""Depthwise convolution in channel blocks against NumPy."""

from __future__ import annotations

import pytest

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
