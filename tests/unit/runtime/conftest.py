"""Kernels written in LLVM IR by hand, compiled to images, so that the runtime is tested without the compiler."""

from __future__ import annotations

import platform

import numpy as np
import pytest
from lamina import machines
from lamina.backend.compile_image import compile_image
from lamina.runtime.executable import Executable
from lamina.runtime.image import Image
from lamina.runtime.program import ArrayType, Block, Buffer, Call, Program, RequiredMachine, Segment, Stage

# Each kernel is void(ptr arguments, i64 thread, i64 threads) over a table of 64-bit slots. A kernel works on the
# elements from count * thread / threads to count * (thread + 1) / threads.
KERNELS = """
define internal { i64, i64 } @share(i64 %count, i64 %thread, i64 %threads) alwaysinline {
  %after = add i64 %thread, 1
  %low = mul i64 %count, %thread
  %high = mul i64 %count, %after
  %begin = udiv i64 %low, %threads
  %end = udiv i64 %high, %threads
  %first = insertvalue { i64, i64 } poison, i64 %begin, 0
  %both = insertvalue { i64, i64 } %first, i64 %end, 1
  ret { i64, i64 } %both
}

; add(a, b, out, count): out = a + b
define void @add(ptr %arguments, i64 %thread, i64 %threads) {
entry:
  %b_slot = getelementptr i64, ptr %arguments, i64 1
  %out_slot = getelementptr i64, ptr %arguments, i64 2
  %count_slot = getelementptr i64, ptr %arguments, i64 3
  %a = load ptr, ptr %arguments
  %b = load ptr, ptr %b_slot
  %out = load ptr, ptr %out_slot
  %count = load i64, ptr %count_slot
  %range = call { i64, i64 } @share(i64 %count, i64 %thread, i64 %threads)
  %begin = extractvalue { i64, i64 } %range, 0
  %end = extractvalue { i64, i64 } %range, 1
  br label %head
head:
  %i = phi i64 [ %begin, %entry ], [ %next, %body ]
  %more = icmp ult i64 %i, %end
  br i1 %more, label %body, label %leave
body:
  %a_element = getelementptr float, ptr %a, i64 %i
  %b_element = getelementptr float, ptr %b, i64 %i
  %out_element = getelementptr float, ptr %out, i64 %i
  %x = load float, ptr %a_element
  %y = load float, ptr %b_element
  %sum = fadd float %x, %y
  store float %sum, ptr %out_element
  %next = add i64 %i, 1
  br label %head
leave:
  ret void
}

; reverse(a, out, count): out[i] = a[count - 1 - i], so that a thread reads what another one wrote
define void @reverse(ptr %arguments, i64 %thread, i64 %threads) {
entry:
  %out_slot = getelementptr i64, ptr %arguments, i64 1
  %count_slot = getelementptr i64, ptr %arguments, i64 2
  %a = load ptr, ptr %arguments
  %out = load ptr, ptr %out_slot
  %count = load i64, ptr %count_slot
  %last = sub i64 %count, 1
  %range = call { i64, i64 } @share(i64 %count, i64 %thread, i64 %threads)
  %begin = extractvalue { i64, i64 } %range, 0
  %end = extractvalue { i64, i64 } %range, 1
  br label %head
head:
  %i = phi i64 [ %begin, %entry ], [ %next, %body ]
  %more = icmp ult i64 %i, %end
  br i1 %more, label %body, label %leave
body:
  %mirror = sub i64 %last, %i
  %a_element = getelementptr float, ptr %a, i64 %mirror
  %out_element = getelementptr float, ptr %out, i64 %i
  %x = load float, ptr %a_element
  store float %x, ptr %out_element
  %next = add i64 %i, 1
  br label %head
leave:
  ret void
}

; count_calls(counter): the int32 counter += 1, not atomically
define void @count_calls(ptr %arguments, i64 %thread, i64 %threads) {
  %counter = load ptr, ptr %arguments
  %old = load volatile i32, ptr %counter
  %new = add i32 %old, 1
  store volatile i32 %new, ptr %counter
  ret void
}

; note_threads(out): the int64 out[0] = threads, by the first thread
define void @note_threads(ptr %arguments, i64 %thread, i64 %threads) {
entry:
  %first = icmp eq i64 %thread, 0
  br i1 %first, label %note, label %leave
note:
  %out = load ptr, ptr %arguments
  store i64 %threads, ptr %out
  br label %leave
leave:
  ret void
}

; nothing()
define void @nothing(ptr %arguments, i64 %thread, i64 %threads) {
  ret void
}
"""


def image_of(text: str) -> Image:
    """Compiles LLVM IR text and links it with the thread driver for this machine."""
    return compile_image(text, machines.host_target())


@pytest.fixture(scope="session", autouse=True)
def all_threads_always():
    """These tests are about several threads, however busy the machine is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lamina.runtime.pace.WARM_UP_RUNS", 1 << 60)
        yield


@pytest.fixture(scope="session")
def image() -> Image:
    return image_of(KERNELS)


def host_target() -> RequiredMachine:
    return RequiredMachine("host", f"{platform.machine()}-unknown-linux-gnu")


def single_segment(segment: Segment, input_names: list[str], output_names: list[str], symbols: list[str]) -> Program:
    """A program whose body is one call of ``segment``."""
    body = Block([Call(segment.name, input_names, output_names)], output_names)
    return Program(
        host_target(),
        symbols,
        list(zip(input_names, segment.inputs, strict=True)),
        list(zip(output_names, segment.outputs, strict=True)),
        {segment.name: segment},
        body,
    )


def add_program(shape: list[int | str], count: int | str, work: int | None = None) -> Program:
    """c = a + b over float32 of ``shape`` with ``count`` elements."""
    names = sorted({d for d in shape if isinstance(d, str)})
    tensor = ArrayType("float32", list(shape))
    nbytes = f"4*({count})" if isinstance(count, str) else 4 * count
    buffers = [
        Buffer("a", nbytes, "input", 0),
        Buffer("b", nbytes, "input", 1),
        Buffer("c", nbytes, "output", 0),
    ]
    arguments = [("buffer", "a", 0), ("buffer", "b", 0), ("buffer", "c", 0), ("dim", count)]
    stage = Stage("add", "add", arguments)
    return single_segment(
        Segment("main", [tensor, tensor], [tensor], buffers, [stage], names, work), ["a", "b"], ["c"], names
    )


def chain_program(length: int, work: int | None = None) -> Program:
    """y = x reversed ``length`` times plus x added after each, over N float32: every stage needs a barrier."""
    tensor = ArrayType("float32", ["N"])
    buffers = [Buffer("x", "4*N", "input", 0), Buffer("y", "4*N", "output", 0)]
    stages: list[Stage] = []
    previous = "x"
    for step in range(length):
        turned = f"turned{step}"
        result = "y" if step == length - 1 else f"sum{step}"
        buffers.append(Buffer(turned, "4*N", "arena", first_stage=2 * step, last_stage=2 * step + 1))
        if result != "y":
            buffers.append(Buffer(result, "4*N", "arena", first_stage=2 * step + 1, last_stage=2 * step + 2))
        stages.append(Stage(turned, "reverse", [("buffer", previous, 0), ("buffer", turned, 0), ("dim", "N")]))
        operands = [("buffer", turned, 0), ("buffer", "x", 0), ("buffer", result, 0), ("dim", "N")]
        stages.append(Stage(result, "add", operands))
        previous = result
    return single_segment(Segment("main", [tensor], [tensor], buffers, stages, ["N"], work), ["x"], ["y"], ["N"])


def chain_expected(x: np.ndarray, length: int) -> np.ndarray:
    value = x
    for _ in range(length):
        value = value[::-1] + x
    return value


@pytest.fixture(scope="session")
def kernels(image: Image):
    """What the tests share, since test files cannot import each other."""

    class Kernels:
        add_program = staticmethod(add_program)
        chain_program = staticmethod(chain_program)
        chain_expected = staticmethod(chain_expected)
        single_segment = staticmethod(single_segment)
        compile_image = staticmethod(image_of)
        host_target = staticmethod(host_target)

        def __init__(self) -> None:
            self.image = image

        def executable(self, program: Program, threads: int = 1, constants: bytes = b"") -> Executable:
            return Executable(program, image, constants, threads)

    return Kernels()
