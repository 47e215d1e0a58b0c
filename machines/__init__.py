"""The machines we compile for, as data: one file a family."""

from __future__ import annotations

from .cpu.aarch64_neon import AARCH64_DOTPROD, AARCH64_I8MM, AARCH64_NEON
from .cpu.avx2 import AVX2, AVX2_VNNI
from .cpu.avx512 import AVX512
from .cpu.avx512_amx import AVX512_AMX
from .cpu.avx512_vnni_bf16 import AVX512_VNNI_BF16
from .cpu.host import host_target
from .cpu.x86_64 import X86_64
from .target import Target

_ALL = (X86_64, AVX2, AVX2_VNNI, AVX512, AVX512_VNNI_BF16, AVX512_AMX, AARCH64_NEON, AARCH64_DOTPROD, AARCH64_I8MM)
TARGETS: dict[str, Target] = {target.name: target for target in _ALL}


def target_by_name(name: str) -> Target:
    """The target called `name`; `host` is this machine. Raises `ValueError` for an unknown name."""
    if name == "host":
        return host_target()
    if name not in TARGETS:
        raise ValueError(f"unknown target '{name}': expected host or one of {', '.join(TARGETS)}")
    return TARGETS[name]


__all__ = ["TARGETS", "Target", "host_target", "target_by_name"]
