from __future__ import annotations

import hashlib
import json
import os
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from lamina.backend.compile_module import compile_module
from lamina.backend.targets import host_target, target_by_name
from lamina.runtime.errors import FileFormatError, ProgramError, TargetMismatchError
from lamina.runtime.executable import Executable
from lamina.runtime.file_format import from_bytes, load, to_bytes
from lamina.runtime.machine import check_target, processor_flags
from lamina.runtime.program import Buffer, Constant, Program, Segment, Stage, Target, TensorType

HEADER = 96


def weights_executable(kernels, count: int = 1000) -> Executable:
    tensor = TensorType("float32", ["N"])
    buffers = [
        Buffer("x", "4*N", "input"),
        Buffer("w", 4 * count, "constant", constant="w"),
        Buffer("y", "4*N", "output"),
    ]
    arguments = [("buffer", "x", 0), ("buffer", "w", 0), ("buffer", "y", 0), ("dim", "N")]
    segment = Segment("main", [tensor], [tensor], buffers, [Stage("add", "add", arguments)], ["N"])
    program = kernels.single_segment(segment, ["x"], ["y"], ["N"])
    program.constants["w"] = Constant(0, 4 * count, "float32", [count])
    return kernels.executable(program, constants=np.arange(count, dtype=np.float32).tobytes())


@pytest.fixture
def saved(kernels, tmp_path) -> Path:
    path = tmp_path / "model.lamina"
    weights_executable(kernels).save(path)
    return path


def with_new_digest(content: bytearray) -> bytes:
    header_size, code_offset, code_size = struct.unpack_from("<QQQ", content, 16)
    digest = hashlib.sha256(content[:64])
    digest.update(content[HEADER : HEADER + header_size])
    digest.update(content[code_offset : code_offset + code_size])
    content[64:96] = digest.digest()
    return bytes(content)


@pytest.mark.parametrize("options", [{}, {"verify": False}, {"share": False}, {"threads": 2}])
def test_round_trip(saved: Path, options: dict) -> None:
    executable = load(saved, **options)
    x = np.ones(100, np.float32)
    np.testing.assert_array_equal(executable.run({"x": x})["y"], np.arange(100) + 1)
    assert executable.threads == options.get("threads", executable.threads)


def test_constants_are_mapped_from_the_file(saved: Path) -> None:
    shared = load(saved)
    assert str(saved) in Path("/proc/self/maps").read_text()
    assert not shared.constants.flags.writeable
    del shared
    copied = load(saved, share=False)
    assert str(saved) not in Path("/proc/self/maps").read_text()
    saved.unlink()
    assert copied.run({"x": np.zeros(2, np.float32)})["y"].tolist() == [0, 1]


def test_saving_is_atomic(kernels, saved: Path) -> None:
    before = load(saved)
    weights_executable(kernels, 5000).save(saved)
    assert sorted(p.name for p in saved.parent.iterdir()) == [saved.name]
    x = np.zeros(3, np.float32)
    assert before.run({"x": x})["y"].tolist() == load(saved).run({"x": x})["y"].tolist() == [0, 1, 2]
    with pytest.raises(FileNotFoundError):
        before.save(saved.parent / "missing" / "model.lamina")


def test_files_are_the_same_every_time(kernels) -> None:
    assert to_bytes(weights_executable(kernels)) == to_bytes(weights_executable(kernels))


@pytest.mark.parametrize("size", [0, 1, 50, 95, 96, 1000, 5000, -1])
def test_truncated_files(saved: Path, size: int) -> None:
    content = saved.read_bytes()
    saved.write_bytes(content[:size])
    with pytest.raises(FileFormatError):
        load(saved)


def test_longer_files(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes() + b"\0")
    with pytest.raises(FileFormatError, match="corrupted"):
        load(saved)


def test_every_changed_byte_of_header_and_code_is_noticed(kernels) -> None:
    content = to_bytes(weights_executable(kernels))
    _, code_offset, code_size = struct.unpack_from("<QQQ", content, 16)
    places = [*range(0, HEADER + 200, 3), *range(code_offset, code_offset + code_size, 97)]
    for place in places:
        changed = bytearray(content)
        changed[place] ^= 0x40
        with pytest.raises(FileFormatError):
            from_bytes(bytes(changed))


def test_changed_constants_are_noticed_unless_nobody_cares(saved: Path) -> None:
    content = bytearray(saved.read_bytes())
    content[-1] ^= 1
    saved.write_bytes(content)
    load(saved, verify=False)
    for share in (True, False):
        with pytest.raises(FileFormatError, match="checksum of the constants"):
            load(saved, share=share)


def test_other_versions(saved: Path) -> None:
    content = bytearray(saved.read_bytes())
    content[8] = 99
    with pytest.raises(FileFormatError, match="file version 99: this runtime reads version 2"):
        from_bytes(with_new_digest(content))


def test_other_files(tmp_path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\x08\x07\x12\x04lamina" * 50)
    with pytest.raises(FileFormatError, match="no compiled model"):
        load(path)


def changed_header(content: bytes, change) -> bytes:
    header_size = struct.unpack_from("<Q", content, 16)[0]
    header = json.loads(content[HEADER : HEADER + header_size])
    change(header)
    text = json.dumps(header, separators=(",", ":")).encode()
    assert len(text) <= header_size
    changed = bytearray(content)
    changed[HEADER : HEADER + header_size] = text.ljust(header_size)
    return with_new_digest(changed)


def test_contradictory_manifests(kernels) -> None:
    content = to_bytes(weights_executable(kernels))

    def set_offset(header: dict) -> None:
        header["program"]["constants"]["w"]["offset"] = 4

    def drop_segments(header: dict) -> None:
        header["program"].pop("segments")

    def unknown_field(header: dict) -> None:
        header["program"]["target"] = {"name": "h", "triple": "x", "b": 1}

    def rename_function(header: dict) -> None:
        header["program"]["segments"]["main"]["stages"][0]["function"] = "ad"

    for change, message in [
        (set_offset, "constant 'w' occupies bytes 4 to 4004"),
        (drop_segments, "expected 'segments' to be a dict, found nothing"),
        (unknown_field, r"not a Target: unknown fields \['b'\]"),
        (rename_function, "the code defines no function 'ad'"),
    ]:
        with pytest.raises(ProgramError, match=message):
            from_bytes(changed_header(content, change))


def test_targets() -> None:
    machine = os.uname().machine
    check_target(Target("host", f"{machine}-unknown-linux-gnu", features=["+64bit", "-avx512er"]))
    other = "aarch64" if machine == "x86_64" else "x86_64"
    with pytest.raises(TargetMismatchError, match=f"compiled for {other}"):
        check_target(Target("other", f"{other}-unknown-linux-gnu"))
    with pytest.raises(TargetMismatchError, match="windows-msvc"):
        check_target(Target("windows", f"{machine}-pc-windows-msvc"))
    if machine == "x86_64" and "amx_tile" not in processor_flags():
        with pytest.raises(TargetMismatchError, match="this processor lacks amx-tile"):
            check_target(Target("sapphire_rapids", "x86_64-unknown-linux-gnu", features=["+sse4.2", "+amx-tile"]))


def test_models_for_other_machines_are_saved_but_not_run(kernels, tmp_path) -> None:
    target = target_by_name("aarch64_neon" if os.uname().machine == "x86_64" else "x86_64")
    program = weights_executable(kernels).program
    program.target = Target(target.name, target.triple, target.cpu)
    image = compile_module("define void @add(ptr %a, i64 %t, i64 %n) { ret void }", target)
    executable = Executable(program, image, bytes(4000))
    with pytest.raises(TargetMismatchError, match=f"compiled for {target.triple}"):
        executable.run({"x": np.zeros(2, np.float32)})
    path = tmp_path / "other.lamina"
    executable.save(path)
    with pytest.raises(TargetMismatchError, match=f"compiled for {target.triple}"):
        load(path)


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the levels are those of x86-64")
def test_levels_of_x86_64(monkeypatch) -> None:
    old = "fpu sse sse2 pni ssse3 sse4_1 sse4_2 popcnt avx f16c"
    monkeypatch.setattr("lamina.runtime.machine.processor_flags", lambda: frozenset(old.split()))
    check_target(Target("old", "x86_64-unknown-linux-gnu", "x86-64-v2"))
    with pytest.raises(TargetMismatchError, match="lacks avx2, bmi, bmi2, fma, lzcnt, movbe:"):
        check_target(Target("avx2", "x86_64-unknown-linux-gnu", "x86-64-v3"))


def test_this_machine_has_what_its_target_needs() -> None:
    target = host_target()
    check_target(Target(target.name, target.triple, target.cpu, list(target.features)))


def test_a_large_model_loads_fast(kernels, tmp_path) -> None:
    path = tmp_path / "large.lamina"
    weights_executable(kernels, 25_000_000).save(path)
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        executable = load(path)
        times.append(time.perf_counter() - begin)
    assert min(times) < 0.05
    assert executable.run({"x": np.zeros(2, np.float32)})["y"].tolist() == [0, 1]


def test_loading_needs_numpy_alone(saved: Path) -> None:
    script = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("xdsl", "llvmlite", "onnx", "sympy", "rich", "typer", "platformdirs"):
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocker())
import numpy as np, lamina
print(lamina.load(sys.argv[1]).run({"x": np.zeros(2, np.float32)})["y"].tolist())
"""
    finished = subprocess.run([sys.executable, "-c", script, str(saved)], capture_output=True, text=True, timeout=60)
    assert finished.stdout.strip() == "[0.0, 1.0]", finished.stderr


def test_manifest_round_trip(kernels) -> None:
    program = weights_executable(kernels).program
    assert Program.from_dict(json.loads(json.dumps(program.to_dict()))) == program
