"""``lamina verify`` at the command line; that it finds faults is tested in tests/unit/verification."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from lamina.cli.commands.verify import _verdict
from lamina.dialects.graph.constants import ConstantOp
from lamina.verification import PhaseCheck, VerificationReport


def test_every_phase_of_a_right_model_is_ok(lamina, model: Path) -> None:
    code, output, _ = lamina("verify", model, "--dim", "N=5", "--json")
    report = json.loads(output)
    assert code == 0
    assert report["ok"]
    assert report["first_wrong"] is None
    assert report["reference"].startswith("onnxruntime")
    phases = [check["phase"] for check in report["checks"]]
    assert list(dict.fromkeys(phases)) == ["import", "graph", "kernel", "schedule", "loops", "llvm", "run"]
    assert all(check["status"] == "ok" for check in report["checks"])


def test_a_reference_that_did_not_run_is_not_said_to_agree() -> None:
    checks = [PhaseCheck("import", "import against an engine", "ok"), PhaseCheck("graph", "graph against import", "ok")]
    assert _verdict(VerificationReport("m.onnx", "an engine", checks)).startswith(
        "every phase computes what an engine does"
    )
    checks[0] = PhaseCheck("import", "import against an engine", "skipped")
    assert "nothing was compared with an engine" in _verdict(VerificationReport("m.onnx", "an engine", checks))


@pytest.fixture
def doubled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass that doubles every constant."""

    def double_constants(self, ctx, op) -> None:
        for operation in op.walk():
            if isinstance(operation, ConstantOp):
                name = ctx.constants.add(ctx.constants[operation.handle] * 2, "doubled")
                operation.properties["handle"] = type(operation.properties["handle"])(name)

    monkeypatch.setattr("lamina.passes.graph.fuse_softmax.GraphFuseSoftmaxPass.apply", double_constants)


def test_the_first_wrong_op_is_named(lamina, model: Path, doubled: None) -> None:
    code, output, _ = lamina("verify", model, "--dim", "N=5")
    assert code == 1
    assert "first wrong: phase graph, graph.add %y" in output
    assert "--bisect names the pass" in output


def test_bisect_names_the_pass_and_keeps_its_text(lamina, model: Path, doubled: None, tmp_path: Path) -> None:
    folder = tmp_path / "wrong"
    code, output, _ = lamina("verify", model, "--dim", "N=5", "--reproduce", folder)
    assert code == 1
    assert "pass graph-fuse-softmax" in output
    names = {path.name for path in folder.iterdir()}
    assert names == {"before.mlir", "after.mlir", "constants.npz", "inputs.npz", "expected.npz", "README.md"}
    assert (
        "lamina-opt before.mlir --constants constants.npz -p 'graph-fuse-softmax'" in (folder / "README.md").read_text()
    )


def test_expected_outputs_take_the_place_of_the_reference(lamina, model: Path, tmp_path: Path) -> None:
    x = np.ones((2, 4), np.float32)
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "wrong.npz", y=x)
    arguments = ("verify", model, "--input", f"x={tmp_path / 'x.npy'}", "--expect", tmp_path / "wrong.npz", "--json")
    code, output, _ = lamina(*arguments)
    wrong = json.loads(output)["first_wrong"]
    assert code == 1
    assert (wrong["phase"], wrong["output"]) == ("import", "y")
    assert (wrong["deviation"]["found"], wrong["deviation"]["expected"]) == (5.0, 1.0)
    code, output, _ = lamina(*arguments, "--atol", "10")
    assert code == 0


def test_a_compiled_model_is_refused(lamina, model: Path, tmp_path: Path) -> None:
    lamina("compile", model, "-o", tmp_path / "m.lamina")
    code, _, errors = lamina("verify", tmp_path / "m.lamina")
    assert code == 2
    assert "the .onnx model is needed" in errors


# --- texts ----------------------------------------------------------------------------------------------


@pytest.fixture
def phases(lamina, model: Path, tmp_path: Path) -> Path:
    assert lamina("compile", model, "-o", tmp_path / "m.lamina", "--dump-phases", tmp_path)[0] == 0
    return tmp_path


def test_a_text_is_checked_from_its_phase_on(lamina, model: Path, phases: Path) -> None:
    for phase, others in (("2-kernel", ["schedule"]), ("3-schedule", [])):
        code, output, _ = lamina("verify", phases / f"{phase}.mlir", "--dim", "N=5", "--source", model, "--json")
        report = json.loads(output)
        assert code == 0
        found = list(dict.fromkeys(check["phase"] for check in report["checks"]))
        assert found == [phase[2:], *others, "loops", "llvm", "run"]
        assert all(check["status"] == "ok" for check in report["checks"])


def test_what_an_edit_makes_of_the_results_shows_beside_the_source(lamina, model: Path, phases: Path) -> None:
    edited = phases / "3-schedule.edited.mlir"
    edited.write_text((phases / "3-schedule.mlir").read_text().replace("arith.addf", "arith.subf"))
    code, output, _ = lamina("verify", edited, "--dim", "N=5")
    assert code == 0
    assert "nothing was compared with the model that the text comes from" in output
    code, output, _ = lamina("verify", edited, "--dim", "N=5", "--source", model)
    assert code == 1
    assert "first wrong: phase schedule" in output


def test_a_mistake_in_a_text_has_a_place(lamina, phases: Path) -> None:
    edited = phases / "3-schedule.edited.mlir"
    edited.write_text((phases / "3-schedule.mlir").read_text().replace("output 0", "output 1"))
    code, _, errors = lamina("verify", edited)
    assert code == 1
    assert f"{edited}:" in errors
    assert "is output 1, and is not returned as that" in errors


def test_what_goes_with_text_alone_is_wrong_usage_otherwise(lamina, model: Path) -> None:
    assert lamina("verify", model, "--source", model)[0] == 2
