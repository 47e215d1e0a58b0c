"""How many processors this process may use: affinity, cgroup quotas, cores with several hardware threads."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from .errors import LaminaError

_CGROUP_ROOT = Path("/sys/fs/cgroup")
_CPU_FOLDER = Path("/sys/devices/system/cpu")


@dataclass(frozen=True, slots=True)
class Limits:
    """The processors on which the calling thread may run, and how many of them it has the time of."""

    affinity: frozenset[int]
    processors: int


def current_limits(quota: int | None) -> Limits:
    """The affinity mask of the calling thread, and its size or the ``quota`` where that is less; at least 1."""
    affinity = frozenset(_affinity())
    return Limits(affinity, max(1, len(affinity) if quota is None else min(len(affinity), quota)))


def allowed_cpus() -> int:
    """Processors of the affinity mask, or fewer where a cgroup quota gives less time; at least 1."""
    return current_limits(cgroup_cpus()).processors


def default_threads() -> int:
    """Threads of a run unless the caller says otherwise: ``LAMINA_THREADS``, else one for each allowed core.

    Hardware threads of one core share its vector units, so that they count once. Raises LaminaError where
    ``LAMINA_THREADS`` is no positive integer.
    """
    return threads_of_environment() or min(_allowed_cores(), allowed_cpus())


def threads_of_environment() -> int | None:
    """What ``LAMINA_THREADS`` asks for; None where it is not set or empty. Raises LaminaError as above."""
    text = os.environ.get("LAMINA_THREADS", "").strip()
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise LaminaError(f"LAMINA_THREADS is '{text}': expected a positive number of threads")
    return int(text)


def _affinity() -> set[int]:
    return os.sched_getaffinity(0)


def _allowed_cores() -> int:
    cores = set()
    for cpu in _affinity():
        siblings = _read(_CPU_FOLDER / f"cpu{cpu}" / "topology" / "thread_siblings_list")
        cores.add(siblings if siblings else str(cpu))
    return max(1, len(cores))


def cgroup_cpus(root: Path = _CGROUP_ROOT, membership: Path = Path("/proc/self/cgroup")) -> int | None:
    """The smallest CPU quota of the cgroups of this process, in processors rounded up; None without a quota."""
    quotas = []
    for line in (_read(membership) or "").splitlines():
        _, controllers, path = (line.split(":", 2) + ["", ""])[:3]
        if controllers == "":
            quotas += [_unified_quota(folder) for folder in _ancestors(root, path)]
        elif "cpu" in controllers.split(","):
            for mount in (root / controllers, root / "cpu"):
                quotas += [_legacy_quota(folder) for folder in _ancestors(mount, path)]
    known = [quota for quota in quotas if quota is not None]
    return min(known) if known else None


def _ancestors(root: Path, path: str) -> list[Path]:
    """The folders of a cgroup and of all those around it. A container may see its own as the root."""
    parts = [part for part in path.split("/") if part not in ("", "..")]
    return [root.joinpath(*parts[:depth]) for depth in range(len(parts) + 1)]


def _unified_quota(folder: Path) -> int | None:
    fields = (_read(folder / "cpu.max") or "max").split()
    return None if len(fields) != 2 or fields[0] == "max" else _processors(fields[0], fields[1])


def _legacy_quota(folder: Path) -> int | None:
    quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
    return None if not quota or not period else _processors(quota, period)


def _processors(quota: str, period: str) -> int | None:
    try:
        numerator, denominator = int(quota), int(period)
    except ValueError:
        return None
    return None if numerator <= 0 or denominator <= 0 else max(1, -(-numerator // denominator))


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None
