"""Compiled models between processes: found without the compiler, never stale, never wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import lamina
import numpy as np
import onnx
import pytest
from lamina import compiler
from lamina.cache import entries, models
from lamina.frontend import registry
from lamina.machines import TARGETS
from lamina.pipeline import PipelineOptions
from onnx import TensorProto, helper, numpy_helper

WEIGHTS = np.arange(48, dtype=np.float32).reshape(16, 3) / 7
X = np.linspace(-1, 1, 32, dtype=np.float32).reshape(2, 16)

# Prints the sum of the outputs; then what was imported of the compiler.
RUN = """
import sys
import numpy as np
import lamina
executable = lamina.compile(sys.argv[1])
print(float(executable.run({"x": np.ones((2, 16), np.float32)})["y"].sum()))
print(*(name for name in ("onnx", "xdsl", "llvmlite", "sympy") if name in sys.modules))
"""

CHILDREN = """
import os, resource, signal, sys
import numpy as np
import lamina
from lamina.runtime import file_format
wanted = os.environ["LAMINA_CACHE"]
os.environ["LAMINA_CACHE"] = "off"
lamina.compile(sys.argv[1])
os.environ["LAMINA_CACHE"] = wanted
pids = []
for _ in range(int(sys.argv[2])):
    pids.append(os.fork())
    if pids[-1] == 0:
        exec(sys.argv[3])
        executable = lamina.compile(sys.argv[1])
        total = executable.run({"x": np.ones((2, 16), np.float32)})["y"].sum()
        os.write(1, f"sum {float(total)}\\n".encode())
        os._exit(0)
for pid in pids:
    os.write(1, f"exit {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}\\n".encode())
"""


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("LAMINA_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("LAMINA_CACHE", "on")
    monkeypatch.delenv("LAMINA_CACHE_LIMIT", raising=False)
    monkeypatch.setattr(entries, "_uncounted_bytes", [])
    return tmp_path / "cache"


def make_model(weights: np.ndarray = WEIGHTS) -> onnx.ModelProto:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["product"]), helper.make_node("Relu", ["product"], ["y"])]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 16])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])
    graph = helper.make_graph(nodes, "small", [x], [y], [numpy_helper.from_array(weights, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"key": "text"})
    return model


@pytest.fixture
def path(tmp_path) -> Path:
    onnx.save(make_model(), tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


@pytest.fixture
def compiled(monkeypatch) -> list[object]:
    """The models that were compiled anew, in order."""
    seen: list[object] = []
    compile_anew = compiler._compile_anew
    monkeypatch.setattr(compiler, "_compile_anew", lambda model, **k: seen.append(model) or compile_anew(model, **k))
    return seen


def check(executable, weights: np.ndarray = WEIGHTS) -> None:
    np.testing.assert_allclose(executable.run({"x": X})["y"], np.maximum(X @ weights, 0), rtol=1e-5, atol=1e-6)


def kept(root: Path, suffix: str = ".lamina") -> list[Path]:
    return sorted((root / "models").glob(f"*{suffix}"))


def run_fresh(path: Path) -> tuple[float, list[str]]:
    """The sum of the outputs that a fresh process gets, and what it imported of the compiler."""
    command = [sys.executable, "-c", RUN, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    total, modules = done.stdout.splitlines()
    return float(total), modules.split()


def run_children(path: Path, count: int, setup: str = "", **environment: str) -> list[tuple[int, str]]:
    """Exit codes of processes that compile the model at the same time, and the sums that they get.

    Each is a copy of one that has imported the compiler, which takes longer than everything else.
    """
    command = [sys.executable, "-c", CHILDREN, str(path), str(count), setup]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env={**os.environ, **environment})
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    sums = [total for kind, total in lines if kind == "sum"]
    codes = [int(code) for kind, code in lines if kind == "exit"]
    return list(zip(codes, sums or [""] * count, strict=True))


def test_a_model_is_compiled_once(path: Path, root: Path, compiled: list[object]) -> None:
    content = path.read_bytes()
    model = onnx.load(path)
    for source in (path, str(path), content, memoryview(content), model, onnx.load(path)):
        check(lamina.compile(source))
    assert compiled in ([path], [path, model])  # Protobuf may write a model otherwise than the file was written.
    assert len(kept(root)) == len(compiled)
    assert lamina.compile(path, threads=3).threads == 3


def test_a_fresh_process_needs_no_compiler(path: Path, root: Path) -> None:
    expected = float(np.maximum(np.ones((2, 16), np.float32) @ WEIGHTS, 0).sum())
    lamina.compile(path)
    assert run_fresh(path) == (pytest.approx(expected), [])


def test_it_can_be_switched_off(path: Path, root: Path, compiled: list[object], monkeypatch) -> None:
    monkeypatch.setenv("LAMINA_CACHE", "off")
    for _ in range(2):
        check(lamina.compile(path))
    assert len(compiled) == 2 and not root.exists()


def test_sessions_use_it_and_keep_what_the_model_says_of_itself(path: Path, compiled: list[object]) -> None:
    for source in (path, path.read_bytes()) * 2:
        session = lamina.InferenceSession(source)
        assert session.get_modelmeta().custom_metadata_map == {"key": "text"}
        np.testing.assert_array_equal(session.run(None, {"x": X})[0] > 0, X @ WEIGHTS > 0)
    assert compiled == [path]


def test_the_weights_of_who_compiled_are_shared_too(path: Path, root: Path) -> None:
    executable = lamina.compile(path)
    assert str(kept(root)[0]) in Path("/proc/self/maps").read_text()
    assert not executable.constants.flags.writeable


def test_what_is_asked_for_tells_entries_apart(path: Path, root: Path, compiled: list[object]) -> None:
    requests = [{}, {"shapes": {"N": 2}}, {"shapes": {"N": 4}}, {"shapes": {"x": [2, 16]}}, {"target": "x86_64"}]
    if os.uname().machine != "x86_64":
        requests.pop()
    for request in requests * 2:
        if request == {"shapes": {"N": 4}}:
            assert lamina.compile(path, **request).inputs[0].shape == (4, 16)
        else:
            check(lamina.compile(path, **request))
    assert len(compiled) == len(kept(root)) == len(requests)
    lamina.compile(path, shapes={"N": np.int64(2)})
    lamina.compile(path, shapes={"x": (2, 16)})
    assert len(compiled) == len(requests)


def test_targets_are_told_apart_by_what_they_are() -> None:
    narrow = replace(TARGETS["avx2"], l2_bytes=1)
    names = {models.find_entry(b"model", None, target)._name() for target in ("host", "avx2", TARGETS["avx2"], narrow)}
    assert len(names) == 4


def test_shapes_without_a_text_of_their_own_are_not_kept() -> None:
    assert models.find_entry(b"model", {"N": 1.5}, "host") is None


def test_another_model_under_the_same_name(path: Path, compiled: list[object]) -> None:
    check(lamina.compile(path))
    status = path.stat()
    content = path.read_bytes()
    path.write_bytes(content.replace(WEIGHTS.tobytes(), (WEIGHTS + 1).tobytes()))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    check(lamina.compile(path), WEIGHTS + 1)
    path.write_bytes(content)
    check(lamina.compile(path))
    assert len(compiled) == 2


def test_another_compiler(path: Path, compiled: list[object], monkeypatch) -> None:
    lamina.compile(path)
    monkeypatch.setattr(models, "compiler_identity", lambda: b"another")
    lamina.compile(path)
    assert len(compiled) == 2
    monkeypatch.setattr(models, "compiler_identity", lambda: None)
    lamina.compile(path)
    assert len(compiled) == 3


def test_a_program_with_operators_of_its_own_is_not_served(path: Path, compiled: list[object], monkeypatch) -> None:
    assert not registry.has_foreign_converters()
    lamina.compile(path)
    monkeypatch.setattr(registry, "_CONVERTERS", {**registry._CONVERTERS, ("mine", "Twice"): {1: make_model}})
    assert registry.has_foreign_converters()
    lamina.compile(path)
    assert len(compiled) == 2


def test_who_looks_at_the_phases_is_not_served(path: Path, root: Path, compiled: list[object], tmp_path: Path) -> None:
    for options in (PipelineOptions(verify_each=True), PipelineOptions(use_cache=False)):
        check(lamina.compile(path, options=options))
    lamina.compile(path, options=PipelineOptions(dump_folder=tmp_path / "phases"))
    assert len(compiled) == 3 and not kept(root)
    lamina.compile(path, options=PipelineOptions())
    lamina.compile(path, options=PipelineOptions())
    assert len(compiled) == 4 and len(kept(root)) == 1


# --- external data --------------------------------------------------------------------------------------


def save_with_external_data(path: Path, weights: np.ndarray = WEIGHTS) -> None:
    onnx.save(make_model(weights), path, save_as_external_data=True, location="weights.bin", size_threshold=0)


def test_external_data_counts(tmp_path: Path, root: Path, compiled: list[object]) -> None:
    path = tmp_path / "external.onnx"
    save_with_external_data(path)
    content = path.read_bytes()
    for _ in range(2):
        check(lamina.compile(path))
    assert len(compiled) == 1 and len(kept(root, ".files")) == 1
    assert run_fresh(path)[1] == []
    (tmp_path / "weights.bin").write_bytes((2 * WEIGHTS).tobytes())
    assert path.read_bytes() == content
    for _ in range(2):
        check(lamina.compile(path), 2 * WEIGHTS)
    assert len(compiled) == 2
    (tmp_path / "weights.bin").unlink()
    with pytest.raises((lamina.LaminaError, FileNotFoundError), match=r"weights\.bin"):
        lamina.compile(path)


def make_pipe(data: Path, outside: Path) -> None:
    os.mkfifo(data)


def link_to_endless_file(data: Path, outside: Path) -> None:
    data.symlink_to("/dev/zero")


def link_out_of_the_folder(data: Path, outside: Path) -> None:
    outside.write_bytes(WEIGHTS.tobytes())
    data.symlink_to(outside)


@pytest.mark.parametrize("trick", [make_pipe, link_to_endless_file, link_out_of_the_folder])
def test_a_warm_cache_reads_only_what_import_would(tmp_path: Path, trick: Callable[[Path, Path], None]) -> None:
    (tmp_path / "model").mkdir()
    path = tmp_path / "model" / "external.onnx"
    save_with_external_data(path)
    check(lamina.compile(path))
    (path.parent / "weights.bin").unlink()
    trick(path.parent / "weights.bin", tmp_path / "outside.bin")
    with pytest.raises(lamina.LaminaError, match=r"'w': its data .*(no file|outside of the model's folder)"):
        lamina.compile(path)


def test_a_setting_that_is_wrong_costs_no_entry(path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check(lamina.compile(path))
    (entry,) = kept(root)
    monkeypatch.setenv("LAMINA_THREADS", "abc")
    with pytest.raises(lamina.LaminaError, match="LAMINA_THREADS is 'abc'"):
        lamina.compile(path)
    assert kept(root) == [entry] and models.is_intact(entry)


def test_a_lost_or_damaged_list_of_files(tmp_path: Path, root: Path, compiled: list[object]) -> None:
    path = tmp_path / "external.onnx"
    save_with_external_data(path)
    for content in (b"", b"{}", b"[1]", b'["weights.bin', b'["other.bin"]', b"[]"):
        check(lamina.compile(path))
        (listing,) = kept(root, ".files")
        listing.write_bytes(content)
    check(lamina.compile(path))
    for listing in kept(root, ".files"):
        listing.unlink()
    check(lamina.compile(path))
    assert len(compiled) == 8


# --- things that go wrong -------------------------------------------------------------------------------


def test_damaged_entries_are_replaced(path: Path, root: Path, compiled: list[object]) -> None:
    check(lamina.compile(path))
    (entry,) = kept(root)
    content = entry.read_bytes()
    places = [0, 9, 20, 70, 150, len(content) // 3, len(content) // 2, len(content) - 200, len(content) - 1]
    damages = [content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :] for place in places]
    damages += [b"", content[:5000], content[:-1], content + b"\0", content[:-4096] + bytes(4096)]
    for number, damage in enumerate(damages, start=2):
        entry.unlink()
        entry.write_bytes(damage)
        check(lamina.compile(path))
        assert len(compiled) == number, f"damage {number - 2} was not noticed"
        assert entry.read_bytes() == content


def test_a_file_that_changes_meanwhile_is_not_kept(path: Path, root: Path, monkeypatch) -> None:
    compile_anew = compiler._compile_anew

    def replace_then_compile(model, **keywords):
        onnx.save(make_model(WEIGHTS + 1), path)
        return compile_anew(model, **keywords)

    monkeypatch.setattr(compiler, "_compile_anew", replace_then_compile)
    check(lamina.compile(path), WEIGHTS + 1)
    assert not kept(root)


def test_weights_that_change_meanwhile_are_not_kept(tmp_path: Path, root: Path, monkeypatch) -> None:
    path = tmp_path / "external.onnx"
    save_with_external_data(path)
    compile_anew = compiler._compile_anew

    def compile_then_replace(model, **keywords):
        executable = compile_anew(model, **keywords)
        (tmp_path / "weights.bin").write_bytes((WEIGHTS + 1).tobytes())
        return executable

    monkeypatch.setattr(compiler, "_compile_anew", compile_then_replace)
    check(lamina.compile(path))
    assert not kept(root)


def test_code_for_another_machine_is_not_kept(path: Path, root: Path) -> None:
    other = "aarch64_neon" if os.uname().machine == "x86_64" else "x86_64"
    executable = lamina.compile(path, target=other)
    with pytest.raises(lamina.TargetMismatchError):
        executable.run({"x": X})
    assert not kept(root)


def test_errors_are_those_of_compiling(tmp_path: Path, root: Path) -> None:
    (tmp_path / "wrong.onnx").write_bytes(b"no model")
    for _ in range(2):
        with pytest.raises(lamina.LaminaError):
            lamina.compile(tmp_path / "wrong.onnx")
        with pytest.raises((FileNotFoundError, lamina.LaminaError)):
            lamina.compile(tmp_path / "missing.onnx")
    assert not root.exists() or not kept(root)


def test_eight_processes_fill_an_empty_cache_at_once(path: Path, root: Path) -> None:
    results = run_children(path, 8)
    assert {code for code, _ in results} == {0}
    assert len({total for _, total in results}) == 1
    assert len(kept(root)) == 1
    assert not entries.temporary_files()
    assert run_fresh(path) == (float(results[0][1]), [])


KILLED_WHILE_WRITING = """
write = file_format.write
def write_half(executable, stream):
    write(executable, stream)
    stream.flush()
    os.ftruncate(stream.fileno(), os.fstat(stream.fileno()).st_size // 2)
    os.kill(os.getpid(), signal.SIGKILL)
file_format.write = write_half
"""


def test_a_process_killed_while_it_writes(path: Path, root: Path) -> None:
    assert run_children(path, 1, KILLED_WHILE_WRITING) == [(-9, "")]
    assert not kept(root) and len(entries.temporary_files()) == 1
    check(lamina.compile(path))
    assert len(kept(root)) == 1


FULL_DISK = "resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))"


@pytest.mark.parametrize(
    ("setup", "environment"),
    [(FULL_DISK, {}), ("", {"LAMINA_CACHE_DIR": "/proc/version/cache"}), ("", {"LAMINA_CACHE_LIMIT": "100"})],
    ids=["full disk", "no folder", "no room"],
)
def test_trouble_with_the_disk_costs_time_only(setup: str, environment: dict, path: Path, root: Path) -> None:
    ((code, total),) = run_children(path, 1, setup, **environment)
    assert code == 0
    assert float(total) == pytest.approx(float(np.maximum(np.ones((2, 16), np.float32) @ WEIGHTS, 0).sum()))
    assert not [file for file in root.rglob("*") if file.is_file()]
