"""`make verify`: every phase of compiling every network, and a checked build of it at other sizes."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from lamina.benchmarks.models import ModelUnavailable
from lamina.benchmarks.networks import NETWORKS
from lamina.runtime.executable import Executable
from lamina.runtime.expressions import evaluate, symbols_of
from lamina.verification import SizesToTry, VerifyOptions, verify_model

MINUTES = 5
"""What one network may take on a small machine."""


def feeds_at(executable: Executable, sizes: dict[str, int]) -> dict[str, np.ndarray]:
    """Random inputs; free dims that are not given are small."""
    rng = np.random.default_rng(0)
    free = symbols_of(*(dim for info in executable.inputs for dim in info.shape))
    sizes = dict.fromkeys(free, 32) | sizes
    shapes = [tuple(evaluate(dim, sizes) for dim in info.shape) for info in executable.inputs]
    return {
        info.name: (rng.standard_normal(shape) if info.dtype.kind == "f" else rng.integers(0, 2, shape)).astype(
            info.dtype
        )
        for info, shape in zip(executable.inputs, shapes, strict=True)
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_every_phase_and_size_of_a_network(name: str) -> None:
    network = NETWORKS[name]
    try:
        path = network.locate()
    except ModelUnavailable as error:
        pytest.skip(str(error))
    options = VerifyOptions(loops_seconds=10.0, sizes=SizesToTry(feeds_at, 45.0))
    report = verify_model(path, lambda executable: network.feeds(network.shapes[-1]), options)
    gc.collect()
    assert report.ok, report.first_wrong
    assert report.seconds < MINUTES * 60
    ran = [check for check in report.checks if check.subject.startswith("a checked build") and check.status == "ok"]
    assert ran, "no size was tried"
