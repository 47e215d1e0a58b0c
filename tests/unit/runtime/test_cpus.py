from __future__ import annotations

import os
from pathlib import Path

import pytest
from lamina.runtime.cpus import allowed_cpus, cgroup_cpus, default_threads
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
    root = tmp_path / "cgroup"
    root.mkdir()
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text + "\n")
    listing = tmp_path / "membership"
    listing.write_text(membership)
    assert cgroup_cpus(root, listing) == expected
