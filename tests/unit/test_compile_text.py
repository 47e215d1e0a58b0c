"""``lamina compile`` of text: what --dump-phases wrote, edited or not, becomes a model that gives the same results."""

from __future__ import annotations

import contextlib
import re
import sys
from pathlib import Path

import lamina
import numpy as np
import onnx
import pytest
from lamina.cli.lamina import main
from onnx import TensorProto, helper, numpy_helper


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """y = x @ w, and what ``lamina compile --dump-phases`` leaves beside it."""
    weight = np.random.default_rng(0).standard_normal((16, 32), dtype=np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 32])],
        [numpy_helper.from_array(weight, "w")],
    )
    path = tmp_path_factory.mktemp("model") / "product.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    code = exit_code("compile", path, "-o", path.with_suffix(".lamina"), "--dump-phases", path.parent / "phases")
    assert code == 0
    return path


def exit_code(*arguments: str | Path) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["lamina", *map(str, arguments)])
        try:
            main()
        except SystemExit as exit:
            return int(exit.code or 0)
    return 0


def outputs(path: Path) -> np.ndarray:
    x = np.random.default_rng(1).standard_normal((7, 16), dtype=np.float32)
    return lamina.load(path).run({"x": x})["y"]


@pytest.mark.parametrize("phase", ["0-import", "1-graph", "2-kernel", "3-schedule", "4-loops", "5-llvm"])
def test_text_of_each_phase_compiles_on(model: Path, tmp_path: Path, phase: str) -> None:
    compiled = tmp_path / "on.lamina"
    assert exit_code("compile", model.parent / "phases" / f"{phase}.mlir", "-o", compiled) == 0
    np.testing.assert_array_equal(outputs(compiled), outputs(model.with_suffix(".lamina")))


def test_lamina_opt_writes_models(model: Path, tmp_path: Path) -> None:
    from lamina.cli.lamina_opt import main as lamina_opt

    phases, compiled = model.parent / "phases", tmp_path / "opt.lamina"
    arguments = [phases / "4-loops.mlir", "--constants", phases / "constants.npz", "--from", "loops", "--to", "llvm"]
    with contextlib.suppress(SystemExit):
        lamina_opt([*map(str, arguments), "-t", "lamina", "-o", str(compiled)])
    np.testing.assert_array_equal(outputs(compiled), outputs(model.with_suffix(".lamina")))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            (" sizes [N]", ""),
            "this call gives it (memref<?xf32>, memref<?xf32>, memref<?xf32>, index, index)",
        ),
        ((" sizes [N]", " sizes [M]"), 'was written for sizes ["N"], this call gives it ["M"]'),
        ((" sizes [N]", " scratch [64] sizes [N]"), "this call gives it (memref"),
        ((" = @gemm", " = @gem"), "no kernel is called @gem_"),
        (("buffer output 0", "buffer output 1"), "%y is output 1, and is not returned as that"),
    ],
)
def test_wrong_edits_of_calls_are_shown_where_they_stand(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], edit: tuple[str, str], message: str
) -> None:
    text = (model.parent / "phases" / "4-loops.mlir").read_text()
    assert text.count(edit[0]) == 1
    edited = tmp_path / "4-loops.edited.mlir"
    edited.write_text(text.replace(*edit))
    constants = model.parent / "phases" / "constants.npz"
    assert exit_code("compile", edited, "--constants", constants, "-o", tmp_path / "none.lamina") == 1
    errors = " ".join(capsys.readouterr().err.split())
    assert message in errors
    line = next(number for number, line in enumerate(text.splitlines(), 1) if edit[0] in line)
    assert f"4-loops.edited.mlir:{line}:" in errors


def test_edited_text_elsewhere_needs_its_phase_and_constants(model: Path, tmp_path: Path) -> None:
    text = (model.parent / "phases" / "3-schedule.mlir").read_text()
    edited = tmp_path / "edited.mlir"
    edited.write_text(re.sub(r"m tile \d+", "m tile 2", text))
    compiled = tmp_path / "edited.lamina"
    constants = model.parent / "phases" / "constants.npz"
    assert exit_code("compile", edited, "-o", compiled) == 2
    assert exit_code("compile", edited, "--from", "schedule", "-o", compiled) == 1
    assert not compiled.exists()
    assert exit_code("compile", edited, "--from", "schedule", "--constants", constants, "-o", compiled) == 0
    np.testing.assert_array_equal(outputs(compiled), outputs(model.with_suffix(".lamina")))


def test_text_shows_lower_levels(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("compile", model.parent / "phases" / "3-schedule.mlir", "--emit", "loops", "-o", "-") == 0
    assert "scf.for" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["phases/3-schedule.mlir", "--emit", "kernel"], "cannot go from phase 'schedule' back to 'kernel'"),
        (["phases/4-loops.mlir", "--emit", "schedule"], "cannot go from phase 'loops' back to 'schedule'"),
        (["phases/3-schedule.mlir", "--dim", "N=1"], "dims are fixed when a model is imported"),
        (["phases/3-schedule.mlir", "--from", "scheduel"], "expected one of import"),
        (["product.onnx", "--from", "schedule"], "goes with .mlir text"),
    ],
)
def test_what_does_not_go_together_is_wrong_usage(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(model.parent)
    assert exit_code("compile", *arguments, "-o", "none.lamina") == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not Path("none.lamina").exists()
