"""Direct convolution in channel blocks against NumPy."""

from __future__ import annotations

import pytest

# name: x, w, attributes
CASES = {
    "3x3": ([1, 64, 14, 14], [64, 64, 3, 3], {"pads": [1, 1, 1, 1]}),
    "1x1": ([2, 32, 9, 11], [48, 32, 1, 1], {}),
    "1x1 stride": ([2, 32, 9, 11], [48, 32, 1, 1], {"strides": [2, 2]}),
    "ragged channels": ([2, 24, 9, 11], [40, 24, 3, 3], {"pads": [1, 1, 1, 1]}),
    "first layer": ([1, 3, 40, 44], [20, 3, 7, 7], {"strides": [2, 2], "pads": [3, 3, 3, 3]}),
    "uneven pads": ([1, 20, 17, 33], [7, 20, 3, 5], {"pads": [2, 1, 0, 4]}),
    "dilation": ([1, 16, 20, 40], [16, 16, 3, 3], {"dilations": [2, 3], "pads": [2, 3, 2, 3], "strides": [1, 2]}),
    "groups": ([1, 64, 9, 20], [64, 32, 3, 3], {"groups": 2, "pads": [1, 1, 1, 1]}),
    "no bias": ([1, 16, 9, 9], [16, 16, 3, 3], {"bias": False, "pads": [1, 1, 1, 1]}),
    "large window": ([1, 1, 1, 600], [36, 1, 1, 256], {"strides": [1, 4]}),
}


@pytest.mark.parametrize("name", CASES)
def test_attributes(check_convolution, convolution, name: str) -> None:
    x, w, attributes = CASES[name]
    for threads in (1, 3):
        check_convolution(convolution(x, w, "direct", **attributes), threads=threads)


ONE = {"pads": [1, 1, 1, 1]}
# x, w, attributes, values of the symbols
SYMBOLIC = {
    "batch": (["N", 16, 14, 14], [32, 16, 3, 3], ONE, [{"N": 1}, {"N": 3}]),
    "image": ([1, 24, "H", "W"], [20, 24, 3, 3], ONE, [{"H": 5, "W": 7}, {"H": 20, "W": 70}, {"H": 1, "W": 1}]),
    "strided": (["N", 6, "H", "W"], [9, 6, 3, 3], {"strides": [2, 2]} | ONE, [{"N": 2, "H": 15, "W": 40}]),
    "1x1": (["N", 16, "H", "W"], [90, 16, 1, 1], {}, [{"N": 2, "H": 15, "W": 40}, {"N": 1, "H": 1, "W": 1}]),
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", SYMBOLIC)
def test_symbolic_sizes(check_convolution, convolution, name: str, threads: int) -> None:
    x, w, attributes, bindings = SYMBOLIC[name]
    for symbols in bindings:
        check_convolution(convolution(x, w, "direct", **attributes), symbols, threads)


EPILOGUES = {
    "relu": [],
    "residual": [["y", "y", "y", "y"]],
    "channel": [[20, 1, 1], [1, 20, 1, 1]],
    "scalar": [[], [1]],
    "image": [[1, 1, "y", "y"], ["y", 20, 1, 1]],
    "row": [["y"]],
    "part": [[20, "y", "y"], ["y", 1]],
}


@pytest.mark.parametrize("window", [1, 3])
@pytest.mark.parametrize("name", EPILOGUES)
def test_epilogue(check_convolution, convolution, name: str, window: int) -> None:
    pads = [window // 2] * 4
    case = convolution([2, 16, 8, 21], [20, 16, window, window], "direct", pads=pads, epilogue=EPILOGUES[name])
    check_convolution(case, threads=2)
