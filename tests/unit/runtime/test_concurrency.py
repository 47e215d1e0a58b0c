"""Many Python threads and many models in one process; interrupts; what stays behind."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import lamina
import numpy as np
import pytest
from lamina.benchmarks.small_networks import PICTURES, SENTENCES, SMALL_NETWORKS
from lamina.runtime import executable as executable_module
from lamina.runtime import segment as segment_module
from lamina.runtime import threads as threads_module
from lamina.runtime.errors import InputError
from lamina.runtime.executable import Executable, load
from lamina.runtime.team import Team
from lamina.runtime.threads import POOL, ThreadPool

Outputs = dict[str, np.ndarray]
SHAPES = {
    "classifier": [{"N": 1}, {"N": 37}, {"N": 600}],
    "pictures": [{"N": 1, "H": 17, "W": 5}, {"N": 2, "H": 96, "W": 96}, {"N": 3, "H": 33, "W": 64}],
    "text_lines": [{"W": 5}, {"W": 97}, {"W": 320}],
    "sentences": [{"B": 1, "S": 1}, {"B": 5, "S": 100}, {"B": 2, "S": 31}],
    "statistics": [{"R": 1, "C": 1}, {"R": 300, "C": 500}, {"R": 77, "C": 129}],
}


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Path]:
    """All small networks, compiled once to files."""
    folder = tmp_path_factory.mktemp("models")
    for name, network in SMALL_NETWORKS.items():
        lamina.compile(network.model(), threads=2).save(folder / f"{name}.lamina")
    return {name: folder / f"{name}.lamina" for name in SMALL_NETWORKS}


def bits(outputs: Outputs) -> list[bytes]:
    return [array.tobytes() for array in outputs.values()]


def in_threads(count: int, work: Callable[[int], None]) -> None:
    """``work`` in so many Python threads at once; what it raises in one of them is raised here."""
    with ThreadPoolExecutor(count) as pool:
        list(pool.map(work, range(count)))


# --- many at once ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMALL_NETWORKS)
def test_sixteen_threads_on_one_executable(models, name: str) -> None:
    """At the same shape and at different ones: the bits that a single thread gives."""
    alone = load(models[name], threads=1)
    cases = [SMALL_NETWORKS[name].feeds(sizes, seed) for seed, sizes in enumerate(SHAPES[name])]
    expected = [bits(alone.run(feeds)) for feeds in cases]
    executable = load(models[name], threads=2)

    def work(number: int) -> None:
        for turn in range(12):
            case = 1 if turn < 6 else (number + turn) % len(cases)
            assert bits(executable.run(cases[case])) == expected[case]

    in_threads(16, work)
    assert POOL.participants == 0


def test_several_executables_at_once(models) -> None:
    cases = {name: SMALL_NETWORKS[name].feeds(shapes[1]) for name, shapes in SHAPES.items()}
    executables = {name: load(path, threads=2) for name, path in models.items()}
    expected = {name: bits(load(path, threads=1).run(cases[name])) for name, path in models.items()}
    names = list(models)

    def work(number: int) -> None:
        for turn in range(30):
            name = names[(number + turn) % len(names)] if number % 2 else names[number % len(names)]
            assert bits(executables[name].run(cases[name])) == expected[name]

    in_threads(8, work)
    assert POOL.participants == 0


def test_threads_may_be_set_while_others_run(models) -> None:
    executable = load(models["pictures"], threads=2)
    cases = [PICTURES.feeds(sizes) for sizes in SHAPES["pictures"]]
    expected = [bits(executable.run(feeds)) for feeds in cases]
    done = threading.Event()

    def work(number: int) -> None:
        if number == 0:
            for threads in [1, 4, 2, 3] * 50:
                executable.set_threads(threads)
            done.set()
        while not done.is_set():
            for feeds, wanted in zip(cases, expected, strict=True):
                assert bits(executable.run(feeds)) == wanted

    in_threads(4, work)


def test_errors_stay_in_their_thread(models) -> None:
    executable = load(models["sentences"], threads=2)
    feeds = SENTENCES.feeds({"B": 3, "S": 40})
    expected = bits(executable.run(feeds))
    wrong = [{}, {"x": feeds["x"][0]}, {"x": feeds["x"].astype(np.float64)}, {"x": feeds["x"][:, :, :5]}, {"y": 1}]

    def work(number: int) -> None:
        for turn in range(30):
            if number % 2:
                with pytest.raises(InputError):
                    executable.run(wrong[turn % len(wrong)])
            else:
                assert bits(executable.run(feeds)) == expected

    in_threads(8, work)
    assert POOL.participants == 0


@pytest.mark.parametrize("participants", [17, 24, 33, 48, 64])
def test_many_more_participants_than_processors(kernels, participants: int) -> None:
    """At barriers all but a few are parked by the system each time."""
    length = 12
    executable = kernels.executable(kernels.chain_program(length, work=10**9), threads=participants)
    for size in (1, participants - 1, 1000):
        x = np.random.default_rng(size).standard_normal(size, np.float32)
        for _ in range(3):
            np.testing.assert_array_equal(executable.run({"x": x})["y"], kernels.chain_expected(x, length))
    POOL.dismiss_idle()


# --- interrupts at every instruction ----------------------------------------------------------------------


def interrupted_at(instruction: int, files: Sequence[str], action: Callable[[], object]) -> bool:
    """Raises KeyboardInterrupt before the bytecode of this number that ``action`` executes in ``files``.

    False where it executes fewer.
    """
    left = instruction

    def trace(frame, event, _argument):
        nonlocal left
        if frame.f_code.co_filename not in files:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode":
            left -= 1
            if left == 0:
                raise KeyboardInterrupt
        return trace

    previous = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(previous)
    return left <= 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Interrupts of finalizers.
@pytest.mark.parametrize(
    ("start", "step"), [("with no workers", 4), ("with one that is to have more", 3), ("with all", 1)]
)
def test_an_interrupt_at_any_instruction_loses_nothing(kernels, monkeypatch, start: str, step: int) -> None:
    """Afterwards no processor is held, and all workers that there are belong to a team that the next run can use."""
    files = [module.__file__ or "" for module in (executable_module, segment_module, threads_module)]
    files.append(sys.modules[Team.__module__].__file__ or "")
    x = np.arange(100, dtype=np.float32)
    expected = kernels.chain_expected(x, 3)
    executable = kernels.executable(kernels.chain_program(3, work=10**9), threads=3)
    executable.run({"x": x})

    def prepare() -> ThreadPool:
        pool = ThreadPool(processors=4)
        monkeypatch.setattr(segment_module, "POOL", pool)
        if start != "with no workers":
            pool.release(pool.acquire(executable.image, 2 if start == "with one that is to have more" else 3))
        return pool

    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    pool = prepare()
    instruction = 1
    while interrupted_at(instruction, files, lambda: executable.run({"x": x})):
        assert pool.participants == 0, f"instruction {instruction}"
        np.testing.assert_array_equal(executable.run({"x": x})["y"], expected)
        known = pool.idle_workers
        assert known == 2 and pool.participants == 0, f"instruction {instruction}: {known} workers"
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask, f"instruction {instruction}"
        if start != "with all":
            pool.dismiss_idle()
            pool = prepare()
        instruction += step
    assert instruction > 100
    pool.dismiss_idle()


# --- what stays behind ------------------------------------------------------------------------------------


def resident_kilobytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def code_mappings() -> int:
    return sum(" r-xp 00000000 00:00 0" in line for line in Path("/proc/self/maps").read_text().splitlines())


def test_models_leave_nothing_behind(models) -> None:
    """Memory, code, files and threads after 200 models that were loaded, run and dropped."""
    feeds = PICTURES.feeds(SHAPES["pictures"][1])

    def cycle(times: int) -> tuple[int, int, int, int]:
        for _ in range(times):
            load(models["pictures"], threads=2).run(feeds)
        files, tasks = len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))
        return resident_kilobytes(), code_mappings(), files, tasks

    memory, *counts = cycle(20)
    memory_after, *counts_after = cycle(200)
    assert counts_after == counts
    assert memory_after - memory < 3000


def test_an_executable_goes_without_the_garbage_collector(models) -> None:
    """It is part of no cycle, so that its memory is free as soon as the last reference is gone."""
    gc.disable()
    try:
        for path, (name, shapes) in zip(models.values(), SHAPES.items(), strict=True):
            executable = load(path, threads=2)
            executable.run(SMALL_NETWORKS[name].feeds(shapes[0]))
            trace = weakref.ref(executable), weakref.ref(executable.image)
            del executable
            assert [reference() for reference in trace] == [None, None], name
    finally:
        gc.enable()


def test_outputs_outlive_their_model(models) -> None:
    executable = load(models["pictures"], threads=2)
    feeds = PICTURES.feeds(SHAPES["pictures"][1])
    kept = executable.run(feeds)["y"]
    expected = kept.copy()
    del executable
    for _ in range(5):
        load(models["pictures"], threads=2).run(PICTURES.feeds(SHAPES["pictures"][1], seed=5))
    np.testing.assert_array_equal(kept, expected)


def test_a_model_may_be_dropped_while_it_runs(models) -> None:
    feeds = PICTURES.feeds(SHAPES["pictures"][1])
    expected = bits(load(models["pictures"], threads=1).run(feeds))

    def work(_: int) -> None:
        for _ in range(20):
            shared: list[Executable] = [load(models["pictures"], threads=2)]
            with ThreadPoolExecutor(1) as other:
                running = other.submit(lambda executable: bits(executable.run(feeds)), shared[0])
                assert bits(shared[0].run(feeds)) == expected
                assert running.result() == expected
                shared.clear()

    in_threads(3, work)
