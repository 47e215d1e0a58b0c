"""One file gives the same bits: whatever the run, the process, the number of threads, and where its memory lies."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import lamina
import numpy as np
import pytest
from lamina.benchmarks.small_networks import SMALL_NETWORKS, SmallNetwork
from lamina.runtime.executable import Executable, load

# Larger than what one thread does alone, and with rests that no number of threads and no vector divides.
SIZES = {
    "classifier": {"N": 701},
    "pictures": {"N": 3, "H": 97, "W": 89},
    "text_lines": {"W": 397},
    "sentences": {"B": 5, "S": 131},
    "statistics": {"R": 307, "C": 503},
}


def bits(outputs: dict[str, np.ndarray]) -> list[bytes]:
    return [array.tobytes() for array in outputs.values()]


@pytest.fixture(scope="module", params=SMALL_NETWORKS)
def network(request) -> SmallNetwork:
    return SMALL_NETWORKS[request.param]


@pytest.fixture(scope="module")
def compiled(network: SmallNetwork) -> Executable:
    return lamina.compile(network.model(), threads=1)


@pytest.fixture(scope="module")
def feeds(network: SmallNetwork) -> dict[str, np.ndarray]:
    return network.feeds(SIZES[network.name])


@pytest.fixture(scope="module")
def expected(compiled: Executable, feeds) -> list[bytes]:
    return bits(compiled.run(feeds))


@pytest.mark.parametrize("threads", [1, 2, 3, 4, 5, 16])
def test_across_thread_counts(compiled: Executable, feeds, expected, threads: int) -> None:
    """More of them than processors, too."""
    compiled.set_threads(threads)
    for _ in range(3):
        assert bits(compiled.run(feeds)) == expected


def test_whatever_ran_before(compiled: Executable, network: SmallNetwork, feeds, expected) -> None:
    rng = np.random.default_rng(1)
    for threads in (1, 2, 3):
        compiled.set_threads(threads)
        for _ in range(3):
            compiled.run(network.feeds(network.sizes(rng)))
            assert bits(compiled.run(feeds)) == expected


@pytest.mark.parametrize("threads", [1, 3])
def test_whatever_is_in_memory(compiled: Executable, feeds, expected, threads: int) -> None:
    compiled.set_threads(threads)
    assert bits(compiled.run_poisoned(feeds)) == expected
    assert bits(compiled.run_guarded(feeds)) == expected


def test_wherever_the_inputs_lie(compiled: Executable, feeds, expected) -> None:
    """At every distance from a cache line that an array of floats can have."""
    compiled.set_threads(2)
    for distance in range(0, 64, 4):
        assert bits(compiled.run({name: moved(array, distance) for name, array in feeds.items()})) == expected


def moved(array: np.ndarray, distance: int) -> np.ndarray:
    """A copy that begins so many bytes after a multiple of 64."""
    raw = np.empty(array.nbytes + 128, np.uint8)
    start = -raw.ctypes.data % 64 + distance
    copy = raw[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def test_after_saving_and_loading(compiled: Executable, feeds, expected, tmp_path: Path) -> None:
    compiled.save(tmp_path / "model.lamina")
    for share in (True, False):
        assert bits(load(tmp_path / "model.lamina", threads=2, share=share).run(feeds)) == expected


@pytest.mark.parametrize("name", ["classifier", "pictures", "sentences"])
def test_a_batch_gives_what_its_rows_give_within_rounding(name: str) -> None:
    """Other shapes may be computed in another order, so that this is not about bits."""
    feeds = SMALL_NETWORKS[name].feeds(SIZES[name])
    executable = lamina.compile(SMALL_NETWORKS[name].model(), threads=2)
    whole = executable.run(feeds)["y"]
    rows = [executable.run({"x": feeds["x"][row : row + 1].copy()})["y"] for row in range(min(len(whole), 7))]
    np.testing.assert_allclose(np.concatenate(rows), whole[: len(rows)], rtol=1e-4, atol=1e-5)


PROCESS = """
import hashlib, sys
import lamina
from lamina.benchmarks.small_networks import SMALL_NETWORKS
network = SMALL_NETWORKS[sys.argv[1]]
digest = hashlib.sha256()
feeds = network.feeds(eval(sys.argv[3]))
executable = lamina.compile(network.model(), threads=1) if sys.argv[2] == "compile" else lamina.load(sys.argv[2])
for threads in (1, 2):
    executable.set_threads(threads)
    for array in executable.run(feeds).values():
        digest.update(array.tobytes())
print(digest.hexdigest())
"""


def test_across_processes(tmp_path: Path) -> None:
    """One that loads the file, and one that compiles without a cache and with another order of its sets."""
    name = "pictures"
    network = SMALL_NETWORKS[name]
    here = lamina.compile(network.model(), threads=2)
    here.save(tmp_path / "model.lamina")
    digest = hashlib.sha256()
    for _ in (1, 2):
        for array in here.run(network.feeds(SIZES[name])).values():
            digest.update(array.tobytes())
    for source, seed in ((str(tmp_path / "model.lamina"), "1"), ("compile", "2")):
        finished = subprocess.run(
            [sys.executable, "-c", PROCESS, name, source, str(SIZES[name])],
            capture_output=True,
            text=True,
            timeout=200,
            env={**os.environ, "PYTHONHASHSEED": seed, "LAMINA_CACHE": "off"},
        )
        assert finished.returncode == 0, finished.stderr
        assert finished.stdout.strip() == digest.hexdigest()
