from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from lamina.runtime import team as team_module
from lamina.runtime.image import MappedImage
from lamina.runtime.memory import map_code
from lamina.runtime.team import Team
from lamina.runtime.threads import POOL, ThreadPool


@pytest.fixture(scope="module")
def mapped(kernels) -> MappedImage:
    return MappedImage(kernels.image.data, kernels.image.symbols)


def test_a_pool_shares_the_processors(mapped) -> None:
    pool = ThreadPool(processors=4)
    first = pool.acquire(mapped, 3)
    second = pool.acquire(mapped, 4)
    third = pool.acquire(mapped, 2)
    assert (first.participants, second.participants, third.participants) == (3, 1, 1)
    team = first.team
    assert team is not None and team.workers == 2 and second.team is None and third.team is None
    for grant in (second, third, first):
        pool.release(grant)
    assert pool.participants == 0
    assert pool.acquire(mapped, 4).participants == 4
    assert team.workers == 3


def test_more_threads_than_processors_only_where_asked_for(mapped) -> None:
    pool = ThreadPool(processors=2)
    grant = pool.acquire(mapped, 5)
    assert grant.participants == 5 and grant.team is not None and grant.team.workers == 4
    pool.release(grant)
    assert pool.acquire(mapped, 5, asked=False).participants == 2
    pool.dismiss_idle()


def test_the_best_fitting_team_is_taken(mapped) -> None:
    pool = ThreadPool(processors=16)
    large, small = pool.acquire(mapped, 4), pool.acquire(mapped, 2)
    pool.release(large)
    pool.release(small)
    held = [pool.acquire(mapped, 2), pool.acquire(mapped, 3)]
    assert [grant.team for grant in held] == [small.team, large.team]
    for grant in held:
        pool.release(grant)
    pool.dismiss_idle()


def test_what_nobody_gives_back_is_given_back_when_it_is_collected(mapped) -> None:
    pool = ThreadPool(processors=2)
    grant = pool.acquire(mapped, 2)
    team = grant.team
    pool.release(grant)
    pool.release(grant)
    del grant
    lost = pool.acquire(mapped, 2)
    assert lost.team is team and pool.participants == 2
    del lost
    again = pool.acquire(mapped, 2)
    assert again.team is team and pool.participants == 2
    pool.release(again)
    pool.dismiss_idle()


def test_short_runs_do_not_wake_workers(mapped) -> None:
    pool = ThreadPool(processors=2)

    def run(eager: bool) -> Team | None:
        grant = pool.acquire(mapped, 2, eager)
        pool.release(grant)
        return grant.team

    assert run(eager=False) is None
    team = run(eager=False)
    assert team is not None, "the second of a series"
    deadline = time.monotonic() + 5
    while not team.parked and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.001)
    assert team.parked
    assert run(eager=False) is None
    time.sleep(0.001)
    assert run(eager=True) is team
    pool.dismiss_idle()


def test_a_run_goes_on_with_the_threads_that_the_system_gives(kernels, monkeypatch) -> None:
    monkeypatch.setattr(team_module, "start_thread", lambda *_: False)
    monkeypatch.setattr("lamina.runtime.segment.POOL", ThreadPool())
    executable = kernels.executable(kernels.chain_program(5, work=10**9), threads=4)
    x = np.arange(100, dtype=np.float32)
    np.testing.assert_array_equal(executable.run({"x": x})["y"], kernels.chain_expected(x, 5))


def workers_of_this_process() -> int:
    count = 0
    for task in os.listdir("/proc/self/task"):
        with suppress(OSError):  # The thread has just ended.
            count += Path(f"/proc/self/task/{task}/comm").read_text().startswith("lamina-")
    return count


def test_dismissed_workers_end(kernels) -> None:
    executable = kernels.executable(kernels.chain_program(2, work=10**9), threads=3)
    x = np.arange(10, dtype=np.float32)
    executable.run({"x": x})
    assert POOL.idle_workers > 0
    others = workers_of_this_process() - POOL.idle_workers
    POOL.dismiss_idle()
    deadline = time.monotonic() + 5
    while workers_of_this_process() > others and time.monotonic() < deadline:
        time.sleep(0.01)
    assert workers_of_this_process() == others and POOL.idle_workers == 0
    np.testing.assert_array_equal(executable.run({"x": x})["y"], kernels.chain_expected(x, 2))


def test_nothing_spins_between_runs(kernels) -> None:
    executable = kernels.executable(kernels.chain_program(2, work=10**9), threads=2)
    executable.run({"x": np.arange(10, dtype=np.float32)})
    time.sleep(0.05)
    before = time.process_time()
    time.sleep(0.5)
    assert time.process_time() - before < 0.02


def test_denormals_are_flushed_only_inside_a_run(kernels) -> None:
    tiny = np.full(64, 1e-40, np.float32)
    executable = kernels.executable(kernels.add_program([64], 64, work=10**9), threads=2)
    for _ in range(10):
        assert not executable.run({"a": tiny, "b": tiny})["c"].any()
        assert (tiny + tiny).all()
    executable.set_threads(1)
    assert not executable.run({"a": tiny, "b": tiny})["c"].any()
    assert (tiny + tiny).all()


def without_an_attribute_for_it() -> None:
    raise AttributeError("pthread_attr_setsigmask_np")


@pytest.mark.parametrize("c_library_has_an_attribute_for_it", [True, False])
def test_signals_stay_with_python(kernels, monkeypatch, c_library_has_an_attribute_for_it: bool) -> None:
    if not c_library_has_an_attribute_for_it:
        monkeypatch.setattr(team_module, "_asynchronous_signals", without_an_attribute_for_it)
    POOL.dismiss_idle()
    executable = kernels.executable(kernels.chain_program(2, work=10**9), threads=3)
    executable.run({"x": np.arange(10, dtype=np.float32)})
    for task in os.listdir("/proc/self/task"):
        status = ""
        with suppress(OSError):  # A thread of another test may end now.
            status = Path(f"/proc/self/task/{task}/status").read_text()
        if "Name:\tlamina-" in status:
            blocked = int(next(line for line in status.splitlines() if line.startswith("SigBlk")).split()[1], 16)
            assert blocked >> (2 - 1) & 1, "SIGINT must be blocked"
            assert not blocked >> (11 - 1) & 1, "SIGSEGV must not be blocked"


def test_fork(kernels) -> None:
    executable = kernels.executable(kernels.chain_program(5, work=10**9), threads=2)
    x = np.arange(100, dtype=np.float32)
    executable.run({"x": x})
    expected = kernels.chain_expected(x, 5)
    child = os.fork()
    if child == 0:
        correct = all(np.array_equal(executable.run({"x": x})["y"], expected) for _ in range(20))
        os._exit(0 if correct and POOL.idle_workers == 1 else 1)
    for _ in range(20):
        np.testing.assert_array_equal(executable.run({"x": x})["y"], expected)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_fork_while_other_threads_run(kernels) -> None:
    executable = kernels.executable(kernels.chain_program(5, work=10**9), threads=2)
    x = np.arange(1000, dtype=np.float32)
    expected = kernels.chain_expected(x, 5)
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            executable.run({"x": x})

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):
            child = os.fork()
            if child == 0:
                correct = all(np.array_equal(executable.run({"x": x})["y"], expected) for _ in range(5))
                os._exit(0 if correct else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()


EXIT_SCRIPT = """
import sys, threading
import numpy as np
from lamina.runtime.executable import load
executable = load(sys.argv[1], threads=3)
x = np.arange(1000, dtype=np.float32)
executable.run({"x": x})
def work():
    while True:
        executable.run({"x": x})
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
for _ in range(100):
    executable.run({"x": x})
del executable
print("done")
"""


def test_the_interpreter_exits_while_runs_go_on(kernels, tmp_path) -> None:
    path = tmp_path / "chain.lamina"
    kernels.executable(kernels.chain_program(50, work=10**9)).save(path)
    for _ in range(5):
        finished = subprocess.run(
            [sys.executable, "-c", EXIT_SCRIPT, str(path)], capture_output=True, text=True, timeout=60
        )
        assert (finished.returncode, finished.stdout.strip()) == (0, "done"), finished.stderr


def test_code_is_not_writable() -> None:
    address = map_code(b"\xc3" * 16)
    for line in Path("/proc/self/maps").read_text().splitlines():
        bounds, rights = line.split()[:2]
        low, high = (int(bound, 16) for bound in bounds.split("-"))
        if low <= address < high:
            assert rights == "r-xp"
            return
    pytest.fail("the code is not mapped")


def test_images_are_unmapped_unless_workers_run_them(kernels) -> None:
    def is_mapped(address: int) -> bool:
        ranges = (line.split()[0].split("-") for line in Path("/proc/self/maps").read_text().splitlines())
        return any(int(low, 16) <= address < int(high, 16) for low, high in ranges)

    image = MappedImage(kernels.image.data, kernels.image.symbols)
    base = image.base
    assert is_mapped(base)
    del image
    assert not is_mapped(base)
    kept = MappedImage(kernels.image.data, kernels.image.symbols)
    kept.keep_forever()
    base = kept.base
    del kept
    assert is_mapped(base)
