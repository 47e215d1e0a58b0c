"""Comparing the outputs of a run with those expected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .arrays import read_arrays


@dataclass(frozen=True)
class Comparison:
    """One output against what is expected of it.

    ``worst`` is the largest part of the tolerance ``atol + rtol * |expected|`` that an element takes up, above 1 where
    it is out of tolerance; ``index``, ``found`` and ``expected`` are that element's. ``problem`` says why nothing could
    be compared.
    """

    name: str
    ok: bool
    problem: str = ""
    worst: float | None = None
    absolute_error: float | None = None
    index: tuple[int, ...] | None = None
    found: float | None = None
    expected: float | None = None
    wrong_elements: int = 0
    elements: int = 0

    def report(self) -> dict[str, Any]:
        return asdict(self)


def read_expected(path: Path, outputs: list[str]) -> dict[str, np.ndarray]:
    """Expected arrays by output: a ``.npz`` file by name, or a ``.npy`` file for a model's only output."""
    arrays = read_arrays(path)
    if "" not in arrays:
        return arrays
    if len(outputs) != 1:
        raise ValueError(f"'{path}' holds one array, the model has {len(outputs)} outputs: give a .npz file")
    return {outputs[0]: arrays[""]}


def compare_outputs(
    found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray], rtol: float, atol: float
) -> list[Comparison]:
    """A comparison for each name on either side."""
    comparisons = []
    for name in [*found, *(name for name in expected if name not in found)]:
        if name not in expected:
            comparisons.append(Comparison(name, False, "the expected file does not have it"))
        elif name not in found:
            comparisons.append(Comparison(name, False, "no output of the model has this name"))
        else:
            comparisons.append(compare_output(name, found[name], expected[name], rtol, atol))
    return comparisons


def compare_output(name: str, found: np.ndarray, expected: np.ndarray, rtol: float, atol: float) -> Comparison:
    """Equal NaNs and equal infinities agree."""
    if found.shape != expected.shape:
        return Comparison(name, False, f"its shape is {_shape(found)}, expected {_shape(expected)}")
    if found.size == 0:
        return Comparison(name, True)
    if found.dtype.kind in "OSU" or expected.dtype.kind in "OSU":
        same = np.array_equal(found.astype(str), expected.astype(str))
        return Comparison(name, same, "" if same else "its text differs")
    ours, theirs = found.astype(np.float64), expected.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        errors = np.abs(ours - theirs)
        parts = errors / (atol + rtol * np.abs(theirs))
    agree = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    parts = np.where(agree, 0.0, np.where(np.isnan(parts) | np.isinf(theirs), np.inf, parts))
    index = np.unravel_index(int(np.argmax(parts)), parts.shape)
    wrong = int(np.count_nonzero(parts > 1))
    return Comparison(
        name,
        wrong == 0,
        worst=float(parts[index]),
        absolute_error=float(np.max(np.where(agree, 0.0, errors))),
        index=tuple(map(int, index)),
        found=float(ours[index]),
        expected=float(theirs[index]),
        wrong_elements=wrong,
        elements=found.size,
    )


def _shape(array: np.ndarray) -> str:
    return " x ".join(map(str, array.shape)) or "scalar"
