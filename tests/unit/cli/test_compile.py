"""``lamina compile``: files, the text of every level, and what is left when it fails."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest
from lamina.cli.commands.compile import LEVELS
from lamina.pipeline import PHASE_NAMES
from lamina.runtime.executable import load
from lamina.runtime.files import replaced_file


def test_writes_a_file_that_runs(lamina, model: Path, tmp_path: Path) -> None:
    compiled = tmp_path / "add.lamina"
    code, output, _ = lamina("compile", model, "-o", compiled, "--shape", "5x4", "--json")
    assert code == 0
    report = json.loads(output)
    assert report["bytes"] == compiled.stat().st_size
    assert report["output"] == str(compiled)
    assert set(report["phases"]) == set(PHASE_NAMES)
    assert report["kernels"] == 1
    code, output, _ = lamina("run", compiled)
    assert code == 0
    assert "5 x 4" in output


@pytest.mark.parametrize("source", ["model", "schedule"])
def test_keeps_denormals_on_request(lamina, model: Path, tmp_path: Path, source: str) -> None:
    if source != "model":
        assert lamina("compile", model, "--dump-phases", tmp_path, "-o", tmp_path / "flush.lamina")[0] == 0
        model = tmp_path / "3-schedule.mlir"
    for denormals in ("flush", "keep"):
        path = tmp_path / f"{denormals}.lamina"
        assert lamina("compile", model, "--denormals", denormals, "-o", path)[0] == 0
        assert load(path).image.keeps_denormals == (denormals == "keep")


def test_knows_the_phases() -> None:
    assert LEVELS == PHASE_NAMES


@pytest.mark.parametrize("level", [*PHASE_NAMES, "ll", "asm"])
def test_emits_every_level(lamina, model: Path, level: str) -> None:
    code, output, _ = lamina("compile", model, "--emit", level, "--target", "avx2", "-o", "-")
    assert code == 0
    marks = {"ll": "define", "asm": ".text", "import": "graph.add", "schedule": "schedule.stage", "llvm": "llvm.func"}
    assert marks.get(level, "func.func") in output


def test_emits_an_object_for_another_machine(lamina, model: Path, tmp_path: Path) -> None:
    path = tmp_path / "add.o"
    assert lamina("compile", model, "--emit", "obj", "--target", "aarch64_neon", "-o", path)[0] == 0
    machine_field = path.read_bytes()[18:20]
    assert machine_field == b"\xb7\x00", "ELF for AArch64"


def test_dumps_phases_and_times_passes(lamina, model: Path, tmp_path: Path) -> None:
    arguments = ("--dump-phases", tmp_path / "phases", "--verify-each", "--time-passes", "-o", tmp_path / "x.lamina")
    code, _, errors = lamina("compile", model, *arguments)
    assert code == 0
    assert "lower-graph-to-kernel" in errors
    dumped = sorted(path.name for path in (tmp_path / "phases").iterdir())
    assert dumped[:3] == ["0-import.mlir", "1-graph.mlir", "2-kernel.mlir"]
    assert "constants.npz" in dumped


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file(lamina, model: Path, tmp_path: Path, monkeypatch, failure) -> None:
    def fail(*_arguments) -> None:
        raise failure

    monkeypatch.setattr("lamina.passes.graph.fuse_softmax.GraphFuseSoftmaxPass.apply", fail)
    compiled = tmp_path / "add.lamina"
    compiled.write_text("before")
    code, _, errors = lamina("compile", model, "-o", compiled)
    assert code == (130 if failure is KeyboardInterrupt else 1)
    assert "Traceback" not in errors
    assert [path.name for path in tmp_path.iterdir()] == ["add.lamina"]
    assert compiled.read_text() == "before"


def test_replaced_files(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_text("old")
    link.symlink_to(real)
    with replaced_file(link) as partial:
        partial.write_text("new")
        assert real.read_text() == "old"
    assert link.is_symlink() and real.read_text() == "new"
    with replaced_file(Path("/dev/null")) as device:
        assert device == Path("/dev/null")
    with pytest.raises(FileNotFoundError, match="absent/x"), replaced_file(tmp_path / "absent" / "x"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "real"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--emit", "cobol"], "'cobol': expected one of lamina, import"),
        (["--target", "z80"], "unknown target 'z80': expected host or one of x86_64"),
        (["-o", "MODEL"], "overwrite"),
        (["-o", "-"], "cannot be printed"),
        (["-o", "/no/such/folder/x.lamina"], "no folder '/no/such/folder'"),
        (["-o", "/tmp"], "is a folder"),
        (["-o", "-", "--emit", "graph", "--json"], "both the report and the text"),
    ],
)
def test_wrong_usage_exits_with_2(lamina, model: Path, arguments: list[str], message: str) -> None:
    code, _, errors = lamina("compile", model, *(str(model) if word == "MODEL" else word for word in arguments))
    assert code == 2
    assert message in errors


def test_a_full_disk_names_the_compiled_model(tmp_path: Path, model: Path, lamina, monkeypatch) -> None:
    def full(executable: object, stream: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("lamina.runtime.file_format.write", full)
    code, _, errors = lamina("compile", model, "-o", tmp_path / "out.lamina")
    assert code == 1
    assert f"'{tmp_path / 'out.lamina'}': no space left on device" in errors
    assert list(tmp_path.glob("*out.lamina*")) == []


@pytest.mark.parametrize("source", ["model", "graph"])
def test_rounds_on_request(lamina, model: Path, tmp_path: Path, source: str) -> None:
    if source != "model":
        assert lamina("compile", model, "--dump-phases", tmp_path, "-o", tmp_path / "f32.lamina")[0] == 0
        model = tmp_path / "1-graph.mlir"
    for precision in ("f32", "bf16"):
        path = tmp_path / f"{precision}.lamina"
        assert lamina("compile", model, "--precision", precision, "-o", path)[0] == 0
        assert load(path).precision == precision
    code, _, errors = lamina("compile", model, "--precision", "half")
    assert code == 2
    assert all(choice in errors for choice in ("f32", "bf16", "f16"))
