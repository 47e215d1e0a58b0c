"""What a compiled model depends on besides the model: the compiler itself, its libraries, and the machine.

All of it is found out without importing the compiler: that takes a second, which a cached model does not need.
"""

from __future__ import annotations

import hashlib
import platform
import sys
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
NOT_COMPILER = ("benchmarks", "cli")
"""Folders of the package on which no result depends. Those that are no packages (tests, docs) do not count either."""
SOURCE_SUFFIXES = (".py", ".ll")
LIBRARIES = ("xdsl", "llvmlite", "onnx", "numpy", "sympy", "protobuf", "ml_dtypes")
"""Installed distributions whose version may change what is compiled."""

_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
# Of /proc/cpuinfo, what differs between processors; not the clock, which differs from one moment to the next.
_PROCESSOR_KEYS = frozenset(
    ("vendor_id", "cpu family", "model", "model name", "stepping", "flags")
    + ("CPU implementer", "CPU architecture", "CPU variant", "CPU part", "CPU revision", "Features")
)


@cache
def compiler_identity() -> bytes | None:
    """A digest of the compiler's sources and the versions of its libraries; `None` where the sources cannot be read.

    The contents count, not the times of the files: those say nothing where a package is installed reproducibly. An
    edited pass gives a new identity; an edited library gives one only with a new version.
    """
    digest = hashlib.sha256(f"{platform.python_implementation()} {sys.version_info[:2]}\0".encode())
    for name in LIBRARIES:
        digest.update(f"{name} {_version(name)}\0".encode())
    try:
        sources = source_files()
        for path in sources:
            content = path.read_bytes()
            digest.update(f"{path.relative_to(PACKAGE)} {len(content)}\0".encode() + content)
    except OSError:
        return None
    return digest.digest() if sources else None


def source_files() -> list[Path]:
    """The files that are the compiler, in a fixed order. Raises OSError."""
    folders = [path.parent for path in PACKAGE.glob("*/__init__.py") if path.parent.name not in NOT_COMPILER]
    found = [PACKAGE.glob("*"), *(folder.rglob("*") for folder in folders)]
    return sorted(path for paths in found for path in paths if path.suffix in SOURCE_SUFFIXES)


def _version(distribution: str) -> str:
    import importlib.metadata

    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


@cache
def machine_identity() -> str | None:
    """What the target ``host`` follows from: processor and data caches; `None` where the system does not tell."""
    processors: set[tuple[str, ...]] = set()
    lines: list[str] = []
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        caches = [
            f"{index.name} {name} {(index / name).read_text().strip()}"
            for index in sorted(_CACHES.glob("index*"))
            for name in ("type", "level", "size")
            if (index / name).exists()
        ]
    except OSError:
        return None
    for line in [*text.splitlines(), ""]:
        key, _, value = line.partition(":")
        if key.strip() in _PROCESSOR_KEYS:
            lines.append(f"{key.strip()}={value.strip()}")
        elif not line.strip():
            processors.add(tuple(lines))
            lines = []
    described = [" ".join(processor) for processor in sorted(processors) if processor]
    return "\n".join([platform.machine(), *described, *caches]) if described else None
