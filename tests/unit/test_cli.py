"""The commands: what they print, their exit codes, and that wrong input gets a line and not a traceback."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from lamina.cli.lamina import main
from lamina.cli.options import name_the_only_input, parse_constants, parse_dims, parse_shapes
from lamina.cli.timing import measure_in_turn
from lamina.cli.verify import Check, compare, same_bits
from lamina.dialects.graph import ConstantOp
from onnx import TensorProto, helper


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """y = x + bias for any number of rows."""
    bias = helper.make_tensor("bias", TensorProto.FLOAT, [4], [1.0, 2.0, 3.0, 4.0])
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 4])
    graph = helper.make_graph([helper.make_node("Add", ["x", "bias"], ["y"])], "add", [x], [y], [bias])
    path = tmp_path_factory.mktemp("model") / "add.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture
def lamina(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs ``lamina ARGUMENTS``: (exit code, output, errors)."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lamina", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as exit:
            code = int(exit.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_run_shows_random_outputs(lamina, model: Path) -> None:
    code, output, _ = lamina("run", model, "--dim", "N=3")
    assert code == 0
    assert "3 x 4" in output
    assert "random inputs: x" in output


def test_run_reads_inputs_and_keeps_outputs(lamina, model: Path, tmp_path: Path) -> None:
    x = np.arange(8, dtype=np.float32).reshape(2, 4)
    np.save(tmp_path / "x.npy", x)
    out = tmp_path / "out.npz"
    code, output, _ = lamina("run", model, "--input", f"x={tmp_path / 'x.npy'}", "-o", out, "--json")
    assert code == 0
    report = json.loads(output)
    assert report["outputs"][0]["shape"] == [2, 4]
    assert report["random_inputs"] == []
    np.testing.assert_array_equal(np.load(out)["y"], x + [1, 2, 3, 4])


def test_compile_writes_a_file_that_runs(lamina, model: Path, tmp_path: Path) -> None:
    compiled = tmp_path / "add.lamina"
    assert lamina("compile", model, "-o", compiled, "--shape", "5x4")[0] == 0
    code, output, _ = lamina("run", compiled)
    assert code == 0
    assert "5 x 4" in output


@pytest.mark.parametrize("level", ["import", "graph", "kernel", "schedule", "loops", "llvm", "ll", "asm"])
def test_compile_emits_every_level(lamina, model: Path, level: str) -> None:
    code, output, _ = lamina("compile", model, "--emit", level, "--target", "avx2", "-o", "-")
    assert code == 0
    marks = {"ll": "define", "asm": ".text", "import": "graph.add", "schedule": "schedule.stage", "llvm": "llvm.func"}
    assert marks.get(level, "func.func") in output


def test_compile_for_another_machine_emits_an_object(lamina, model: Path, tmp_path: Path) -> None:
    path = tmp_path / "add.o"
    assert lamina("compile", model, "--emit", "obj", "--target", "aarch64_neon", "-o", path)[0] == 0
    machine_field = path.read_bytes()[18:20]
    assert machine_field == b"\xb7\x00", "ELF for AArch64"


def test_compile_dumps_phases_and_times_passes(lamina, model: Path, tmp_path: Path) -> None:
    arguments = ("--dump-phases", tmp_path / "phases", "--verify-each", "--time-passes", "-o", tmp_path / "x.lamina")
    code, _, errors = lamina("compile", model, *arguments)
    assert code == 0
    assert "lower-graph-to-kernel" in errors
    dumped = sorted(path.name for path in (tmp_path / "phases").iterdir())
    assert dumped[:3] == ["0-import.mlir", "1-graph.mlir", "2-kernel.mlir"]
    assert "constants.npz" in dumped


def test_bench_reports_both_engines(lamina, model: Path) -> None:
    code, output, _ = lamina("bench", model, "--seconds", "0.05", "--threads", "1", "--beside-onnxruntime", "--json")
    assert code == 0
    engines = json.loads(output)["engines"]
    assert set(engines) == {"lamina", "onnxruntime"}
    assert all(row["min_ms"] <= row["median_ms"] <= row["p99_ms"] for row in engines.values())


def test_profile_shows_every_stage(lamina, model: Path) -> None:
    code, output, _ = lamina("profile", model, "--dim", "N=100", "--threads", "1", "--json")
    stages = json.loads(output)["stages"]
    assert code == 0
    assert [stage["stage"] for stage in stages] == ["map0"]
    assert sum(stage["share"] for stage in stages) == pytest.approx(1)


def test_verify_checks_passes_and_code(lamina, model: Path) -> None:
    code, output, _ = lamina("verify", model, "--dim", "N=5", "--json")
    checks = {check["subject"]: check for check in json.loads(output)}
    assert code == 0
    for subject in ("meaning against onnxruntime", "after lower-graph-to-kernel", "machine code, one thread"):
        assert checks[subject]["error"] <= 1e-6
    assert all(check["ok"] for check in checks.values())


def test_verify_names_the_pass_that_changes_the_meaning(lamina, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def double_constants(self, ctx, op) -> None:
        for operation in op.walk():
            if isinstance(operation, ConstantOp):
                name = ctx.constants.add(ctx.constants[operation.handle] * 2, "doubled")
                operation.properties["handle"] = type(operation.properties["handle"])(name)

    monkeypatch.setattr("lamina.passes.graph.fuse_softmax.GraphFuseSoftmaxPass.apply", double_constants)
    code, output, _ = lamina("verify", model, "--dim", "N=5")
    assert code == 1
    assert re.search(r"after graph-fuse-softmax\W+differs", output)
    assert "after graph-fold-padding" not in output


def test_compared_outputs() -> None:
    ones = {"y": np.ones((2, 2), np.float32)}
    assert compare("", ones, ones).ok
    assert compare("", {"y": np.ones((2, 2), np.float32) * 1.001}, ones) == Check(
        "", False, pytest.approx(1e-3, rel=1e-2)
    )
    assert "is float32[4]" in compare("", {"y": np.ones(4, np.float32)}, ones).note
    infinite = {"y": np.array([np.inf, np.nan, 1.0])}
    assert compare("", infinite, infinite).ok
    assert "infinities" in compare("", {"y": np.ones(3)}, infinite).note
    assert same_bits("", {"y": -0.0 * np.ones(1)}, {"y": np.zeros(1)}).note == "differs: y"


def test_doctor_finds_this_machine_well(lamina) -> None:
    code, output, _ = lamina("doctor", "--json")
    findings = {finding["subject"]: finding for finding in json.loads(output)}
    assert code == 0, findings
    assert findings["small model"]["ok"] is True


@pytest.mark.parametrize("command", ["run", "compile", "bench", "profile", "check", "verify", "doctor"])
def test_help_shows_an_example(lamina, command: str) -> None:
    code, output, _ = lamina(command, "--help")
    assert code == 0
    assert f"Example: lamina {command}" in output


def test_version(lamina) -> None:
    from lamina import __version__

    assert lamina("--version")[:2] == (0, f"lamina {__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "absent.onnx"], "does not exist"),
        (["run", "MODEL", "--shape", "3xx4"], "3xx4"),
        (["run", "MODEL", "--shape", "q=3x4"], "no input is called 'q'"),
        (["run", "MODEL", "--dim", "N=many"], "N=many"),
        (["run", "MODEL", "--input", "x=absent.npy"], "NAME=FILE"),
        (["run", "MODEL", "--threads", "0"], "threads"),
        (["compile", "MODEL", "--emit", "cobol"], "cobol"),
        (["compile", "MODEL", "--target", "z80"], "z80"),
        (["compile", "MODEL", "-o", "MODEL"], "overwrite"),
        (["nonsense"], "nonsense"),
    ],
)
def test_wrong_usage_exits_with_2(lamina, model: Path, arguments: list[str], message: str) -> None:
    code, _, errors = lamina(*(str(model) if argument == "MODEL" else argument for argument in arguments))
    assert code == 2
    assert message in " ".join(errors.replace("│", " ").split())


def test_what_is_no_model_exits_with_1_and_one_line(lamina, tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"not a model")
    code, _, errors = lamina("run", path)
    assert code == 1
    assert errors.startswith("error:")
    assert "Traceback" not in errors


def test_debug_shows_the_traceback(lamina, tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(Exception, match=r"broken\.onnx"):
        lamina("run", path, "--debug")


def test_parsed_options() -> None:
    assert parse_shapes(["x=1x3xHxW", "7"]) == {"x": (1, 3, "H", "W"), "": (7,)}
    assert parse_shapes(["scalar="]) == {"scalar": ()}
    assert parse_dims(["N=1", "batch=20"]) == {"N": 1, "batch": 20}
    assert name_the_only_input({"": (1,)}, ["a"]) == {"a": (1,)}
    with pytest.raises(ValueError, match="has 2 inputs"):
        name_the_only_input({"": (1,)}, ["a", "b"])


def test_parsed_constants() -> None:
    constants = parse_constants(["w=dense<[[1.5, 2.0]]> : tensor<1x2xf32>", "n=dense<3> : tensor<2xi64>"])
    np.testing.assert_array_equal(constants["w"], np.array([[1.5, 2.0]], np.float32), strict=True)
    np.testing.assert_array_equal(constants["n"], np.array([3, 3]), strict=True)
    with pytest.raises(ValueError, match="'w=nonsense' is no constant"):
        parse_constants(["w=nonsense"])


def test_engines_take_turns() -> None:
    order: list[str] = []
    result = measure_in_turn({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, seconds=0.0)
    assert "".join(order) == "ab" + "aaaabbbb"
    assert result["a"]["runs"] == 3
