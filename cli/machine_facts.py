"""What ``lamina doctor`` tells of a machine and an installation that is neither right nor wrong."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from pathlib import Path
from typing import Any

# Those that decide how fast kernels can be, as the kernel spells them.
_FEATURES_OF_INTEREST = {
    "x86_64": ("sse4_2", "avx", "f16c", "fma", "avx2", "avx_vnni", "avx512f", "avx512bw", "avx512dq", "avx512vl",
               "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16"),
    "aarch64": ("asimd", "asimdhp", "asimdfhm", "asimddp", "bf16", "i8mm", "sve", "sve2", "sme"),
}  # fmt: skip
_ENVIRONMENT = ("OMP_NUM_THREADS", "PYTHONMALLOC", "LD_PRELOAD")
LIBRARIES = ("numpy", "xdsl", "llvmlite", "onnx", "onnxruntime", "ml_dtypes", "sympy", "typer", "rich")

_CPU_FOLDER = Path("/sys/devices/system/cpu")


def processor_name(source: Path = Path("/proc/cpuinfo")) -> str:
    """The marketing name, or on ARM the numbers that stand for it; else what Python knows."""
    try:
        lines = source.read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    entries: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition(":")
        entries.setdefault(key.strip(), value.strip())
    if "model name" in entries:
        numbers = [f"{key} {entries[key]}" for key in ("cpu family", "model", "stepping") if key in entries]
        return f"{entries['model name']} ({', '.join(numbers)})"
    parts = [f"{key} {entries[key]}" for key in ("CPU implementer", "CPU part", "CPU revision") if key in entries]
    return ", ".join(parts) or platform.processor() or "unknown"


def relevant_features() -> dict[str, bool]:
    """The features that decide about speed, by the kernel's names, and whether they are there."""
    from ..runtime.machine import architecture, processor_flags

    flags = processor_flags()
    return {name: name in flags for name in _FEATURES_OF_INTEREST.get(architecture(), ())}


def cores() -> dict[str, Any]:
    """How many processors and cores there are, what restricts them, and the threads that come of it."""
    from ..runtime.cpus import allowed_cpus, cgroup_cpus, default_threads

    logical = os.cpu_count() or 1
    affinity = sorted(os.sched_getaffinity(0))
    return {
        "logical": logical,
        "physical": _physical_cores(logical),
        "affinity": affinity,
        "cgroup_quota": cgroup_cpus(),
        "cgroup_version": _cgroup_version(),
        "allowed": allowed_cpus(),
        "default_threads": default_threads(),
        "LAMINA_THREADS": os.environ.get("LAMINA_THREADS"),
    }


def _physical_cores(logical: int) -> int:
    siblings = set()
    for cpu in range(logical):
        try:
            siblings.add((_CPU_FOLDER / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text())
        except OSError:
            siblings.add(str(cpu))
    return len(siblings)


def _cgroup_version(root: Path = Path("/sys/fs/cgroup")) -> str:
    if (root / "cgroup.controllers").exists():
        return "v2"
    return "v1" if (root / "cpu").exists() or (root / "cpu,cpuacct").exists() else "none"


def memory() -> dict[str, int]:
    """Bytes: all there are, those free for use, and a cgroup's limit where it is less than all."""
    names = {"MemTotal": "total", "MemAvailable": "available"}
    found: dict[str, int] = {}
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key in names:
                found[names[key]] = int(value.split()[0]) << 10
    except (OSError, ValueError, IndexError):
        pass
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            limit = int((Path("/sys/fs/cgroup") / name).read_text())
        except (OSError, ValueError):
            continue
        if limit < found.get("total", 0):
            found["cgroup limit"] = limit
    return found


def versions() -> dict[str, str | None]:
    """Of Lamina, Python, LLVM and the libraries; None for those that are not installed."""
    found: dict[str, str | None] = {"lamina": _version("lamina") or _version("lamina-runtime")}
    found["python"] = platform.python_version()
    found |= {name: _version(name) for name in LIBRARIES}
    try:
        import llvmlite.binding as llvm

        found["llvm"] = ".".join(map(str, llvm.llvm_version_info))
    except (ImportError, OSError):
        found["llvm"] = None
    return found


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def environment() -> dict[str, str]:
    """Variables that change how Lamina, or what it runs in, behaves."""
    return {name: value for name, value in sorted(os.environ.items()) if _matters(name)}


def _matters(name: str) -> bool:
    return name.startswith("LAMINA_") or name in _ENVIRONMENT


def system() -> str:
    """Operating system, its release, the machine and its C library."""
    library = " ".join(platform.libc_ver()).strip() or "unknown C library"
    return f"{platform.system()} {platform.release()}, {platform.machine()}, {library}, Python at {sys.executable}"
