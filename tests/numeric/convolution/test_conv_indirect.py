"""Indirect convolution against NumPy: with the table and without, ragged channels, unknown sizes."""

from __future__ import annotations

import pytest
from lamina.dialects.layout_algebra import Layout

NHWC = Layout("acdb")

# name: x, w, attributes
CASES = {
    "3x3": ([1, 16, 14, 14], [32, 16, 3, 3], {"pads": [1, 1, 1, 1]}),
    "7x7 image": ([2, 48, 7, 7], [100, 48, 3, 3], {"pads": [1, 1, 1, 1]}),
    "1x1": ([2, 24, 9, 11], [40, 24, 1, 1], {}),
    "1x1 stride": ([2, 24, 9, 11], [40, 24, 1, 1], {"strides": [2, 2]}),
    "first layer": ([1, 3, 40, 44], [20, 3, 7, 7], {"strides": [2, 2], "pads": [3, 3, 3, 3]}),
    "one of each": ([1, 1, 3, 3], [1, 1, 3, 3], {}),
    "uneven pads": ([1, 5, 17, 33], [7, 5, 3, 5], {"pads": [2, 1, 0, 4]}),
    "padding beyond the window": ([1, 2, 5, 6], [3, 2, 3, 3], {"pads": [4, 5, 3, 6]}),
    "dilation": ([1, 5, 20, 40], [8, 5, 3, 3], {"dilations": [2, 3], "pads": [2, 3, 2, 3], "strides": [1, 2]}),
    "groups": ([1, 12, 9, 20], [64, 3, 3, 3], {"groups": 4, "pads": [1, 1, 1, 1]}),
    "many channels": ([1, 130, 9, 9], [150, 130, 3, 3], {"pads": [1, 1, 1, 1]}),
    "no bias": ([1, 4, 9, 9], [70, 4, 3, 3], {"bias": False, "pads": [1, 1, 1, 1]}),
}


@pytest.mark.parametrize("halo", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_attributes(check_convolution, convolution, name: str, halo: bool) -> None:
    x, w, attributes = CASES[name]
    case = convolution(x, w, "indirect", **attributes)
    for threads in (1, 3):
        chosen = check_convolution(case, threads=threads, x_layout=None if halo else NHWC)
    assert chosen.table or halo or "pads" not in attributes


ONE = {"pads": [1, 1, 1, 1]}
# x, w, attributes, values of the symbols
SYMBOLIC = {
    "batch": (["N", 16, 14, 14], [32, 16, 3, 3], ONE, [{"N": 1}, {"N": 3}]),
    "image": ([1, 6, "H", "W"], [9, 6, 3, 3], ONE, [{"H": 5, "W": 7}, {"H": 20, "W": 70}, {"H": 1, "W": 1}]),
    "strided": (["N", 6, "H", "W"], [9, 6, 3, 3], {"strides": [2, 2]} | ONE, [{"N": 2, "H": 15, "W": 40}]),
    "1x1": (["N", 6, "H", "W"], [90, 6, 1, 1], {}, [{"N": 2, "H": 15, "W": 40}, {"N": 1, "H": 1, "W": 1}]),
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", SYMBOLIC)
def test_symbolic_sizes(check_convolution, convolution, name: str, threads: int) -> None:
    x, w, attributes, bindings = SYMBOLIC[name]
    for symbols in bindings:
        check_convolution(convolution(x, w, "indirect", **attributes), symbols, threads)


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
    case = convolution(
        [2, 5, 8, 21], [20, 5, window, window], "indirect", pads=[window // 2] * 4, epilogue=EPILOGUES[name]
    )
    for x_layout in (None, NHWC):
        check_convolution(case, threads=2, x_layout=x_layout)


def test_margins(check_convolution, convolution) -> None:
    """The result can have a halo, or be a part of a larger tensor; x can be one."""
    case = convolution([2, 5, 8, 21], [20, 5, 3, 3], "indirect", pads=[1] * 4, epilogue=[["y", "y", "y", "y"]])
    halo = Layout("acdb", (0, 0, 1, 2), (0, 0, 3, 1), halo=True)
    part = Layout("acdb", (0, 3, 0, 0), (0, 2, 0, 0))
    crop = Layout("acdb", (0, 1, 2, 3), (1, 0, 2, 1))
    for threads in (1, 2):
        check_convolution(case, threads=threads, y_layout=halo)
        check_convolution(case, threads=threads, y_layout=part, x_layout=crop)


def test_panels_in_chunks(check_convolution, convolution) -> None:
    case = convolution([1, 6, 5, 5], [300, 6, 3, 3], "indirect", pads=[1] * 4)
    for threads in (1, 2, 3, 7):
        for x_layout in (None, NHWC):
            chosen = check_convolution(case, threads=threads, x_layout=x_layout)
    assert chosen.panel_chunks > 1
