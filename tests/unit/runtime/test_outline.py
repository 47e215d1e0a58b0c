"""Segments that are bound to other sizes again and again: results are as from the beginning, plans are few."""

from __future__ import annotations

import lamina
import numpy as np
import pytest
from lamina.benchmarks.small_networks import SMALL_NETWORKS
from lamina.runtime import outline
from lamina.runtime.binding import Binding

SIZES = {
    "classifier": [{"N": n} for n in (1, 2, 3, 40, 41, 7, 120, 1)],
    "pictures": [{"N": n, "H": h, "W": w} for n, h, w in ((1, 33, 40), (1, 34, 40), (3, 35, 41), (1, 31, 97))],
    "sentences": [{"B": b, "S": s} for b, s in ((1, 5), (1, 6), (2, 7), (1, 64), (1, 8), (5, 9))],
}


@pytest.mark.parametrize("name", SIZES)
def test_results_are_as_in_a_model_that_knows_no_other_sizes(name: str) -> None:
    network = SMALL_NETWORKS[name]
    executable = lamina.compile(network.model(), threads=1)
    for sizes in SIZES[name]:
        feeds = network.feeds(sizes)
        fresh = lamina.compile(network.model(), threads=1).run(feeds)
        for run in (executable.run, executable.run_poisoned):
            for output, array in run(feeds).items():
                np.testing.assert_array_equal(array, fresh[output])


def test_few_plans_for_many_lengths(monkeypatch: pytest.MonkeyPatch) -> None:
    """A size that grows by one each time needs a plan of the arena for each half that it grows by."""
    network = SMALL_NETWORKS["sentences"]
    executable = lamina.compile(network.model(), threads=1)
    executable.run(network.feeds({"B": 1, "S": 40}))
    monkeypatch.setattr(Binding, "of", None)
    plans = []
    plan = outline.SegmentArena.of
    monkeypatch.setattr(outline.SegmentArena, "of", lambda *given: plans.append(1) or plan(*given))
    for length in range(41, 140):
        executable.run(network.feeds({"B": 1, "S": length}))
    assert len(plans) <= 8


def test_a_run_at_smaller_sizes_takes_less_memory() -> None:
    network = SMALL_NETWORKS["sentences"]
    executable = lamina.compile(network.model(), threads=1)
    (runner,) = executable._segments.values()
    symbols = dict.fromkeys(runner.segment.symbols, 1)
    bytes_at = {size: runner.binding(symbols | {"S": size}).arena_bytes for size in (300, 30, 29)}
    assert bytes_at[30] * 4 < bytes_at[300]
    assert bytes_at[29] == bytes_at[30]
