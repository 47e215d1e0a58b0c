"""What counts as rounding, and which element is named."""

from __future__ import annotations

import json

import ml_dtypes
import numpy as np
import pytest
from lamina.verification import PhaseCheck, Tolerance, VerificationReport, compare_arrays


def test_the_worst_element_is_named() -> None:
    expected = np.array([[1.0, -10.0], [3.0, 0.0]], np.float32)
    found = expected.copy()
    found[1, 0] = 3.5
    found[0, 1] = -10.01
    deviation = compare_arrays(found, expected, Tolerance())
    assert not deviation.ok
    assert (deviation.element, deviation.found, deviation.expected) == ((1, 0), 3.5, 3.0)
    assert (deviation.absolute, deviation.relative) == (0.5, pytest.approx(0.05))
    assert (deviation.wrong, deviation.size) == (2, 4)
    assert str(deviation).startswith("element [1, 0] is 3.5, expected 3 (off by 0.5, relative 5.0e-02); 2 of 4 wrong")


@pytest.mark.parametrize(
    ("dtype", "rounding", "wrong"),
    [(np.float32, 5e-5, 2e-4), (np.float16, 5e-3, 3e-2), (ml_dtypes.bfloat16, 2e-2, 0.2), (np.float64, 5e-8, 2e-7)],
)
def test_tolerance_by_type(dtype: type, rounding: float, wrong: float) -> None:
    expected = np.ones(3, dtype)
    assert compare_arrays((expected.astype(np.float64) + rounding).astype(dtype), expected, Tolerance()).ok
    assert not compare_arrays((expected.astype(np.float64) + wrong).astype(dtype), expected, Tolerance()).ok


def test_tolerances_given() -> None:
    expected = np.array([0.0, 100.0], np.float32)
    found = expected + np.float32(0.5)
    assert not compare_arrays(found, expected, Tolerance()).ok
    assert compare_arrays(found, expected, Tolerance(rtol=0.01)).ok
    assert compare_arrays(found, expected, Tolerance(rtol=0.0, atol=0.5)).ok


def test_numbers_rounded_on_the_way_are_as_far_apart_as_narrow_ones() -> None:
    expected = np.ones(3, np.float32)
    found = expected + np.float32(1e-2)
    assert not compare_arrays(found, expected, Tolerance().rounded_to([])).ok
    assert compare_arrays(found, expected, Tolerance().rounded_to(["float16", "bfloat16"])).ok
    assert not compare_arrays(found, expected, Tolerance(rtol=1e-3).rounded_to(["bfloat16"])).ok


def test_integers_and_booleans_must_be_equal() -> None:
    assert compare_arrays(np.array([1, 2]), np.array([1, 2]), Tolerance()).ok
    assert compare_arrays(np.array([1, 3]), np.array([1, 2]), Tolerance()).element == (1,)
    assert not compare_arrays(np.array([True]), np.array([False]), Tolerance()).ok


def test_infinities_and_nan_must_be_where_they_are_expected() -> None:
    expected = np.array([np.inf, -np.inf, np.nan, 1.0], np.float32)
    assert compare_arrays(expected.copy(), expected, Tolerance()).ok
    for place in range(4):
        found = expected.copy()
        found[place] = np.nan if place != 2 else 0.0
        deviation = compare_arrays(found, expected, Tolerance())
        assert (deviation.ok, deviation.element, deviation.wrong) == (False, (place,), 1)


def test_other_shapes_and_types_are_wrong() -> None:
    deviation = compare_arrays(np.ones((2, 1), np.float32), np.ones(2, np.float32), Tolerance())
    assert str(deviation) == "is float32[2, 1], expected float32[2]"
    assert not compare_arrays(np.ones(2), np.ones(2, np.float32), Tolerance()).ok


def test_empty_tensors_and_scalars() -> None:
    assert compare_arrays(np.ones((0, 3)), np.ones((0, 3)), Tolerance()).ok
    assert compare_arrays(np.array(2.0), np.array(1.0), Tolerance()).element == ()


def test_a_report_names_the_search_result_of_the_first_wrong_phase() -> None:
    checks = [
        PhaseCheck("graph", "graph against import", "ok"),
        PhaseCheck("kernel", "kernel against graph", "wrong"),
        PhaseCheck("kernel", "after kernel-x", "wrong", pass_name="kernel-x", operation="kernel.conv", value="y"),
        PhaseCheck("run", "model", "wrong"),
    ]
    report = VerificationReport("m.onnx", "onnxruntime", checks)
    assert not report.ok
    assert report.first_wrong is checks[2]
    assert report.first_wrong.place == "phase kernel, pass kernel-x, kernel.conv %y"
    assert json.loads(json.dumps(report.to_dict()))["first_wrong"]["pass_name"] == "kernel-x"
