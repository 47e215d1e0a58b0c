"""How far two tensors are apart, and whether that is more than rounding."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

DEFAULT_TOLERANCES = {"float64": 1e-7, "float32": 1e-4, "float16": 1e-2, "bfloat16": 5e-2}
"""Relative to a tensor's largest magnitude, by dtype; integers and booleans must be equal.

That of float32 leaves room for sums in another order and for Winograd's transforms, whose error is about 1e-5.
"""


@dataclass(frozen=True)
class Tolerance:
    """What may differ: ``rtol`` times the expected tensor's largest finite magnitude, plus ``atol``.

    ``rtol`` None: by dtype, from DEFAULT_TOLERANCES.
    """

    rtol: float | None = None
    atol: float = 0.0

    def at_least(self, atol: float) -> Tolerance:
        """The same with an ``atol`` that is no smaller than this."""
        return Tolerance(self.rtol, max(self.atol, atol))

    def rounded_to(self, dtypes: Iterable[str]) -> Tolerance:
        """The same for numbers that were rounded to these dtypes on the way, whatever holds them now."""
        if self.rtol is not None:
            return self
        rtol = max((DEFAULT_TOLERANCES[dtype] for dtype in dtypes), default=None)
        return Tolerance(rtol, self.atol)

    def allowed(self, expected: np.ndarray) -> float:
        """The largest difference that counts as rounding."""
        if expected.dtype.kind in "biu":
            return 0.0
        rtol = DEFAULT_TOLERANCES.get(expected.dtype.name, 1e-4) if self.rtol is None else self.rtol
        return self.atol + rtol * magnitude(expected)


@dataclass(frozen=True)
class Deviation:
    """The element that differs most, and by how much.

    ``relative`` is the difference over the expected tensor's largest magnitude. ``wrong`` counts the elements that
    are out of tolerance, of ``size``. Where shapes or dtypes differ already, ``note`` says so and the numbers are None.
    """

    ok: bool
    element: tuple[int, ...] = ()
    found: float | None = None
    expected: float | None = None
    absolute: float = 0.0
    relative: float = 0.0
    wrong: int = 0
    size: int = 0
    note: str = ""

    def __str__(self) -> str:
        if self.note:
            return self.note
        place = f"element {list(self.element)} is {self.found:.9g}, expected {self.expected:.9g}"
        return f"{place} (off by {self.absolute:.3g}, relative {self.relative:.1e}); {self.wrong} of {self.size} wrong"


def magnitude(array: np.ndarray) -> float:
    """The largest finite magnitude; 1 where all is zero or nothing is finite."""
    wide = np.abs(array.astype(np.float64))
    return float(wide.max(initial=0.0, where=np.isfinite(wide))) or 1.0


def compare_arrays(found: np.ndarray, expected: np.ndarray, tolerance: Tolerance) -> Deviation:
    """The deviation of ``found``; NaN and infinities must be at the same places."""
    if found.shape != expected.shape or found.dtype != expected.dtype:
        note = f"is {found.dtype}{list(found.shape)}, expected {expected.dtype}{list(expected.shape)}"
        return Deviation(False, note=note)
    if found.size == 0:
        return Deviation(True)
    actual, wanted = found.astype(np.float64), expected.astype(np.float64)
    with np.errstate(invalid="ignore"):
        difference = np.abs(actual - wanted)
    same = (actual == wanted) | (np.isnan(actual) & np.isnan(wanted))
    difference = np.where(same, 0.0, np.where(np.isnan(difference), np.inf, difference))
    wrong = int((difference > tolerance.allowed(expected)).sum())
    place = np.unravel_index(int(difference.argmax()), difference.shape)
    worst = float(difference[place])
    return Deviation(
        ok=wrong == 0,
        element=tuple(int(index) for index in place),
        found=float(actual[place]),
        expected=float(wanted[place]),
        absolute=worst,
        relative=worst / magnitude(expected),
        wrong=wrong,
        size=found.size,
    )


def worst_output(
    found: dict[str, np.ndarray], expected: dict[str, np.ndarray], tolerance: Tolerance
) -> tuple[str, Deviation]:
    """The first output that is out of tolerance, or else the one that differs most, and its deviation."""
    deviations = {name: compare_arrays(found[name], wanted, tolerance) for name, wanted in expected.items()}
    wrong = next((name for name, deviation in deviations.items() if not deviation.ok), None)
    name = wrong or max(deviations, key=lambda name: deviations[name].relative, default="")
    return name, deviations.get(name, Deviation(True))
