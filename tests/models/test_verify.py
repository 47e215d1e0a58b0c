"""`make verify`: every phase of compiling every network, and a checked build of it at other sizes."""

from __future__ import annotations

import gc
from functools import partial

import numpy as np
import pytest
from lamina.benchmarks.models import ModelUnavailable
from lamina.benchmarks.networks import NETWORKS, Feeds, Network
from lamina.runtime.executable import Executable
from lamina.runtime.expressions import evaluate, symbols_of
from lamina.verification import SizesToTry, VerifyOptions, verify_model

MINUTES = 5
"""What one network may take on a small machine."""


def feeds_at(network: Network, executable: Executable, sizes: dict[str, int]) -> Feeds:
    """Random inputs; what the sizes do not say is as in the benchmarks."""
    rng = np.random.default_rng(0)
    feeds = network.feeds(network.shapes[-1])
    shapes = {info.name: info.shape for info in executable.inputs}
    usual = {dim: size for name, shape in shapes.items() for dim, size in zip(shape, feeds[name].shape)}
    for info in executable.inputs:
        if symbols_of(*info.shape):
            shape = tuple(evaluate(dim, usual | sizes) for dim in info.shape)
            highest = 2 if "mask" in info.name else 100
            drawn = rng.standard_normal(shape) if info.dtype.kind == "f" else rng.integers(0, highest, shape)
            feeds[info.name] = drawn.astype(info.dtype)
    return feeds


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_every_phase_and_size_of_a_network(name: str) -> None:
    network = NETWORKS[name]
    try:
        path = network.locate()
    except ModelUnavailable as error:
        pytest.skip(str(error))
    options = VerifyOptions(loops_seconds=10.0, sizes=SizesToTry(partial(feeds_at, network), 45.0))
    report = verify_model(path, lambda executable: network.feeds(network.shapes[-1]), options)
    gc.collect()
    assert report.ok, report.first_wrong
    assert report.seconds < MINUTES * 60
    tried = [check for check in report.checks if check.subject.startswith("a checked build")]
    assert tried, "no size was tried"
    assert all(check.status == "ok" or check.note for check in tried)
