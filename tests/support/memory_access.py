"""Runs models so that whatever leaves its buffers is noticed."""

from __future__ import annotations

from functools import partial

import lamina
import numpy as np
import onnx
from lamina.pipeline import PipelineOptions
from lamina.runtime.errors import ExecutionError, LaminaError

CHECKED = partial(PipelineOptions, checked=True, use_cache=False)
"""Makes the options of a checked build."""


def assert_stays_in_its_memory(model: onnx.ModelProto, feeds: dict[str, np.ndarray], name: str) -> bool:
    """Runs it checked, and between pages that cannot be touched: the results are the same, and no access is outside.

    Whether it ran at all: a model or feeds that are refused prove nothing. A kernel that reaches the pages around its
    buffers ends the process.
    """
    try:
        plain = lamina.compile(model, threads=2, options=PipelineOptions(use_cache=False, checked=False))
        expected = plain.run(feeds)
    except LaminaError:
        return False
    checked = lamina.compile(model, threads=2, options=CHECKED())
    try:
        found = {
            "checked": checked.run(feeds),
            "guarded": plain.run_guarded(feeds),
            "poisoned": plain.run_poisoned(feeds),
        }
    except ExecutionError as error:
        raise AssertionError(f"{name}: {error}") from error
    for way, outputs in found.items():
        for output, wanted in expected.items():
            if not isinstance(wanted, np.ndarray):
                continue  # A sequence or an optional value, which no kernel writes.
            same = outputs[output].dtype == wanted.dtype and outputs[output].shape == wanted.shape
            bits = outputs[output].tobytes() == wanted.tobytes()
            equal = bits or (wanted.dtype.kind == "f" and np.array_equal(outputs[output], wanted, equal_nan=True))
            assert same and equal, f"{name}: output '{output}' of the {way} run differs"
    return True
