from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from lamina.runtime import cpus
from lamina.runtime.cpus import allowed_cpus, cgroup_cpus, current_limits, default_threads
from lamina.runtime.errors import LaminaError


def test_environment_variable(monkeypatch) -> None:
    monkeypatch.setenv("LAMINA_THREADS", "7")
    assert default_threads() == 7
    for wrong in ("0", "-1", "two"):
        monkeypatch.setenv("LAMINA_THREADS", wrong)
        with pytest.raises(LaminaError, match=f"LAMINA_THREADS is '{wrong}'"):
            default_threads()
    monkeypatch.delenv("LAMINA_THREADS")
    assert 1 <= default_threads() <= allowed_cpus()


def test_affinity() -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert allowed_cpus() == 1 == default_threads()
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    ("files", "membership", "expected"),
    [
        ({"a/b/cpu.max": "150000 100000"}, "0::/a/b\n", 2),
        ({"a/cpu.max": "100000 100000", "a/b/cpu.max": "max 100000"}, "0::/a/b\n", 1),
        ({"cpu.max": "250000 100000"}, "0::/not/visible\n", 3),
        ({"a/cpu.max": "max 100000"}, "0::/a\n", None),
        ({"cpu.max": "50000 100000"}, "0::/../..\n", 1),
        (
            {"cpu,cpuacct/a/cpu.cfs_quota_us": "400000", "cpu,cpuacct/a/cpu.cfs_period_us": "100000"},
            "4:cpu,cpuacct:/a\n0::/\n",
            4,
        ),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, "4:cpu,cpuacct:/a\n", None),
        ({"a/cpu.max": "broken"}, "0::/a\nnonsense\n", None),
        ({}, "", None),
    ],
)
def test_cgroup_quotas(tmp_path: Path, files: dict[str, str], membership: str, expected: int | None) -> None:
    assert cgroup_cpus(*written(tmp_path, files, membership)) == expected


@pytest.mark.parametrize(
    ("files", "membership", "expected"),
    [
        # Every group around counts, however deep, whichever of them is the tightest.
        ({"a/cpu.max": "300000 100000", "a/b/cpu.max": "max 100000", "a/b/c/cpu.max": "800000 100000"}, "/a/b/c", 3),
        ({"a/cpu.max": "max 100000", "a/b/c/d/cpu.max": "200000 100000"}, "/a/b/c/d", 2),
        # Less than one processor is still one thread.
        ({"a/cpu.max": "10000 100000"}, "/a", 1),
        ({"a/cpu.max": "1000 1000000"}, "/a", 1),
        # A period of another length, and rounding up.
        ({"a/cpu.max": "60000 20000"}, "/a", 3),
        ({"a/cpu.max": "100001 100000"}, "/a", 2),
        # A group that is not ours has nothing to say, nor has what is not understood.
        ({"a/cpu.max": "max 100000", "other/cpu.max": "100000 100000"}, "/a", None),
        ({"a/cpu.max": "", "cpu.max": "max"}, "/a", None),
        ({"a/cpu.max": "100000 0"}, "/a", None),
        ({"a/cpu.max": "100000"}, "/a", None),
    ],
)
def test_nested_unified_groups(tmp_path: Path, files: dict[str, str], membership: str, expected: int | None) -> None:
    assert cgroup_cpus(*written(tmp_path, files, f"0::{membership}\n")) == expected


@pytest.mark.parametrize(
    ("quotas", "lines", "expected"),
    [
        ({"cpu,cpuacct/docker/x": (50000, 100000)}, "3:cpu,cpuacct:/docker/x\n", 1),
        ({"cpu/a": (300000, 100000), "cpu/a/b": (-1, 100000)}, "3:cpu:/a/b\n2:memory:/a\n", 3),
        ({"cpu/a": (600000, 100000), "cpu/a/b": (250000, 50000)}, "3:cpu:/a/b\n", 5),
        # In a container the group is often mounted as the root.
        ({"cpu": (200000, 100000)}, "3:cpu,cpuacct:/docker/abc\n", 2),
        ({"cpu": (200000, 0)}, "3:cpu:/\n", None),
        ({"cpuset": (100000, 100000)}, "3:cpuset:/\n", None),
    ],
)
def test_legacy_groups(tmp_path: Path, quotas: dict[str, tuple[int, int]], lines: str, expected: int | None) -> None:
    files = {}
    for group, (quota, period) in quotas.items():
        files |= {f"{group}/cpu.cfs_quota_us": str(quota), f"{group}/cpu.cfs_period_us": str(period)}
    assert cgroup_cpus(*written(tmp_path, files, lines)) == expected


def written(folder: Path, files: dict[str, str], membership: str) -> tuple[Path, Path]:
    root, listing = folder / "cgroup", folder / "membership"
    root.mkdir()
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text + "\n")
    listing.write_text(membership)
    return root, listing


def test_a_quota_limits_the_affinity_and_the_other_way_round(monkeypatch) -> None:
    monkeypatch.setattr(cpus, "_affinity", lambda: {2, 5, 7})
    assert [current_limits(quota).processors for quota in (None, 1, 2, 3, 8)] == [3, 1, 2, 3, 3]
    monkeypatch.setattr(cpus, "cgroup_cpus", lambda: 2)
    assert allowed_cpus() == 2 and default_threads() <= 2


def test_hardware_threads_of_a_core_count_once(tmp_path: Path, monkeypatch) -> None:
    for cpu, siblings in enumerate(["0,4", "1,5", "2,6", "3,7", "0,4", "1,5"]):
        (tmp_path / f"cpu{cpu}" / "topology").mkdir(parents=True)
        (tmp_path / f"cpu{cpu}" / "topology" / "thread_siblings_list").write_text(siblings + "\n")
    monkeypatch.setattr(cpus, "_CPU_FOLDER", tmp_path)
    monkeypatch.setattr(cpus, "cgroup_cpus", lambda: None)
    monkeypatch.delenv("LAMINA_THREADS", raising=False)
    for affinity, cores in (({0, 1, 4, 5}, 2), ({0, 4}, 1), ({0, 1, 2, 3}, 4), ({0, 1, 9}, 3)):
        monkeypatch.setattr(cpus, "_affinity", lambda affinity=affinity: affinity)
        assert default_threads() == cores


# --- a real mask, in processes of their own -----------------------------------------------------------------

# `threads_of_a_run(executable)`: how many a run had; `masks()`: of all workers.
SCRIPT = """
import os, sys, time
import numpy as np
def restrict(count):
    os.sched_setaffinity(0, sorted(everything)[:count])
everything = os.sched_getaffinity(0)
if sys.argv[2] == "before":
    restrict(1)
from lamina.runtime import pace, threads
from lamina.runtime.executable import load
from lamina.runtime.threads import POOL
pace.WARM_UP_RUNS = 1 << 60
x = np.arange(1000, dtype=np.float32)
def participants(executable):
    seen = []
    release = POOL.release
    POOL.release = lambda grant: (seen.append(grant.participants), release(grant))
    executable.run({"x": x})
    POOL.release = release
    return seen[0] if seen else 1
def masks():
    tasks = [int(task) for task in os.listdir("/proc/self/task")]
    names = {task: open(f"/proc/self/task/{task}/comm").read() for task in tasks}
    return [os.sched_getaffinity(task) for task, name in names.items() if name.startswith("lamina-")]
def wait():
    time.sleep(threads.AFFINITY_SECONDS + 0.05)
"""


@pytest.fixture
def play(kernels, tmp_path):
    path = tmp_path / "chain.lamina"
    kernels.executable(kernels.chain_program(4, work=10**9)).save(path)

    def run(script: str, when: str = "", prefix: tuple[str, ...] = ()) -> None:
        command = [*prefix, sys.executable, "-c", SCRIPT + script, str(path), when]
        environment = {name: value for name, value in os.environ.items() if name != "LAMINA_THREADS"}
        finished = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
        assert finished.returncode == 0, finished.stderr

    return run


needs_two = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="this process has one processor only")


@needs_two
def test_affinity_set_before_the_import(play) -> None:
    play(
        """
executable = load(sys.argv[1])
assert executable.threads == 1 and participants(executable) == 1 and not masks()
asked = load(sys.argv[1], threads=2)  # Two threads on one processor, as the user wants it.
assert participants(asked) == 2 and masks() == [os.sched_getaffinity(0)]
""",
        "before",
    )


@needs_two
def test_affinity_changed_while_the_process_runs(play) -> None:
    play("""
executable = load(sys.argv[1])
executable.set_threads(2)
executable._use_threads(2, asked=False)  # A default of two, also where two processors are one core.
assert participants(executable) == 2 and masks() == [everything]
restrict(1)
wait()
assert participants(executable) == 1, "a default follows"
asked = load(sys.argv[1], threads=2)
assert participants(asked) == 2 and {min(everything)} in masks(), "new workers have the new mask"
os.sched_setaffinity(0, everything)
wait()
assert participants(executable) == 2
assert len(masks()) == 2, "the workers from before are used again"
""")


@needs_two
def test_each_python_thread_has_its_own_affinity(play) -> None:
    play("""
import threading
executable = load(sys.argv[1])
executable._use_threads(2, asked=False)
found = []
def work():
    restrict(1)
    found.append(participants(executable))
thread = threading.Thread(target=work)
thread.start()
thread.join()
assert found == [1] and participants(executable) == 2 and masks() == [everything]
""")


@pytest.mark.skipif(shutil.which("taskset") is None, reason="no taskset here")
def test_taskset(play) -> None:
    cpu = str(min(os.sched_getaffinity(0)))
    play(
        """
executable = load(sys.argv[1])
assert executable.threads == 1
for _ in range(20):
    assert participants(executable) == 1
assert not masks() and len(os.listdir("/proc/self/task")) == 1
""",
        prefix=("taskset", "-c", cpu),
    )
