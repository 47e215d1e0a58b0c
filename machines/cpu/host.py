"""The machine we are running on, as a target."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

from ...runtime.machine import has_feature, is_checked
from ..atoms import atoms_of
from ..target import Target
from .aarch64_neon import AARCH64_NEON
from .avx2 import AVX2
from .avx512 import AVX512
from .avx512_amx import AVX512_AMX
from .avx512_vnni_bf16 import AVX512_VNNI_BF16
from .x86_64 import X86_64

# Families from the most to the least capable, with the LLVM features that each needs.
_AVX2_FEATURES = ("avx2", "fma", "f16c", "bmi", "bmi2", "lzcnt", "movbe")
_AVX512_FEATURES = (*_AVX2_FEATURES, "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")
_X86_FAMILIES: tuple[tuple[Target, tuple[str, ...]], ...] = (
    (AVX512_AMX, (*_AVX512_FEATURES, "avx512vnni", "avx512bf16", "avx512vbmi", "amx-tile", "amx-int8", "amx-bf16")),
    (AVX512_VNNI_BF16, (*_AVX512_FEATURES, "avx512vnni", "avx512bf16")),
    (AVX512, _AVX512_FEATURES),
    (AVX2, _AVX2_FEATURES),
    (X86_64, ()),
)

# Atoms that take longer than to widen both factors and multiply those, on processors that have a feature. A core of
# Sapphire Rapids and its kin does 87 GFLOP/s with vdpbf16ps, 162 with multiply-adds of f32; one of Zen 4 229 and 115.
# A virtual machine may give them another name, and their features may be kept from a process.
_SLOW_BESIDE: Mapping[str, str] = {"vdpbf16ps": "amx-tile"}

_CACHE_FOLDER = Path("/sys/devices/system/cpu/cpu0/cache")

# L3 that a processor may count on: a virtual machine is told of all that a socket has, most of it its neighbours'.
_L3_OF_A_PROCESSOR = 16 << 20


def family_of(architecture: str, features: Mapping[str, bool]) -> Target:
    """The most capable family whose features the machine has. Raises `ValueError` for an unknown architecture."""
    match architecture.lower():
        case "x86_64" | "amd64":
            return next(family for family, needed in _X86_FAMILIES if all(features.get(name) for name in needed))
        case "aarch64" | "arm64":
            return AARCH64_NEON
    raise ValueError(f"no target for architecture '{architecture}': expected x86_64 or aarch64")


def passed_over(architecture: str, features: Mapping[str, bool]) -> dict[str, list[str]]:
    """The families more capable than the machine's, each with the features that the machine lacks for it."""
    if architecture.lower() not in ("x86_64", "amd64"):
        return {}
    chosen = family_of(architecture, features)
    names = [family.name for family, _ in _X86_FAMILIES]
    better = _X86_FAMILIES[: names.index(chosen.name)]
    return {family.name: [name for name in needed if not features.get(name)] for family, needed in better}


def _parse_size(text: str) -> int:
    """`32K` -> 32768."""
    units = {"K": 10, "M": 20, "G": 30}
    text = text.strip()
    return int(text[:-1]) << units[text[-1]] if text[-1] in units else int(text)


def _cache_sizes(processors: int, folder: Path = _CACHE_FOLDER) -> dict[str, int]:
    """Data cache sizes by `Target` field, as far as the system tells them: what so many processors may count on."""
    sizes: dict[str, int] = {}
    for index in folder.glob("index*"):
        try:
            kind = (index / "type").read_text().strip()
            level = int((index / "level").read_text())
            size = _parse_size((index / "size").read_text())
        except (OSError, ValueError):
            continue
        if kind != "Instruction" and level in (1, 2, 3):
            sizes[f"l{level}_bytes"] = size
    if "l3_bytes" in sizes:
        sizes["l3_bytes"] = min(sizes["l3_bytes"], _L3_OF_A_PROCESSOR * processors)
    return sizes


def worthwhile_atoms(features: Mapping[str, bool], told: Mapping[str, bool]) -> tuple[str, ...]:
    """The atoms of usable ``features``, without those that a processor told to have others is slower with."""
    return tuple(name for name in atoms_of(features) if not told.get(_SLOW_BESIDE.get(name, "")))


def usable_features(told: Mapping[str, bool]) -> dict[str, bool]:
    """LLVM's features, by whether code may use them: those that the processor has and the system lists.

    What the system does not list it may not have enabled, or hide from a virtual machine; and a compiled model is
    checked against the system's list, without LLVM.
    """
    return {name: present and has_feature(name) for name, present in told.items()}


def signed_features(features: Mapping[str, bool]) -> tuple[str, ...]:
    """As LLVM takes them. Some that are missing are said too: the name of a processor stands for all it ever has."""
    signs = {name: "+" if present else "-" for name, present in features.items() if present or is_checked(name)}
    return tuple(f"{sign}{name}" for name, sign in sorted(signs.items()))


@cache
def host_target() -> Target:
    """The family that fits this machine, tuned to its CPU name and cache sizes."""
    import llvmlite.binding as llvm

    told = dict(llvm.get_host_cpu_features())
    features = usable_features(told)
    family = family_of(platform.machine(), features)
    # Zen 4 has it, Cooper Lake of the same family has not.
    has_permutes = family.vector_bytes == 64 and features.get("avx512vbmi", False)
    return replace(
        family,
        cpu=llvm.get_host_cpu_name(),
        features=signed_features(features),
        atoms=worthwhile_atoms(features, told),
        byte_lookup="vpermi2b" if has_permutes else family.byte_lookup,
        **_cache_sizes(os.cpu_count() or 1),
    )
