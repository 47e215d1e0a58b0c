"""Random graphs of every kind of operator and type, each run in ways that must not matter.

One thread gives what two give, a build for the sizes at hand what a build with free dims gives, a checked build what an
unchecked one gives, all to the bit but for fixed sizes; and that is what onnxruntime gives, or ONNX's own evaluator
where that differs. ``make fuzz`` takes 5,000 graphs; ``LAMINA_FUZZ_SEED=N LAMINA_FUZZ=1`` repeats one.
"""

from __future__ import annotations

import os
import random
import traceback
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

import lamina
import numpy as np
import onnx
import pytest
from lamina.errors import InternalError
from lamina.pipeline import PipelineOptions
from lamina.runtime.errors import LaminaError, MemoryAccessError, TargetMismatchError
from other_engines import Arrays, assert_same, evaluated, evaluated_by_node, feeds_to_try, reference
from random_model import RandomModel
from random_types import ALL_STEPS

SUITE = 100
GRAPHS = int(os.environ.get("LAMINA_FUZZ", str(SUITE)))
FIRST = int(os.environ.get("LAMINA_FUZZ_SEED", "1"))
BLOCKS = 6
RIGHT, UNKNOWN = "right", "unknown"
FIXED_EVERY = 4
"""Of so many graphs one is compiled for fixed sizes too in the tests; all are where there are more graphs."""


def assert_bits(found: Arrays, expected: Arrays, what: str) -> None:
    for name, wanted in expected.items():
        value = found[name]
        assert (value.dtype, value.shape) == (wanted.dtype, wanted.shape), f"{what}: {name}"
        both_nan = (value != value) & (wanted != wanted)
        assert ((value == wanted) | both_nan).all(), f"{what}: output {name} differs"


def assert_right(model: onnx.ModelProto, feeds: Arrays, found: Arrays) -> int:
    """Whether another engine gives the same; 0 where none can run it. Raises AssertionError where all differ."""
    expected = reference(model, feeds)
    if expected is None:
        return 0
    try:
        assert_same(found, expected)
    except AssertionError:
        # Each has operators that it reads in its own way: every output may be as one of them has it.
        others = [evaluated(model, feeds), evaluated_by_node(model, feeds)]
        readings = [expected, *(other for other in others if other is not None)]
        if not all(any(_is_same(name, found, reading) for reading in readings) for name in found):
            raise
    return 1


def _is_same(name: str, found: Arrays, expected: Arrays) -> bool:
    try:
        assert_same({name: found[name]}, {name: expected[name]})
    except AssertionError:
        return False
    return True


def fixed(model: onnx.ModelProto, feeds: Arrays) -> dict[str, list[int]]:
    return {info.name: list(feeds[info.name].shape) for info in model.graph.input}


def compared(seed: int, also_fixed: bool, asks_others: bool = True) -> int:
    """How many results another engine has confirmed, where any is asked."""
    rng = random.Random(seed)
    drawn = RandomModel(seed, rng.choice([1, 1, 2, 4, 8]), ALL_STEPS)
    if not drawn.nodes:
        return 0
    model, feeds, confirmed = drawn.model(), drawn.feeds, 0
    try:
        # First, since what would leave its memory ends with an error that names it, and not the process.
        checked = lamina.compile(model, threads=2, options=PipelineOptions(checked=True))
    except InternalError:
        raise
    except LaminaError:
        return 0
    one, two = (lamina.compile(model, threads=threads) for threads in (1, 2))
    for attempt, given in enumerate(feeds_to_try(model, feeds, rng)):
        try:
            expected = checked.run(given)
        except (MemoryAccessError, TargetMismatchError):
            raise
        except LaminaError:
            continue
        found = one.run(given)
        assert_bits(two.run(given), found, "two threads")
        assert_bits(expected, found, "checked")
        if also_fixed and attempt < 2:
            assert_same(lamina.compile(model, threads=1, shapes=fixed(model, given)).run(given), found)
        confirmed += asks_others and assert_right(model, given, found)
    return confirmed


def faults_of(seeds: Iterable[int]) -> Iterator[tuple[int, str]]:
    """As ``fault_of`` of every seed, in a process of its own, which a crash ends.

    One that does not come again without other engines is theirs.
    """
    for seed in seeds:
        yield seed, _isolated(seed) or _isolated(seed, asks_others=False) or "the process crashed"


_pools: list[ProcessPoolExecutor] = []


def _isolated(seed: int, asks_others: bool = True) -> str | None:
    """None where the process crashes."""
    if not _pools:
        _pools.append(ProcessPoolExecutor(1, get_context("spawn")))
    try:
        return _pools[0].submit(fault_of, seed, asks_others).result()
    except BrokenProcessPool:
        _pools.clear()
        return None


def fault_of(seed: int, asks_others: bool = True) -> str:
    """What is wrong with a graph's results: RIGHT, or UNKNOWN where no other engine has any."""
    try:
        with np.errstate(all="ignore"):
            return RIGHT if compared(seed, GRAPHS > SUITE or seed % FIXED_EVERY == 0, asks_others) else UNKNOWN
    except Exception:
        return traceback.format_exc(limit=-2)


@pytest.mark.parametrize("block", range(BLOCKS))
def test_random_graphs(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMINA_CACHE", "objects" if GRAPHS <= SUITE else "off")
    seeds = range(FIRST + block, FIRST + GRAPHS, BLOCKS)
    found = dict(((seed, fault_of(seed)) for seed in seeds) if GRAPHS <= SUITE else faults_of(seeds))
    wrong = {seed: fault for seed, fault in found.items() if fault not in (RIGHT, UNKNOWN)}
    faults = [f"LAMINA_FUZZ_SEED={seed} LAMINA_FUZZ=1\n{fault}" for seed, fault in wrong.items()]
    assert not faults, f"{len(faults)} faults\n" + "\n".join(faults)
    assert RIGHT in found.values() or GRAPHS < 20
