"""A compiled model in the lives of processes: fork, spawn, exit, signals. Each in a process of its own, so that one
that hangs is a failure of its test."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from pathlib import Path

import lamina
import numpy as np
import pytest
from lamina.benchmarks.small_networks import PICTURES
from lamina.runtime.executable import Executable, load

TIMEOUT = 120
SIZES = {"N": 2, "H": 96, "W": 96}

# What every script begins with: `correct(n)` runs the model n times on two threads.
PRELUDE = """
import faulthandler, multiprocessing, os, signal, sys, threading, time
import numpy as np
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from lamina.runtime import pace
from lamina.runtime.executable import load
from lamina.runtime.threads import POOL

faulthandler.dump_traceback_later(90, exit=True)  # Should it hang, it says where.
pace.WARM_UP_RUNS = 1 << 60
x = np.random.default_rng(0).standard_normal((2, 3, 96, 96), np.float32)

def correct(times=1, model=None):
    model = model or executable
    return all(np.array_equal(model.run({"x": x})["y"], expected) for _ in range(times))

def workers():
    tasks = os.listdir("/proc/self/task")
    return sum(open(f"/proc/self/task/{task}/comm").read().startswith("lamina-") for task in tasks)

def child_of_fork(function):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = 0 if function() else 2
        finally:
            os._exit(code)
    return pid

def ended_well(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
"""
LOADED = """
executable = load(sys.argv[1], threads=2)
expected = load(sys.argv[1], threads=1).run({"x": x})["y"]
assert correct() and workers() == 1
"""


@pytest.fixture(scope="module")
def compiled() -> Executable:
    return lamina.compile(PICTURES.model(), threads=2)


@pytest.fixture(scope="module")
def path(compiled, tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("processes") / "pictures.lamina"
    compiled.save(file)
    return file


@pytest.fixture
def play(path, tmp_path):
    """Runs a script as a program of its own, with the model's file as its argument; gives what it prints."""

    def run(script: str, prelude: str = PRELUDE + LOADED) -> str:
        file = tmp_path / "script.py"
        file.write_text(prelude + script)
        environment = {name: value for name, value in os.environ.items() if name != "LAMINA_THREADS"}
        finished = subprocess.run(
            # Later versions of Python warn of a fork in a process with threads, which is what is tested here.
            [sys.executable, "-W", "ignore::DeprecationWarning", str(file), str(path)],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            env=environment,
        )
        assert finished.returncode == 0, f"exit {finished.returncode}\n{finished.stdout}\n{finished.stderr}"
        assert not finished.stderr, finished.stderr
        return finished.stdout.strip()

    return run


# --- fork -----------------------------------------------------------------------------------------------


def test_parent_and_child_run_on_after_fork(play) -> None:
    play("""
for _ in range(5):
    pid = child_of_fork(lambda: correct(10) and workers() == 1)
    assert correct(10) and ended_well(pid)
assert workers() == 1
""")


def test_a_grandchild_runs(play) -> None:
    play("""
def generation(depth):
    return correct(3) and (depth == 0 or ended_well(child_of_fork(lambda: generation(depth - 1))))
assert generation(4)
""")


def test_fork_while_other_threads_are_in_runs(play) -> None:
    play("""
stop = False
def work():
    while not stop:
        assert correct()
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads:
    thread.start()
children = [child_of_fork(lambda: correct(5)) for _ in range(10)]
assert all([ended_well(pid) for pid in children])
stop = True
for thread in threads:
    thread.join()
assert correct(5) and POOL.participants == 0
""")


def test_a_pool_of_forked_processes(play) -> None:
    play("""
with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
    results = [pool.submit(correct, 5) for _ in range(6)]
    assert correct(10)
    assert all(result.result() for result in results)
""")


# --- processes that start anew --------------------------------------------------------------------------

ANEW = """
def answer(model, feed):
    return model.run({"x": feed})["y"], model.threads

if __name__ == "__main__":
    executable = load(sys.argv[1], threads=2)
    expected = executable.run({"x": x})["y"]
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(METHOD)) as pool:
        for result, threads in [task.result() for task in [pool.submit(answer, executable, x) for _ in range(4)]]:
            assert np.array_equal(result, expected) and threads == 2
    assert correct()
"""


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_an_executable_goes_to_other_processes(play, method: str) -> None:
    play(ANEW.replace("METHOD", repr(method)), PRELUDE)


def test_pickle_and_copies(compiled, path) -> None:
    feeds = PICTURES.feeds(SIZES)
    expected = compiled.run(feeds)["y"]
    for original in (compiled, load(path, threads=2)):
        packed = pickle.dumps(original)
        assert len(packed) < path.stat().st_size + 1000
        for twin in (pickle.loads(packed), copy.deepcopy(original), copy.copy(original), pickle.loads(packed)):
            assert twin.threads == 2 and twin.inputs == original.inputs
            np.testing.assert_array_equal(twin.run(feeds)["y"], expected)
            np.testing.assert_array_equal(pickle.loads(pickle.dumps(twin)).run(feeds)["y"], expected)


def test_a_pickled_executable_takes_the_threads_of_its_new_process_unless_told(path, monkeypatch) -> None:
    packed = pickle.dumps(load(path)), pickle.dumps(load(path, threads=7))
    monkeypatch.setattr("lamina.runtime.executable.default_threads", lambda: 3)
    assert [pickle.loads(data).threads for data in packed] == [3, 7]


# --- the end of a process -------------------------------------------------------------------------------

BUSY = """
def work():
    while True:
        executable.run({"x": x})
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.05)
"""


@pytest.mark.parametrize("ending", ["", "sys.exit(0)", "del executable, load, np", "os._exit(0)"])
def test_the_interpreter_ends_while_daemon_threads_run(play, ending: str) -> None:
    for _ in range(3):
        assert play(BUSY + "print('done', flush=True)\n" + ending) == "done"


def test_sys_exit_in_a_thread_ends_that_thread(play) -> None:
    assert play("""
def work():
    assert correct(3)
    sys.exit(3)
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert correct(3) and POOL.participants == 0
print("done")
""") == "done"  # fmt: skip


def test_threads_that_are_no_daemons_finish_their_runs(play) -> None:
    assert play("""
def work():
    time.sleep(0.1)  # the main thread is through by now
    assert correct(20)
    print("done")
threading.Thread(target=work).start()
""") == "done"  # fmt: skip


# --- signals --------------------------------------------------------------------------------------------


def test_ctrl_c_between_runs_and_in_them(play) -> None:
    """Interrupts at random moments: each is seen at once after the run, and no thread or processor is lost."""
    play("""
armed = stop = False
interrupts = 0
def interrupt(*_):
    if armed:
        raise KeyboardInterrupt
signal.signal(signal.SIGINT, interrupt)
def shoot():
    while not stop:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.001)
shooter = threading.Thread(target=shoot)
shooter.start()
while interrupts < 300:
    try:
        armed = True
        while True:
            wrong = not correct()
            assert not wrong
    except KeyboardInterrupt:
        armed = False
        interrupts += 1
stop = True
shooter.join()
assert POOL.participants == 0 and workers() == 1 and correct(10)
""")


def test_a_signal_handler_may_run_the_model(play) -> None:
    play("""
handled = 0
def handle(*_):
    global handled
    assert correct()
    handled += 1
    # Not before this one is done: on a slow machine a run may take longer than the time between two.
    signal.setitimer(signal.ITIMER_REAL, 0.002 if handled < 50 else 0)
signal.signal(signal.SIGALRM, handle)
signal.setitimer(signal.ITIMER_REAL, 0.002)
while handled < 50:
    assert correct()
assert POOL.participants == 0 and workers() <= 2
""")


# --- at rest --------------------------------------------------------------------------------------------

AT_REST = """
def cpu_at_rest():
    time.sleep(0.05)  # Workers have parked by now.
    before = time.process_time()
    time.sleep(0.4)
    return time.process_time() - before
"""


def test_no_cpu_time_between_runs(play) -> None:
    play(
        AT_REST
        + """
models = [executable] + [load(sys.argv[1], threads=threads) for threads in (2, 3, 4)]
with ThreadPoolExecutor(4) as pool:
    assert all(pool.map(lambda model: correct(10, model), models))
assert workers() >= 1
assert cpu_at_rest() < 0.02
pid = child_of_fork(lambda: cpu_at_rest() < 0.02 and correct(5) and cpu_at_rest() < 0.02)
assert ended_well(pid)
assert cpu_at_rest() < 0.02
"""
    )
