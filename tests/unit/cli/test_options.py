"""Reading the values of options."""

from __future__ import annotations

import numpy as np
import pytest
from lamina.cli.common import duration_text, size_text
from lamina.cli.options import name_the_only_input, parse_constants, parse_dims, parse_shapes


def test_parsed_options() -> None:
    assert parse_shapes(["x=1x3xHxW", "7"]) == {"x": (1, 3, "H", "W"), "": (7,)}
    assert parse_shapes(["scalar="]) == {"scalar": ()}
    assert parse_dims(["N=1", "batch=20"]) == {"N": 1, "batch": 20}
    assert name_the_only_input({"": (1,)}, ["a"]) == {"a": (1,)}
    with pytest.raises(ValueError, match="has 2 inputs"):
        name_the_only_input({"": (1,)}, ["a", "b"])


def test_parsed_constants() -> None:
    constants = parse_constants(["w=dense<[[1.5, 2.0]]> : tensor<1x2xf32>", "n=dense<3> : tensor<2xi64>"])
    np.testing.assert_array_equal(constants["w"], np.array([[1.5, 2.0]], np.float32), strict=True)
    np.testing.assert_array_equal(constants["n"], np.array([3, 3]), strict=True)
    with pytest.raises(ValueError, match="'w=nonsense' is no constant"):
        parse_constants(["w=nonsense"])


def test_units() -> None:
    assert [duration_text(value) for value in (0.417, 3.21, 45.67, 999.4, 999.6, 12500)] == [
        "417 us",
        "3.21 ms",
        "45.7 ms",
        "999 ms",
        "1.0 s",
        "12.5 s",
    ]
    assert [size_text(value) for value in (3, 2048, 3 << 20)] == ["3 bytes", "2.0 KiB", "3.0 MiB"]
