"""Compiles loops-level kernels for every target that can run here: on this CPU, or emulated."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from lamina.backend.compile_image import compile_image
from lamina.backend.jit import load_module
from lamina.context import CompilerContext
from lamina.lowering.loops_to_llvm import lower_module
from lamina.machines import Target, host_target, target_by_name
from lamina.passes.loops.expand_math import LoopsExpandMathPass
from lamina.runtime.image import Image
from xdsl.parser import Parser

EMULATOR = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")
NEEDED_FEATURE = {
    "avx512_amx": "amx-int8",
    "x86_64": "sse2",
    "avx2": "fma",
    "avx2_vnni": "avxvnni",
    "avx512": "avx512vl",
    "avx512_vnni_bf16": "avx512bf16",
}


def runs_here(name: str) -> bool:
    if name.startswith("aarch64"):
        return EMULATOR is not None or host_target().architecture == "aarch64"
    return f"+{NEEDED_FEATURE[name]}" in host_target().features


@pytest.fixture(params=["x86_64", "avx2", "avx512_vnni_bf16", "aarch64_neon"], scope="session")
def target(request) -> Target:
    if not runs_here(request.param):
        pytest.skip(f"no CPU and no emulator for {request.param}")
    return target_by_name(request.param)


@pytest.fixture(scope="session")
def can_run() -> Callable[[str], bool]:
    """Whether the code of a target, by its name, can run here."""
    return runs_here


@pytest.fixture
def compile_kernel(tmp_path) -> Callable[..., Callable[..., None]]:
    """`compile_kernel(text, target)` gives the function @kernel of a loops-level module, to call with arrays."""

    def compile(text: str, target: Target) -> Callable[..., None]:
        module = Parser(CompilerContext(target=target), text).parse_module()
        LoopsExpandMathPass().apply(CompilerContext(), module)
        module.verify()
        lowered = lower_module(module, target)
        lowered.verify()
        if target.architecture == host_target().architecture:
            return load_module(lowered, target)["kernel"]
        return emulated(compile_image(lowered, target, support=False), tmp_path)

    return compile


# --- AArch64 under emulation: a static executable that calls the kernel once and writes its memory to its output

BASE, PAGE = 0x400000, 4096
X0, X1, X2, X8, X9 = 0, 1, 2, 8, 9
WRITE, EXIT = 64, 93
SUPERVISOR_CALL = 0xD4000001


def move(register: int, value: int) -> list[int]:
    """movz and movk of a number below 2^32."""
    low, high = value & 0xFFFF, value >> 16
    return [0xD2800000 | low << 5 | register, 0xF2A00000 | high << 5 | register]


def emulated(image: Image, folder: Path) -> Callable[..., None]:
    def call(*arguments: np.ndarray | int, thread: int = 0, threads: int = 1) -> None:
        code_address = BASE + PAGE
        data_address = code_address + -(-len(image.data) // PAGE) * PAGE
        slots, data = [], bytearray(8 * len(arguments))
        places: list[tuple[np.ndarray, int]] = []
        for argument in arguments:
            if isinstance(argument, np.ndarray):
                data.extend(bytes(-len(data) % 64))
                places.append((argument, len(data)))
                slots.append(data_address + len(data))
                data.extend(argument.tobytes())
            else:
                slots.append(argument)
        data[: 8 * len(slots)] = struct.pack(f"<{len(slots)}q", *slots)
        code = [
            *move(X0, data_address),
            *move(X1, thread),
            *move(X2, threads),
            *move(X9, code_address + image.symbols["kernel"]),
            0xD63F0000 | X9 << 5,  # blr x9
            *move(X0, 1),
            *move(X1, data_address),
            *move(X2, len(data)),
            *move(X8, WRITE),
            SUPERVISOR_CALL,
            *move(X0, 0),
            *move(X8, EXIT),
            SUPERVISOR_CALL,
        ]
        path = folder / "kernel"
        path.write_bytes(executable(struct.pack(f"<{len(code)}I", *code), image.data, bytes(data)))
        path.chmod(0o755)
        assert EMULATOR is not None
        output = subprocess.run([EMULATOR, str(path)], capture_output=True, timeout=60, check=True).stdout
        assert len(output) == len(data)
        for array, start in places:
            array.reshape(-1).view(np.uint8)[:] = np.frombuffer(output, np.uint8, array.nbytes, start)

    return call


def executable(start: bytes, code: bytes, data: bytes) -> bytes:
    """A static AArch64 executable of one segment: the entry in the first page, then the image, then the data."""
    header_size = 64 + 56
    entry = BASE + 128
    code_size = -(-len(code) // PAGE) * PAGE
    size = PAGE + code_size + len(data)
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 2, 183, 1, entry, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 7, 0, BASE, BASE, size, size, PAGE)
    first_page = (header + segment).ljust(128, b"\0") + start
    assert header_size <= 128 and len(first_page) <= PAGE
    return first_page.ljust(PAGE, b"\0") + code.ljust(code_size, b"\0") + data
