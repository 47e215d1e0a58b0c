"""Whether this machine can run code that was compiled for a target."""

from __future__ import annotations

import functools
import platform
import sys

from .errors import TargetMismatchError
from .memory import c_library
from .program import RequiredMachine

# LLVM's names of features where /proc/cpuinfo spells them otherwise.
_X86_NAMES = {
    "sse3": "pni",
    "sse4.1": "sse4_1",
    "sse4.2": "sse4_2",
    "avx512vnni": "avx512_vnni",
    "avx512bf16": "avx512_bf16",
    "avx512vbmi2": "avx512_vbmi2",
    "avx512bitalg": "avx512_bitalg",
    "avx512vpopcntdq": "avx512_vpopcntdq",
    "avx512fp16": "avx512_fp16",
    "avx512vp2intersect": "avx512_vp2intersect",
    "avxvnni": "avx_vnni",
    "avxifma": "avx_ifma",
    "amx-tile": "amx_tile",
    "amx-int8": "amx_int8",
    "amx-bf16": "amx_bf16",
    "amx-fp16": "amx_fp16",
    "bmi": "bmi1",
    "lzcnt": "abm",
    **dict.fromkeys(("egpr", "push2pop2", "ppx", "ndd", "ccmp", "nf", "cf", "zu"), "apx"),
}
_AARCH64_NAMES = {
    "neon": "asimd",
    "fp-armv8": "fp",
    "fullfp16": "asimdhp",
    "dotprod": "asimddp",
    "lse": "atomics",
    "fp16fml": "asimdfhm",
    "crc": "crc32",
}
_NAMES = {"x86_64": _X86_NAMES, "aarch64": _AARCH64_NAMES}
# What the levels of x86-64 comprise, each in addition to the one before.
_X86_LEVELS = {
    "x86-64-v2": ("sse3", "ssse3", "sse4.1", "sse4.2", "popcnt"),
    "x86-64-v3": ("avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe"),
    "x86-64-v4": ("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"),
}
_ARCH_PRCTL, _REQUEST_PERMISSION, _TILE_DATA = 158, 0x1023, 18
"""Numbers of x86-64's system call, of its request, and of the registers' part of a process's state."""
_FLAG_KEYS = {"x86_64": "flags", "aarch64": "Features"}
# What a wrong guess about would end in SIGILL; other features do not change which instructions are emitted.
_CHECKED = {
    "x86_64": (
        "sse3", "ssse3", "sse4", "avx", "fma", "f16c", "bmi", "lzcnt", "popcnt", "movbe", "amx", "gfni", "vaes", "xop",
        "tbm", "egpr", "push2pop2", "ppx", "ndd", "ccmp", "nf", "cf", "zu",
    ),
    "aarch64": ("neon", "fullfp16", "dotprod", "bf16", "i8mm", "sve", "lse", "fp16fml"),
}  # fmt: skip


def architecture() -> str:
    """This machine's, as LLVM spells it."""
    machine = platform.machine().lower()
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)


def check_target(target: RequiredMachine) -> None:
    """Raises TargetMismatchError where this machine lacks what code for ``target`` may use."""
    obstacle = target_obstacle(target)
    if obstacle is not None:
        raise obstacle


def target_obstacle(target: RequiredMachine) -> TargetMismatchError | None:
    """Why this machine cannot run code for ``target``, or None where it can."""
    wanted = target.triple.split("-")[0]
    if sys.byteorder != "little":
        return TargetMismatchError("this machine is big-endian: compiled models are for little-endian machines")
    if wanted != architecture() or "linux" not in target.triple:
        return TargetMismatchError(
            f"the model was compiled for {target.triple} ({target.name}), this machine is "
            f"{architecture()} {platform.system()}: compile it with a target for this machine"
        )
    needed = [*_features_of_level(target.cpu), *target.features]
    missing = [feature.lstrip("+") for feature in needed if not feature.startswith("-") and not has_feature(feature)]
    if missing:
        return TargetMismatchError(
            f"the model was compiled for target {target.name}, but this processor lacks {', '.join(missing)}: "
            "compile it for a smaller target"
        )
    return None


def _features_of_level(cpu: str) -> list[str]:
    """The features that the name of a processor stands for, where it is a level of x86-64."""
    levels = list(_X86_LEVELS)
    if cpu not in levels:
        return []
    return [feature for level in levels[: levels.index(cpu) + 1] for feature in _X86_LEVELS[level]]


def is_checked(feature: str) -> bool:
    """Whether code for a processor with the feature, by LLVM's name, is refused where the system lists none."""
    return feature.lstrip("+").startswith(_CHECKED[architecture()])


def has_feature(feature: str) -> bool:
    """Whether this machine's system lists the feature, by LLVM's name; true of one that is not checked."""
    name = feature.lstrip("+")
    if not is_checked(name):
        return True
    flags = processor_flags()
    if name.startswith("amx") and not may_use_matrix_registers():
        return False
    return not flags or _NAMES[architecture()].get(name, name) in flags


@functools.cache
def may_use_matrix_registers() -> bool:
    """Asks Linux to let this process use AMX's registers, as it must be asked once before: arch_prctl(2)."""
    try:
        return c_library().syscall(_ARCH_PRCTL, _REQUEST_PERMISSION, _TILE_DATA) == 0
    except (OSError, AttributeError):
        return False


@functools.cache
def processor_flags() -> frozenset[str]:
    """The features that the kernel lists; empty where it lists none."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                key, _, value = line.partition(":")
                if key.strip() == _FLAG_KEYS.get(architecture()):
                    return frozenset(value.split())
    except OSError:
        pass
    return frozenset()
