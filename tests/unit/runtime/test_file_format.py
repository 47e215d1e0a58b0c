from __future__ import annotations

import ast
import hashlib
import json
import multiprocessing
import os
import random
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from lamina.backend.compile_image import compile_image
from lamina.machines import host_target, target_by_name
from lamina.runtime import file_format
from lamina.runtime.errors import FileFormatError, LaminaError, ProgramError, TargetMismatchError
from lamina.runtime.executable import Executable, from_bytes, load
from lamina.runtime.file_format import to_bytes
from lamina.runtime.files import YOUNG_SECONDS
from lamina.runtime.machine import check_target, processor_flags
from lamina.runtime.program import ArrayType, Buffer, Constant, Program, RequiredMachine, Segment, Stage

HEADER = 96


def weights_executable(kernels, count: int = 1000) -> Executable:
    tensor = ArrayType("float32", ["N"])
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


def test_what_a_killed_save_left_goes_with_the_next(kernels, saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = saved.read_bytes()
    executable = weights_executable(kernels, 5000)
    with monkeypatch.context() as patch:
        patch.setattr(file_format, "write", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        process = multiprocessing.get_context("fork").Process(target=executable.save, args=(saved,))
        process.start()
        process.join()
    assert process.exitcode == -signal.SIGKILL
    assert saved.read_bytes() == before
    (partial,) = (path for path in saved.parent.iterdir() if path != saved)
    old = time.time() - 2 * YOUNG_SECONDS
    os.utime(partial, (old, old))
    executable.save(saved)
    assert list(saved.parent.iterdir()) == [saved]


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
    with pytest.raises(FileFormatError, match="file version 99: this runtime reads version 3"):
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
        (unknown_field, r"not a RequiredMachine: unknown fields \['b'\]"),
        (rename_function, "the code defines no function 'ad'"),
    ]:
        with pytest.raises(ProgramError, match=message):
            from_bytes(changed_header(content, change))


def changed_file(content: bytes, header: dict | str) -> bytes:
    """The file with another header, or text in its place, and a checksum that is right for it."""
    _, code_offset, code_size, constants_offset, constants_size = struct.unpack_from("<5Q", content, 16)
    text = (header if isinstance(header, str) else json.dumps(header, separators=(",", ":"))).encode()
    new_code = -(-(HEADER + len(text)) // 4096) * 4096
    new_constants = new_code - (-code_size // 4096) * 4096
    changed = bytearray(new_constants + constants_size)
    changed[:16] = content[:16]
    struct.pack_into("<6Q", changed, 16, len(text), new_code, code_size, new_constants, constants_size, len(changed))
    changed[HEADER : HEADER + len(text)] = text
    changed[new_code : new_code + code_size] = content[code_offset : code_offset + code_size]
    changed[new_constants:] = content[constants_offset:]
    return with_new_digest(changed)


def header_of(content: bytes) -> dict:
    return json.loads(content[HEADER : HEADER + struct.unpack_from("<Q", content, 16)[0]])


def test_every_changed_byte_is_refused(kernels) -> None:
    """Preamble, header, code, constants, and the zeros between them."""
    content = to_bytes(weights_executable(kernels))
    generator = random.Random(1)
    for _ in range(400):
        changed = bytearray(content)
        place = generator.randrange(len(content))
        changed[place] ^= 1 << generator.randrange(8)
        with pytest.raises(FileFormatError):
            from_bytes(bytes(changed))


@pytest.mark.parametrize("field", range(7))
@pytest.mark.parametrize("value", [0, 1, 4097, 1 << 31, 1 << 62, (1 << 64) - 1])
def test_preambles_with_a_right_checksum_and_wrong_numbers(kernels, field: int, value: int) -> None:
    content = bytearray(to_bytes(weights_executable(kernels)))
    offset, size = (8, 4) if field == 0 else (16 + 8 * (field - 1), 8)
    if int.from_bytes(content[offset : offset + size], "little") == value % (1 << 8 * size):
        pytest.skip("the number that it has")
    struct.pack_into("<I" if size == 4 else "<Q", content, offset, value % (1 << 8 * size))
    with pytest.raises(FileFormatError):
        from_bytes(bytes(content))
    digest = hashlib.sha256(content[:64])  # As somebody would make it who has changed the number on purpose.
    sizes = struct.unpack_from("<QQQ", content, 16)
    digest.update(content[HEADER : HEADER + sizes[0]])
    digest.update(content[sizes[1] : sizes[1] + sizes[2]])
    content[64:96] = digest.digest()
    with pytest.raises(FileFormatError):
        from_bytes(bytes(content))


HOSTILE_VALUES = [None, -1, 0, 2**62, 2**200, 1.5, "", "N", "-N", "9**9", "1//0", "object", [], {}, [1], True, [["a"]]]


def places_in(node: object, path: tuple = ()) -> list[tuple]:
    """The paths of everything in lists and dicts."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    found = [place for key, value in items for place in places_in(value, (*path, key))]
    return [path, *found] if path else found


def test_hostile_manifests_with_right_checksums(kernels) -> None:
    """Any one entry replaced by any value, removed or repeated: an error that says why, or a model."""
    content = to_bytes(weights_executable(kernels))
    header = header_of(content)
    generator = random.Random(2)
    refused = 0
    for _ in range(500):
        changed = json.loads(json.dumps(header))
        *way, last = generator.choice(places_in(changed))
        parent = changed
        for key in way:
            parent = parent[key]
        kind = generator.randrange(8)
        if kind == 0:
            del parent[last]
        elif kind == 1 and isinstance(parent, list):
            parent.append(parent[last])
        else:
            parent[last] = generator.choice(HOSTILE_VALUES)
        try:
            from_bytes(changed_file(content, changed), 1)
        except LaminaError as error:
            refused += 1
            assert len(str(error)) > 20
    assert refused > 250


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("buffers.1.nbytes = 4004", "4004 bytes of a constant that has 4000"),
        ("buffers.1.nbytes = -4", "-4 bytes"),
        ("stages.0.arguments.1.2 = 4001", "byte 4001 lies outside of its 4000 bytes"),
        ("stages.0.arguments.1.2 = -1", "byte -1 lies outside"),
        ("stages.0.arguments.3 = 7", "is no argument: expected buffer, name, offset or dim, value"),
        ("buffers.0.nbytes = '4*N**9'", "not a dimension expression"),
        ("buffers.0.nbytes = '__import__(\"os\")'", "not a dimension expression"),
        ("inputs.0.dtype = 'object'", "'object' is no dtype of a tensor"),
        ("inputs.0.shape.0 = 1.5", "'shape' is \\[1.5\\], expected list\\[Dimension\\]"),
    ],
)
def test_contradictory_segments(kernels, change: str, message: str) -> None:
    content = to_bytes(weights_executable(kernels))
    header = header_of(content)
    place, value = change.split(" = ")
    *way, last = place.split(".")
    parent = header["program"]["segments"]["main"]
    for key in way:
        parent = parent[int(key) if isinstance(parent, list) else key]
    parent[int(last) if isinstance(parent, list) else last] = ast.literal_eval(value)
    with pytest.raises(ProgramError, match=message):
        from_bytes(changed_file(content, header))


def test_headers_nested_without_end(kernels) -> None:
    content = to_bytes(weights_executable(kernels))
    header = header_of(content)
    header["program"]["metadata"] = "PLACE"
    for deep in ("[" * 100_000 + "]" * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000):
        with pytest.raises(LaminaError):
            from_bytes(changed_file(content, json.dumps(header).replace('"PLACE"', deep)))


def test_nothing_of_the_code_runs_while_a_file_is_loaded(kernels) -> None:
    executable = weights_executable(kernels)
    content = to_bytes(executable)
    header = header_of(content)
    name, offset = "lamina_support_version", executable.image.symbols["add"]  # Reads through a null pointer.
    header["symbols"][name] = [offset, file_format._mark(name, bytes(executable.image.data), offset)]
    from_bytes(changed_file(content, header))
    header["driver_version"] += 1
    with pytest.raises(ProgramError, match="thread driver version"):
        from_bytes(changed_file(content, header))


def test_what_is_no_file(tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, Path("/dev/zero")):
        with pytest.raises((FileFormatError, OSError)):
            load(path)


SECOND_PROCESS = """
import re, sys
import numpy as np
import lamina
def private_kib():
    text = open("/proc/self/smaps_rollup").read()
    return sum(int(kib) for kib in re.findall(r"^Private_\\w+: +(\\d+) kB", text, re.MULTILINE))
before = private_kib()
executable = lamina.load(sys.argv[1])
executable.run({"x": np.zeros(10_000_000, np.float32)})  # Reads all of the weights.
print(private_kib() - before, flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="the kernel does not tell")
def test_a_second_process_adds_little_memory(kernels, tmp_path) -> None:
    path = tmp_path / "large.lamina"
    count = 10_000_000
    weights_executable(kernels, count).save(path)
    command = [sys.executable, "-c", SECOND_PROCESS, str(path)]
    processes = []
    try:
        added = []
        for _ in range(2):
            pipe = subprocess.PIPE
            processes.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True))
            added.append(int(processes[-1].stdout.readline()))
    finally:
        for process in processes:
            process.communicate("", timeout=60)
    # The first one has the pages of the file to itself; the second one shares them.
    assert added[1] < 4 * count / 1024 * 0.2, f"{added[1]} KiB were added for {4 * count >> 10} KiB of weights"


def test_targets() -> None:
    machine = os.uname().machine
    check_target(RequiredMachine("host", f"{machine}-unknown-linux-gnu", features=["+64bit", "-avx512er"]))
    other = "aarch64" if machine == "x86_64" else "x86_64"
    with pytest.raises(TargetMismatchError, match=f"compiled for {other}"):
        check_target(RequiredMachine("other", f"{other}-unknown-linux-gnu"))
    with pytest.raises(TargetMismatchError, match="windows-msvc"):
        check_target(RequiredMachine("windows", f"{machine}-pc-windows-msvc"))
    if machine == "x86_64" and "amx_tile" not in processor_flags():
        with pytest.raises(TargetMismatchError, match="this processor lacks amx-tile"):
            check_target(
                RequiredMachine("sapphire_rapids", "x86_64-unknown-linux-gnu", features=["+sse4.2", "+amx-tile"])
            )


def test_models_for_other_machines_are_saved_but_not_run(kernels, tmp_path) -> None:
    target = target_by_name("aarch64_neon" if os.uname().machine == "x86_64" else "x86_64")
    program = weights_executable(kernels).program
    program.target = RequiredMachine(target.name, target.triple, target.cpu)
    image = compile_image("define void @add(ptr %a, i64 %t, i64 %n) { ret void }", target)
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
    check_target(RequiredMachine("old", "x86_64-unknown-linux-gnu", "x86-64-v2"))
    with pytest.raises(TargetMismatchError, match="lacks avx2, bmi, bmi2, fma, lzcnt, movbe:"):
        check_target(RequiredMachine("avx2", "x86_64-unknown-linux-gnu", "x86-64-v3"))


def test_this_machine_has_what_its_target_needs() -> None:
    target = host_target()
    check_target(RequiredMachine(target.name, target.triple, target.cpu, list(target.features)))


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
