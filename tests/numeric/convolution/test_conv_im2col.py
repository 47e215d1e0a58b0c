"""im2col against NumPy: every rank, window, stride, dilation, padding and group; known and unknown sizes."""

from __future__ import annotations

import pytest
from lamina.dialects.layout_algebra import Layout

# name: x, w, attributes
CASES = {
    "3x3": ([1, 16, 14, 14], [32, 16, 3, 3], {"pads": [1, 1, 1, 1]}),
    "1x1": ([2, 24, 9, 11], [40, 24, 1, 1], {}),
    "1x1 few channels": ([2, 24, 9, 11], [5, 24, 1, 1], {}),
    "one pixel": ([1, 7, 3, 3], [3, 7, 3, 3], {}),
    "wide": ([1, 3, 20, 100], [10, 3, 3, 3], {"pads": [1, 1, 1, 1]}),
    "whole vectors": ([1, 4, 8, 64], [6, 4, 3, 3], {"pads": [1, 1, 1, 1]}),
    "whole vectors, no padding": ([1, 4, 8, 64], [6, 4, 3, 1], {}),
    "uneven pads": ([1, 5, 17, 33], [7, 5, 3, 5], {"pads": [2, 1, 0, 4]}),
    "padding beyond the window": ([1, 2, 5, 6], [3, 2, 3, 3], {"pads": [4, 5, 3, 6]}),
    "stride 2": ([2, 6, 19, 37], [9, 6, 3, 3], {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
    "stride 2 wide": ([1, 3, 9, 150], [9, 3, 7, 7], {"strides": [2, 2], "pads": [3, 3, 3, 3]}),
    "stride 3": ([1, 3, 21, 130], [5, 3, 5, 5], {"strides": [1, 3], "pads": [2, 1, 2, 1]}),
    "stride 4": ([1, 3, 21, 130], [5, 3, 4, 4], {"strides": [4, 4], "pads": [0, 2, 0, 1]}),
    "stride 5": ([1, 1, 1, 400], [12, 1, 1, 10], {"strides": [1, 5]}),
    "stride 16": ([1, 3, 64, 272], [8, 3, 16, 16], {"strides": [16, 16]}),
    "stride 7 pads": ([1, 2, 10, 250], [8, 2, 3, 17], {"strides": [2, 7], "pads": [1, 8, 1, 8]}),
    "dilation": ([1, 5, 20, 40], [8, 5, 3, 3], {"dilations": [2, 3], "pads": [2, 3, 2, 3]}),
    "dilation and stride": (
        [1, 5, 20, 140],
        [8, 5, 3, 4],
        {"dilations": [1, 2], "strides": [2, 6], "pads": [1, 3, 1, 3]},
    ),
    "groups": ([1, 12, 9, 20], [8, 3, 3, 3], {"groups": 4, "pads": [1, 1, 1, 1]}),
    "groups of many": ([1, 20, 9, 20], [60, 10, 3, 3], {"groups": 2, "pads": [1, 1, 1, 1]}),
    "depthwise": ([1, 10, 9, 20], [10, 1, 3, 3], {"groups": 10, "pads": [1, 1, 1, 1]}),
    "depth multiplier": ([2, 6, 9, 20], [18, 1, 3, 3], {"groups": 6, "pads": [1, 1, 1, 1]}),
    "grouped 1x1": ([1, 12, 5, 5], [9, 4, 1, 1], {"groups": 3}),
    "large window": ([2, 1, 1, 1000], [36, 1, 1, 256], {"strides": [1, 32]}),
    "large window, one channel": ([2, 1, 1, 1000], [1, 1, 1, 256], {"strides": [1, 2]}),
    "tall window": ([1, 8, 40, 30], [8, 8, 3, 39], {"pads": [1, 19, 1, 19]}),
    "3-D": ([1, 3, 6, 7, 9], [5, 3, 3, 3, 3], {"pads": [1, 1, 1, 1, 1, 1]}),
    "3-D stride": ([2, 4, 7, 9, 20], [6, 2, 2, 3, 2], {"strides": [2, 1, 2], "groups": 2, "pads": [0, 1, 1, 1, 0, 0]}),
    "many channels": ([1, 300, 7, 7], [70, 300, 3, 3], {"pads": [1, 1, 1, 1]}),
    "no bias": ([1, 4, 9, 9], [6, 4, 3, 3], {"bias": False, "pads": [1, 1, 1, 1]}),
}


@pytest.mark.parametrize("name", CASES)
def test_attributes(check_convolution, convolution, name: str) -> None:
    x, w, attributes = CASES[name]
    for decisions in ({}, {"pack": True}, {"pack": True, "columns": 32}):
        check_convolution(convolution(x, w, **attributes), decisions=decisions)
    check_convolution(convolution(x, w, **attributes), decisions={"pack": True}, threads=3)


IN_PLACE = [name for name, (_, w, a) in CASES.items() if a.get("strides", [1])[-1] == 1]


@pytest.mark.parametrize("columns", [16, 64])
@pytest.mark.parametrize("name", IN_PLACE)
def test_columns_in_place(check_convolution, convolution, name: str, columns: int) -> None:
    x, w, attributes = CASES[name]
    decisions = {"pack": False, "columns": columns}
    for threads in (1, 2):
        check_convolution(convolution(x, w, **attributes), threads=threads, decisions=decisions)


ONE, ROUND = {"pads": [1, 1, 1, 1]}, {"pads": [1, 4, 1, 4]}
# name: x, w, attributes, values of the symbols
SYMBOLIC = {
    "batch": (["N", 16, 14, 14], [32, 16, 3, 3], ONE, [{"N": 1}, {"N": 3}]),
    "image": ([1, 6, "H", "W"], [9, 6, 3, 3], ONE, [{"H": 5, "W": 7}, {"H": 20, "W": 70}, {"H": 1, "W": 1}]),
    "strided": (["N", 6, "H", "W"], [9, 6, 3, 3], {"strides": [2, 2]} | ONE, [{"N": 2, "H": 15, "W": 40}]),
    "far": ([1, 2, "H", "W"], [9, 2, 3, 9], {"strides": [2, 5]} | ROUND, [{"H": 15, "W": 190}, {"H": 3, "W": 4}]),
    "1x1": (["N", 6, "H", "W"], [9, 6, 1, 1], {}, [{"N": 2, "H": 15, "W": 40}, {"N": 1, "H": 1, "W": 1}]),
    "signal": (["N", 1, 1, "W"], [36, 1, 1, 256], {"strides": [1, 16]}, [{"N": 2, "W": 3000}]),
    "channels": ([2, "C", 9, "W"], ["K", "C", 3, 3], ONE, [{"C": 5, "W": 20, "K": 13}, {"C": 1, "W": 3, "K": 1}]),
    "window": ([2, 3, 9, 20], [5, 3, "R", 3], {"pads": [0, 1, 0, 1]}, [{"R": 3}, {"R": 1}]),
    "3-D": (["N", 3, "D", "H", 9], [5, 3, 3, 3, 3], {"pads": [1] * 6}, [{"N": 2, "D": 3, "H": 6}]),
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", SYMBOLIC)
def test_symbolic_sizes(check_convolution, convolution, name: str, threads: int) -> None:
    x, w, attributes, bindings = SYMBOLIC[name]
    choices = [{"pack": True}, {"pack": False}] if attributes.get("strides", [1])[-1] == 1 else [{}]
    for symbols in bindings:
        for decisions in choices:
            check_convolution(convolution(x, w, **attributes), symbols, threads, decisions)


EPILOGUES = {
    "relu": [],
    "residual": [["y", "y", "y", "y"]],
    "channel": [[10, 1, 1], [1, 10, 1, 1]],
    "scalar": [[], [1]],
    "image": [[1, 1, "y", "y"], ["y", 10, 1, 1]],
    "row": [["y"]],
    "column": [["y", 1], ["y", "y", "y", "y"]],
}


@pytest.mark.parametrize("window", [1, 3])
@pytest.mark.parametrize("name", EPILOGUES)
def test_epilogue(check_convolution, convolution, name: str, window: int) -> None:
    pad = window // 2
    case = convolution([2, 5, 8, 21], [10, 5, window, window], pads=[pad] * 4, epilogue=EPILOGUES[name], strides=[1, 1])
    for threads, pack in ((1, True), (2, False), (2, True)):
        check_convolution(case, threads=threads, decisions={"pack": pack})


def test_margins(check_convolution, convolution) -> None:
    """The result can have a halo, or be a part of a larger tensor; x can be one."""
    case = convolution([2, 5, 8, 21], [10, 5, 3, 3], pads=[1] * 4, epilogue=[["y", "y", "y", "y"]])
    halo = Layout("abcd", (0, 0, 1, 2), (0, 0, 3, 1), halo=True)
    part = Layout("abcd", (0, 3, 0, 0), (0, 2, 0, 0))
    crop = Layout("abcd", (0, 1, 2, 3), (1, 0, 2, 1))
    for threads in (1, 2):
        for pack in (False, True):
            check_convolution(case, threads=threads, y_layout=halo, decisions={"pack": pack})
            check_convolution(case, threads=threads, y_layout=part, x_layout=crop, decisions={"pack": pack})
        check_convolution(case, threads=threads, x_layout=Layout("acdb"))


def test_rows_in_chunks(check_convolution, convolution) -> None:
    """Threads that share the channels of one panel all pack it."""
    case = convolution([1, 6, 5, 5], [45, 6, 3, 3], pads=[1] * 4)
    for threads in (1, 2, 3, 7):
        chosen = check_convolution(case, threads=threads, decisions={"row_chunks": 3, "pack": True})
    assert chosen.row_chunks == 3
