"""Help, exit codes, and that whatever goes wrong is a line and no traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lamina.cli.lamina import COMMANDS
from lamina.cli.lamina_opt import main as lamina_opt
from lamina.cli.progress import shown_progress
from lamina.compiler import compile
from lamina.pipeline import PHASE_NAMES, PipelineOptions


@pytest.mark.parametrize("command", COMMANDS)
def test_help_opens_with_an_example(lamina, command: str) -> None:
    code, output, _ = lamina(command, "--help")
    assert code == 0
    assert output.strip().startswith(f"$ lamina {command}")
    assert "Example" not in output


def test_help_of_the_tools_opens_with_examples(lamina, capsys: pytest.CaptureFixture[str]) -> None:
    assert lamina("--help")[1].strip().startswith("$ lamina run")
    assert lamina() == lamina("--help")
    with pytest.raises(SystemExit):
        lamina_opt(["--help"])
    assert capsys.readouterr().out.strip().startswith("$ lamina-opt model.onnx")


def test_version(lamina) -> None:
    from lamina import __version__

    assert lamina("--version")[:2] == (0, f"lamina {__version__}\n")


@pytest.mark.parametrize("arguments", [["nonsense"], ["run"], ["run", "absent.onnx"], ["run", "--nonsense"]])
def test_wrong_usage_exits_with_2(lamina, arguments: list[str]) -> None:
    code, output, errors = lamina(*arguments)
    assert (code, output) == (2, "")
    assert errors.startswith("error: ")
    assert errors.count("\n") == 2, "a line of what is wrong, and one of where to look"


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"not a model")
    return path


def test_what_is_no_model_exits_with_1_and_one_line(lamina, broken: Path) -> None:
    code, _, errors = lamina("run", broken)
    assert code == 1
    assert errors.startswith("error:")
    assert "Traceback" not in errors


def test_debug_shows_the_traceback_wherever_it_stands(lamina, broken: Path) -> None:
    for arguments in (["--debug", "run", broken], ["run", broken, "--debug"]):
        with pytest.raises(Exception, match=r"broken\.onnx"):
            lamina(*arguments)


def test_errors_are_json_too(lamina, broken: Path) -> None:
    code, output, errors = lamina("run", broken, "--json")
    report = json.loads(output)
    assert (code, report["exit_code"], report["kind"]) == (1, 1, "failure")
    assert report["error"] in errors
    assert json.loads(lamina("run", "absent.onnx", "--json")[1])["kind"] == "usage"


def failing(error: BaseException):
    def apply(*_arguments) -> None:
        raise error

    return apply


_PASS = "lamina.passes.graph.fuse_softmax.GraphFuseSoftmaxPass.apply"


def test_a_defect_says_where_it_arose(lamina, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_PASS, failing(KeyError("[/oops]")))
    code, _, errors = lamina("run", model)
    assert code == 1
    assert "a defect of Lamina" in errors and "KeyError: '[/oops]'" in errors
    assert "in phase graph, step graph-fuse-softmax" in errors
    assert "lamina doctor --json" in errors and "--debug" in errors
    assert "Traceback" not in errors
    with pytest.raises(KeyError):
        lamina("run", model, "--debug")


def test_ctrl_c_is_one_line(lamina, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_PASS, failing(KeyboardInterrupt()))
    assert lamina("run", model) == (130, "", "error: interrupted\n")


def test_too_little_memory_is_one_line(lamina, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_PASS, failing(MemoryError("Unable to allocate 3 TiB")))
    code, _, errors = lamina("run", model)
    assert (code, errors) == (1, "error: not enough memory. Unable to allocate 3 TiB\n")


def test_lamina_opt_fails_in_the_same_way(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = tmp_path / "x.mlir"
    text.write_bytes(b"\xff\xfe")
    junk = tmp_path / "c.npz"
    junk.write_text("junk")
    for arguments, code, message in [
        (["absent.mlir"], 1, "'absent.mlir': no such file or directory"),
        ([str(text)], 1, "is no text"),
        (["--frobnicate"], 2, "unrecognized arguments: --frobnicate"),
        (["x.foo"], 1, "'x.foo': no such file"),
        ([str(text), "--constants", str(junk)], 1, "is no .npz file"),
        ([str(text), "-p", "graph-dead-code{x=1}"], 2, "--passes"),
        ([str(text), "-t", "ll{machine=z80}"], 2, "unknown target 'z80'"),
    ]:
        with pytest.raises(SystemExit) as exit:
            lamina_opt(arguments)
        errors = capsys.readouterr().err
        assert (exit.value.code, errors.startswith("error: ")) == (code, True), errors
        assert message in errors


def test_lamina_opt_leaves_the_old_file(tmp_path: Path) -> None:
    text, out = tmp_path / "x.mlir", tmp_path / "out.mlir"
    text.write_text("func.func @main(")
    out.write_text("before")
    with pytest.raises(SystemExit) as exit:
        lamina_opt([str(text), "-o", str(out)])
    assert exit.value.code == 1 and out.read_text() == "before"
    text.write_text("func.func @main() { func.return }")
    with pytest.raises(SystemExit) as exit:
        lamina_opt([str(text), "-o", str(out)])
    assert exit.value.code == 0 and "func.return" in out.read_text()
    assert len(list(tmp_path.iterdir())) == 2


def test_progress_is_shown_on_terminals_only(monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    with shown_progress() as progress:
        assert progress is None
    monkeypatch.setenv("FORCE_COLOR", "1")
    with shown_progress(wanted=False) as progress:
        assert progress is None
    with shown_progress() as progress:
        assert progress is not None
        progress("llvm", "emit machine code", 3, 17)
    assert "3/17" in capsys.readouterr().err


def test_compiling_tells_of_phases_and_kernels(model: Path) -> None:
    told: list[tuple[str, str, int, int]] = []
    compile(model, options=PipelineOptions(progress=lambda *step: told.append(step), use_cache=False))
    assert list(dict.fromkeys(phase for phase, *_ in told)) == [*PHASE_NAMES]
    assert told[-1] == ("llvm", "emit machine code", 0, 1), "none of one kernel is compiled"


def test_reports_hold_json_only(lamina, model: Path, tmp_path: Path) -> None:
    for command in ("run", "check", "profile"):
        json.loads(lamina(command, model, "--json")[1])
    json.loads(lamina("compile", model, "-o", tmp_path / "x.lamina", "--json")[1])
