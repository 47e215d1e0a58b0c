"""How floating-point numbers are treated inside a run, and that the caller's way of treating them is as it was."""

from __future__ import annotations

import ctypes
import platform
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from lamina.backend.compile_image import compile_image
from lamina.machines import host_target, target_by_name
from lamina.runtime.errors import InputError
from lamina.runtime.executable import Executable
from lamina.runtime.memory import map_code
from lamina.runtime.program import ArrayType, Buffer, Segment, Stage

x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="reads the registers of x86-64")

# note_mode(out): out[thread] = MXCSR, by each participant
NOTE_MODE = """
declare void @llvm.x86.sse.stmxcsr(ptr)
define void @note_mode(ptr %arguments, i64 %thread, i64 %threads) {
  %out = load ptr, ptr %arguments
  %element = getelementptr i32, ptr %out, i64 %thread
  call void @llvm.x86.sse.stmxcsr(ptr %element)
  ret void
}
"""
CONTROL_BITS = 0xFFC0
KEEPING = 0x1F80  # The same with denormals.
IN_A_RUN = 0x9FC0  # All exceptions masked, to nearest, denormals to zero on the way in and out.


class Registers:
    """MXCSR and the x87 control and status words of the calling thread."""

    def __init__(self) -> None:
        def function(code: bytes) -> Callable[[ctypes.Array], None]:
            return ctypes.CFUNCTYPE(None, ctypes.c_void_p)(map_code(code + b"\xc3"))

        self._store = [function(b"\x0f\xae\x1f"), function(b"\xd9\x3f"), function(b"\xdd\x3f")]
        self._load = function(b"\x0f\xae\x17")
        self._load_x87 = function(b"\xd9\x2f")

    def read(self) -> list[int]:
        words = []
        for store in self._store:
            word = ctypes.c_uint32(0)
            store(ctypes.addressof(word))  # pyright: ignore[reportArgumentType]
            words.append(word.value)
        return words

    @contextmanager
    def set_to(self, mxcsr: int, x87: int) -> Iterator[None]:
        before = self.read()
        self._put(mxcsr, x87)
        try:
            yield
        finally:
            self._put(before[0], before[1])

    def _put(self, mxcsr: int, x87: int) -> None:
        for load, value in ((self._load, mxcsr), (self._load_x87, x87)):
            word = ctypes.c_uint32(value)
            load(ctypes.addressof(word))  # pyright: ignore[reportArgumentType]


@pytest.fixture(scope="module")
def registers() -> Registers:
    return Registers()


# Rounding towards each side with flags raised; denormals flushed; the usual state.
MODES = [(0x1F80, 0x037F), (0x3F80 | 0x21, 0x077F), (0x5F80 | 0x3F, 0x0B7F), (0x7F80, 0x0F7F), (0x9FC0, 0x027F)]


@x86
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_callers_registers_are_as_before(kernels, registers: Registers, threads: int) -> None:
    executable: Executable = kernels.executable(kernels.add_program([64], 64, work=10**9), threads)
    large = np.full(64, 3e38, np.float32)
    feeds = [
        {"a": large, "b": large},  # overflow, inexact
        {"a": np.full(64, np.inf, np.float32), "b": np.full(64, -np.inf, np.float32)},  # invalid
        {"a": np.full(64, 1e-40, np.float32), "b": large},  # denormal
    ]
    ways = [executable.run, executable.profile, executable.run_poisoned, executable.run_guarded]
    for mxcsr, x87 in MODES:
        for run in ways:
            for feed in feeds:
                with registers.set_to(mxcsr, x87):
                    before = registers.read()
                    run(feed)
                    after = registers.read()
                # NumPy clears and raises flags of its own on the way, unless the run is nothing but the run.
                mask = CONTROL_BITS if run is not executable.run else 0xFFFF
                assert [word & mask for word in after[:2]] == [word & mask for word in before[:2]], run


@x86
def test_after_an_error_too(kernels, registers: Registers) -> None:
    executable: Executable = kernels.executable(kernels.add_program([64], 64, work=10**9), 2)
    x = np.ones(64, np.float32)
    for mxcsr, x87 in MODES:
        with registers.set_to(mxcsr, x87):
            with pytest.raises(InputError):
                executable.run({"a": x, "b": x[:5]})
            executable.run({"a": x, "b": x})
            after = registers.read()
        assert [word & CONTROL_BITS for word in after[:2]] == [mxcsr & CONTROL_BITS, x87 & CONTROL_BITS]


@x86
@pytest.mark.parametrize("threads", [1, 2, 7])
def test_all_participants_have_one_mode(kernels, registers: Registers, threads: int) -> None:
    """Whatever the caller's is, and whatever it was when the workers were started."""
    out = ArrayType("int32", [16])
    x = ArrayType("float32", [1])
    buffers = [Buffer("x", 4, "input", 0), Buffer("y", 64, "output", 0)]
    segment = Segment("main", [x], [out], buffers, [Stage("note", "note_mode", [("buffer", "y", 0)])], [], 10**9)
    program = kernels.single_segment(segment, ["x"], ["y"], [])
    executable = Executable(program, kernels.compile_image(NOTE_MODE), b"", threads)
    for mxcsr, x87 in MODES:
        with registers.set_to(mxcsr, x87):
            modes = executable.run({"x": np.zeros(1, np.float32)})["y"]
        assert [mode & CONTROL_BITS for mode in modes[:threads].tolist()] == [IN_A_RUN] * threads


@x86
@pytest.mark.parametrize("threads", [1, 3])
def test_models_that_keep_denormals_have_a_mode_of_their_own(kernels, registers: Registers, threads: int) -> None:
    """In turns with models that flush them, whose workers they do not get."""
    out, x = ArrayType("int32", [16]), ArrayType("float32", [1])
    buffers = [Buffer("x", 4, "input", 0), Buffer("y", 64, "output", 0)]
    segment = Segment("main", [x], [out], buffers, [Stage("note", "note_mode", [("buffer", "y", 0)])], [], 10**9)
    program = kernels.single_segment(segment, ["x"], ["y"], [])
    expected = {"flush": IN_A_RUN, "keep": KEEPING}
    images = {denormals: compile_image(NOTE_MODE, host_target(), denormals=denormals) for denormals in expected}
    executables = {denormals: Executable(program, image, b"", threads) for denormals, image in images.items()}
    for mxcsr, x87 in MODES:
        for denormals, executable in executables.items():
            with registers.set_to(mxcsr, x87):
                modes = executable.run({"x": np.zeros(1, np.float32)})["y"]
                after = registers.read()
            assert [mode & CONTROL_BITS for mode in modes[:threads].tolist()] == [expected[denormals]] * threads
            assert [word & CONTROL_BITS for word in after[:2]] == [mxcsr & CONTROL_BITS, x87 & CONTROL_BITS]


@x86
def test_results_do_not_depend_on_the_callers_mode(kernels, registers: Registers) -> None:
    executable: Executable = kernels.executable(kernels.chain_program(6, work=10**9), 2)
    x = np.random.default_rng(3).standard_normal(1000, np.float32)
    x[::7] = 1e-39
    expected = executable.run({"x": x})["y"].tobytes()
    for mxcsr, x87 in MODES:
        with registers.set_to(mxcsr, x87):
            result = executable.run({"x": x})["y"]
        assert result.tobytes() == expected


@x86
def test_each_python_thread_keeps_its_own_mode(kernels, registers: Registers) -> None:
    executable: Executable = kernels.executable(kernels.chain_program(6, work=10**9), 2)
    x = np.ones(500, np.float32)
    wrong: list[tuple[int, int]] = []

    def work(mxcsr: int, x87: int) -> None:
        with registers.set_to(mxcsr, x87):
            for _ in range(50):
                executable.run({"x": x})
                found = registers.read()
                if (found[0] ^ mxcsr) & CONTROL_BITS or (found[1] ^ x87) & CONTROL_BITS:
                    wrong.append((found[0], mxcsr))

    threads = [threading.Thread(target=work, args=mode) for mode in MODES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# --- AArch64, as it is compiled --------------------------------------------------------------------------

READ_CONTROL, WRITE_CONTROL = 0xD53B4400, 0xD51B4400  # mrs x, fpcr and msr fpcr, x; the register is in the low 5 bits
READ_STATUS, WRITE_STATUS = 0xD53B4420, 0xD51B4420  # the same of fpsr
MODE_INSTRUCTIONS = {READ_CONTROL, WRITE_CONTROL, READ_STATUS, WRITE_STATUS}
RETURN = 0xD65F03C0


def body(words: list[int], start: int) -> list[int]:
    """The instructions from number ``start`` to the first return."""
    return words[start : words.index(RETURN, start)]


def callees(words: list[int], start: int) -> list[int]:
    """Where the calls of a function go, as numbers of instructions, in order."""
    places = enumerate(body(words, start), start)
    return [place + (word & 0x1FFFFFF) - (word & 0x2000000) for place, word in places if word >> 26 == 0b100101]


@pytest.mark.parametrize("function", ["lamina_run", "lamina_run_call", "lamina_worker"])
def test_aarch64_sets_its_mode_first_and_restores_it_last(function: str) -> None:
    image = compile_image("define void @nothing(ptr %a, i64 %t, i64 %n) { ret void }", target_by_name("aarch64_neon"))
    code = image.data[: len(image.data) // 4 * 4]
    words = np.frombuffer(code, "<u4").tolist()
    called = callees(words, image.symbols[function] // 4)
    first, last = ([word & ~31 for word in body(words, place)] for place in (called[0], called[-1]))
    assert [word for word in first if word in MODE_INSTRUCTIONS] == [READ_CONTROL, READ_STATUS, WRITE_CONTROL]
    assert [word for word in last if word in MODE_INSTRUCTIONS] == [WRITE_CONTROL, WRITE_STATUS]


def test_aarch64_can_keep_denormals() -> None:
    """FPCR is zero then: the write takes its number from the register that is always zero."""
    text, target = "define void @nothing(ptr %a, i64 %t, i64 %n) { ret void }", target_by_name("aarch64_neon")
    image = compile_image(text, target, denormals="keep")
    words = np.frombuffer(image.data[: len(image.data) // 4 * 4], "<u4").tolist()
    begin = callees(words, image.symbols["lamina_run"] // 4)[0]
    assert WRITE_CONTROL | 31 in body(words, begin)
    assert "lamina_keeps_denormals" in image.symbols
