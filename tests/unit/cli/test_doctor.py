"""``lamina doctor``: what it finds here, and what it says where something is missing or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lamina.cli import machine_facts, self_test
from lamina.cli.commands import doctor
from lamina.cli.lamina import app
from lamina.errors import LaminaError
from lamina.machines.cpu.host import passed_over
from typer.testing import CliRunner


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAMINA_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves out compiling, which has a test of its own."""
    monkeypatch.setattr(doctor, "_trials", list)


def examined(code: int = 0) -> dict[str, dict[str, Any]]:
    result = CliRunner().invoke(app, ["doctor", "--json"])
    assert result.exit_code == code, (result.output, result.exception)
    report = json.loads(result.stdout)
    assert report["ok"] is (code == 0)
    return {finding["subject"]: finding for finding in report["findings"]}


def test_this_machine_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMINA_THREADS", "3")
    findings = examined()
    for subject in ("versions", "target", "executable memory", "run on 1 thread", "run on 2 threads", "save and load"):
        assert findings[subject]["ok"] is True, findings[subject]
    assert findings["cores"]["details"]["default_threads"] == 3
    assert findings["environment"]["details"]["LAMINA_THREADS"] == "3"
    assert findings["versions"]["details"]["llvm"]
    assert not any(finding["advice"] for finding in findings.values())


def test_the_report_for_people_ends_in_what_to_send(quick: None) -> None:
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0
    assert result.stdout.rstrip().endswith("With a bug report send the output of `lamina doctor --json`.")


def test_a_missing_library_is_a_finding_with_advice(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    found = machine_facts.versions()
    monkeypatch.setattr(machine_facts, "versions", lambda: {**found, "llvmlite": None, "llvm": None})
    finding = examined(code=1)["versions"]
    assert finding["text"].startswith("llvmlite not installed")
    assert "pip install llvmlite" in finding["advice"]


def test_a_library_that_cannot_be_imported_is_a_finding(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_import_error", lambda name: "OSError: no such library" if name == "onnx" else None)
    finding = examined(code=1)["versions"]
    assert finding["text"].startswith("onnx cannot be imported (OSError: no such library)")


def test_refused_executable_memory_is_a_finding_with_advice(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(code: bytes) -> int:
        raise LaminaError("cannot make 64 bytes executable: Permission denied")

    monkeypatch.setattr("lamina.runtime.memory.map_code", refuse)
    finding = examined(code=1)["executable memory"]
    assert "Permission denied" in finding["text"]
    assert "SELinux" in finding["advice"]


def test_a_wrong_result_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = self_test.trials()[:1]
    wrong[0].expected[0, 0] += 1
    monkeypatch.setattr(self_test, "trials", lambda: wrong)
    finding = examined(code=1)["run on 1 thread"]
    assert "sum is wrong by up to 1" in finding["text"]
    assert "lamina doctor --json" in finding["advice"]


def test_wrong_thread_count_is_a_finding(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMINA_THREADS", "many")
    finding = examined(code=1)["cores"]
    assert "LAMINA_THREADS is 'many'" in finding["text"]
    assert "positive number" in finding["advice"]


def test_a_cache_that_is_off_is_no_fault_and_one_that_fails_is(
    quick: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LAMINA_CACHE", "off")
    assert examined()["cache"]["ok"] is None
    monkeypatch.setenv("LAMINA_CACHE", "on")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LAMINA_CACHE_DIR", str(tmp_path / "file"))
    finding = examined(code=1)["cache"]
    assert "LAMINA_CACHE_DIR" in finding["advice"]


def test_nothing_breaks_the_report(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> doctor.Facts:
        raise RuntimeError("unexpected")

    monkeypatch.setattr(doctor, "_EXAMINATIONS", (("odd", fail, "do this"),))
    assert examined(code=1)["odd"] == {
        "subject": "odd",
        "ok": False,
        "text": "RuntimeError: unexpected",
        "advice": "do this",
        "details": {},
    }


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("model name\t: Fast 9000\ncpu family\t: 25\nmodel\t\t: 17\n", "Fast 9000 (cpu family 25, model 17)"),
        ("CPU implementer\t: 0x41\nCPU part\t: 0xd0c\n", "CPU implementer 0x41, CPU part 0xd0c"),
    ],
)
def test_names_of_processors(tmp_path: Path, text: str, name: str) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    assert machine_facts.processor_name(tmp_path / "cpuinfo") == name


def test_why_a_target_was_chosen() -> None:
    avx2 = dict.fromkeys(("avx2", "fma", "f16c", "bmi", "bmi2", "lzcnt", "movbe"), True)
    assert set(passed_over("x86_64", avx2)) == {"avx512_amx", "avx512_vnni_bf16", "avx512"}
    assert "avx512f" in passed_over("x86_64", avx2)["avx512"]
    assert passed_over("x86_64", {})["avx2"] == ["avx2", "fma", "f16c", "bmi", "bmi2", "lzcnt", "movbe"]
    assert passed_over("aarch64", {}) == {}
