"""The linker: layout, names, relocations of both machines, and what it refuses."""

from __future__ import annotations

import ctypes
import struct

import pytest
from lamina.backend.compile_image import compile_image, support_objects
from lamina.backend.elf import Relocation, Symbol, read_object
from lamina.backend.jit import LoadedImage
from lamina.backend.linker import Input, LinkError, link
from lamina.backend.object_code import CodeGenerationError, emit_object
from lamina.backend.relocations import RelocationError, apply_aarch64, apply_x86_64
from lamina.machines import TARGETS, host_target

SYMBOL = Symbol("f", 1, 0, True, True)
X86, ARM = TARGETS["avx2"], TARGETS["aarch64_neon"]


def function(name: str, body: str, attributes: str = "") -> str:
    return f"define i64 @{name}(i64 %x) nounwind {attributes} {{\n{body}\n}}\n"


def test_functions_of_several_objects_call_each_other():
    first = "declare i64 @second(i64)\n" + function(
        "first", "  %y = call i64 @second(i64 %x)\n  %z = add i64 %y, 1\n  ret i64 %z"
    )
    second = function("second", "  %y = mul i64 %x, 10\n  ret i64 %y")
    image = link([Input(emit_object(text, host_target())) for text in (first, second)])
    assert set(image.symbols) == {"first", "second"}
    loaded = LoadedImage(image)
    call = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(loaded.address("first"))
    assert call(4) == 41


def test_constants_are_found_by_distance():
    text = "@table = private constant [4 x i64] [i64 3, i64 1, i64 4, i64 1]\n" + function(
        "pick",
        "  %p = getelementptr [4 x i64], ptr @table, i64 0, i64 %x\n  %y = load i64, ptr %p\n  ret i64 %y",
    )
    loaded = LoadedImage(link([Input(emit_object(text, host_target()))]))
    call = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(loaded.address("pick"))
    assert [call(index) for index in range(4)] == [3, 1, 4, 1]


def test_the_jump_table_of_a_switch_is_relative():
    cases = "".join(f"    i64 {number}, label %b{number}\n" for number in range(9))
    blocks = "".join(f"b{number}:\n  ret i64 {number * number * 7 + 1}\n" for number in range(9))
    text = function("choose", f"  switch i64 %x, label %other [\n{cases}  ]\n{blocks}other:\n  ret i64 -1")
    loaded = LoadedImage(link([Input(emit_object(text, host_target()))]))
    call = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(loaded.address("choose"))
    assert [call(index) for index in range(10)] == [*(number * number * 7 + 1 for number in range(9)), -1]


def test_an_object_under_several_names():
    data = emit_object(function("kernel", "  ret i64 5"), X86)
    image = link([Input(data, {"kernel": ("a", "b")})])
    assert set(image.symbols) == {"a", "b"} and image.symbols["a"] == image.symbols["b"]


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_the_thread_driver_links_for_every_target(target):
    image = link([Input(data) for data in support_objects(target)])
    assert {"lamina_run", "lamina_worker"} <= set(image.symbols)
    assert all(0 <= offset < len(image.data) for offset in image.symbols.values())


@pytest.mark.parametrize("target", [X86, ARM], ids=["x86", "arm"])
def test_undefined_symbols_are_refused(target):
    text = "declare i64 @exp(i64)\n" + function("f", "  %y = call i64 @exp(i64 %x)\n  ret i64 %y")
    with pytest.raises(LinkError, match="undefined symbol 'exp'"):
        compile_image(text, target, support=False)


def test_duplicate_symbols_are_refused():
    data = emit_object(function("f", "  ret i64 1"), X86)
    with pytest.raises(LinkError, match="'f' is defined twice"):
        link([Input(data), Input(data)])


@pytest.mark.parametrize("target", [X86, ARM], ids=["x86", "arm"])
def test_absolute_addresses_are_refused(target):
    text = "@here = constant ptr @f\n" + function("f", "  ret i64 1")
    with pytest.raises(LinkError, match="absolute address"):
        compile_image(text, target, support=False)


def test_writable_data_is_refused():
    text = "@counter = global i64 7\n" + function("f", "  %y = load i64, ptr @counter\n  ret i64 %y")
    with pytest.raises(Exception, match="writable data"):
        compile_image(text, X86, support=False)


def test_machines_do_not_mix():
    objects = [Input(emit_object(function(name, "  ret i64 1"), target)) for name, target in (("f", X86), ("g", ARM))]
    with pytest.raises(LinkError, match="one known machine"):
        link(objects)


def test_text_that_llvm_refuses():
    with pytest.raises(CodeGenerationError, match="does not accept"):
        emit_object("define void @f() { ret i32 0 }", X86)


def test_an_image_of_nothing():
    with pytest.raises(LinkError, match="at least one object"):
        link([])


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"MZ" * 100])
def test_other_files_are_no_objects(data):
    with pytest.raises(Exception, match="not a little-endian ELF64 file"):
        read_object(data)


# --- single relocations, against hand-computed fields


def patched(apply, kind: int, word: int, place: int, target: int, addend: int = 0, size: int = 4) -> int:
    data = bytearray(0x10000)
    data[place : place + size] = word.to_bytes(size, "little")
    apply(data, place, Relocation(place, kind, SYMBOL, addend), target)
    return int.from_bytes(data[place : place + size], "little")


def test_x86_distances():
    assert patched(apply_x86_64, 2, 0, 0x100, 0x200, -4) == 0xFC
    assert patched(apply_x86_64, 4, 0, 0x200, 0x100, -4) == 0xFFFFFEFC
    assert patched(apply_x86_64, 24, 0, 0x100, 0x200, 0, 8) == 0x100


def test_x86_table_accesses_become_direct():
    data = bytearray(b"\x48\x8b\x05\0\0\0\0")
    apply_x86_64(data, 3, Relocation(3, 42, SYMBOL, -4), 0x50)
    assert data == b"\x48\x8d\x05" + struct.pack("<i", 0x50 - 4 - 3)
    data = bytearray(b"\xff\x15\0\0\0\0")
    apply_x86_64(data, 2, Relocation(2, 41, SYMBOL, -4), 0x50)
    assert data == b"\x67\xe8" + struct.pack("<i", 0x50 - 4 - 2)
    with pytest.raises(RelocationError, match="no direct form"):
        apply_x86_64(bytearray(b"\x48\x39\x05\0\0\0\0"), 3, Relocation(3, 42, SYMBOL, -4), 0x50)


def test_arm_fields():
    assert patched(apply_aarch64, 283, 0x94000000, 0x100, 0x200) == 0x94000040  # bl +0x100
    assert patched(apply_aarch64, 282, 0x14000000, 0x200, 0x100) == 0x17FFFFC0  # b -0x100
    assert patched(apply_aarch64, 275, 0x90000000, 0x10, 0x3123) == 0xF0000000  # adrp, 3 pages on
    assert patched(apply_aarch64, 277, 0x91000000, 0x10, 0x3123) == 0x91000000 | 0x123 << 10
    assert patched(apply_aarch64, 286, 0xF9400000, 0x10, 0x3128) == 0xF9400000 | (0x128 >> 3) << 10
    assert patched(apply_aarch64, 299, 0x3DC00000, 0x10, 0x3120) == 0x3DC00000 | (0x120 >> 4) << 10
    assert patched(apply_aarch64, 312, 0xF9400021, 0x10, 0x3128) == 0x91000021 | 0x128 << 10  # ldr -> add
    assert patched(apply_aarch64, 280, 0x54000000, 0x100, 0x120) == 0x54000000 | 8 << 5
    assert patched(apply_aarch64, 261, 0, 0x100, 0x80) == 0xFFFFFF80


def test_what_does_not_fit_is_refused():
    with pytest.raises(RelocationError, match="not aligned"):
        patched(apply_aarch64, 286, 0xF9400000, 0x10, 0x3124)
    with pytest.raises(RelocationError, match="does not fit 19 bits"):
        patched(apply_aarch64, 280, 0x54000000, 0x100, 0x1000000)
    with pytest.raises(RelocationError, match="unknown x86-64 relocation 99"):
        patched(apply_x86_64, 99, 0, 0x100, 0)
    with pytest.raises(RelocationError, match="unknown AArch64 relocation 999"):
        patched(apply_aarch64, 999, 0, 0x100, 0)
