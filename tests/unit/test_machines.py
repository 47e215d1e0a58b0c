"""Targets as data."""

from __future__ import annotations

import json
from pathlib import Path

import llvmlite.binding as llvm
import pytest
from lamina.backend.object_code import emit_assembly
from lamina.machines import TARGETS, Target, host_target, target_by_name
from lamina.machines.cpu import host
from lamina.machines.cpu.host import _cache_sizes, _parse_size, family_of, worthwhile_atoms
from lamina.runtime import machine
from lamina.runtime.program import RequiredMachine

_NAMES_OF_AVX2 = ("avx2", "fma", "f16c", "bmi", "bmi2", "lzcnt", "movbe")


@pytest.mark.parametrize("target", [*TARGETS.values(), host_target()], ids=[*TARGETS, "host"])
def test_a_target_survives_json(target):
    assert Target.from_dict(json.loads(json.dumps(target.to_dict()))) == target


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_the_register_tile_fits_the_registers(target):
    rows, columns = target.gemm_tile
    accumulators = rows * columns // target.lanes
    assert columns % target.lanes == 0
    assert accumulators + columns // target.lanes + 1 <= target.vector_registers


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_llvm_knows_the_target(target):
    assert "f:" in emit_assembly("define void @f() { ret void }", target)


def test_names():
    assert target_by_name("avx2") is TARGETS["avx2"]
    assert target_by_name("host") is host_target()
    with pytest.raises(ValueError, match="unknown target 'z80': expected host or one of x86_64, avx2"):
        target_by_name("z80")


def test_families():
    features = dict.fromkeys(_NAMES_OF_AVX2, True)
    assert family_of("x86_64", features).name == "avx2"
    assert family_of("AMD64", features | {"fma": False}).name == "x86_64"
    wide = features | dict.fromkeys(["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"], True)
    assert family_of("x86_64", wide).name == "avx512"
    assert family_of("x86_64", wide | {"avx512vnni": True, "avx512bf16": True}).name == "avx512_vnni_bf16"
    assert family_of("aarch64", {}).name == "aarch64_neon"
    with pytest.raises(ValueError, match="no target for architecture 'riscv64'"):
        family_of("riscv64", {})


def test_the_host_is_tuned():
    host = host_target()
    assert host.cpu == llvm.get_host_cpu_name()
    assert host.l1_bytes >= 8 << 10 and host.l2_bytes > host.l1_bytes


def test_atoms_that_are_slower_than_widening_are_left_out():
    """On processors with AMX, which may be kept from the process."""
    features = dict.fromkeys(["sse2", "avx512vl", "avx512vnni", "avx512bf16"], True)
    all_of_them, with_matrices = (worthwhile_atoms(features, features | told) for told in ({}, {"amx-tile": True}))
    assert set(all_of_them) - set(with_matrices) == {"vdpbf16ps"}


@pytest.mark.skipif(machine.architecture() != "x86_64", reason="the features are those of x86-64")
def test_code_is_for_what_the_system_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Systems do not list all that LLVM finds, and virtual machines hide features of the processor that they name."""
    flags = ["pni", "ssse3", "sse4_1", "sse4_2", "popcnt", "avx", "avx2", "f16c", "fma", "bmi1", "bmi2", "abm", "movbe"]
    monkeypatch.setattr(machine, "processor_flags", lambda: frozenset(flags))
    monkeypatch.setattr(llvm, "get_host_cpu_name", lambda: "graniterapids")
    names = [
        *_NAMES_OF_AVX2,
        "avx512f",
        "avx512vl",
        "avx512bw",
        "avx512dq",
        "avx512cd",
        "avx10.1",
        "avxvnniint8",
        "egpr",
    ]
    monkeypatch.setattr(llvm, "get_host_cpu_features", lambda: dict.fromkeys(names, True))
    target = host.host_target.__wrapped__()
    assert target.name == "avx2"
    assert {"+avx2", "-avx512f", "-avx10.1", "-avxvnniint8", "-egpr"} <= set(target.features)
    needed = RequiredMachine(target.name, target.triple, target.cpu, list(target.features))
    assert machine.target_obstacle(needed) is None
    add = (
        "define <16 x float> @f(<16 x float> %a, <16 x float> %b) { %s = fadd <16 x float> %a, %b ret <16 x float> %s }"
    )
    assembly = emit_assembly(add, target)
    assert "vaddps" in assembly and "%ymm" in assembly and "%zmm" not in assembly


@pytest.mark.parametrize(("text", "size"), [("32K", 32 << 10), ("1M\n", 1 << 20), ("512", 512)])
def test_cache_sizes(text, size):
    assert _parse_size(text) == size


def test_a_virtual_machine_counts_on_its_part_of_l3(tmp_path: Path):
    index = tmp_path / "index3"
    index.mkdir()
    for name, text in (("type", "Unified"), ("level", "3"), ("size", "300M")):
        (index / name).write_text(text)
    assert _cache_sizes(2, tmp_path) == {"l3_bytes": 32 << 20}
    assert _cache_sizes(64, tmp_path) == {"l3_bytes": 300 << 20}


def test_registers_of_matrices_need_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux can keep them from a process: then neither code for them is made, nor a file with such code run."""
    monkeypatch.setattr(machine, "may_use_matrix_registers", lambda: False)
    target = host.host_target.__wrapped__()
    assert target.name != "avx512_amx"
    assert not any(feature.startswith("+amx") for feature in target.features)
    monkeypatch.setattr(machine, "processor_flags", lambda: frozenset({"amx_tile", "amx_int8"}))
    needed = RequiredMachine("avx512_amx", "x86_64-unknown-linux-gnu", features=["+amx-tile"])
    if machine.architecture() == "x86_64":
        assert "lacks amx-tile" in str(machine.target_obstacle(needed))
