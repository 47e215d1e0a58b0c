"""``lamina cache``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lamina.cache import entries, objects
from lamina.cli.lamina import app
from typer.testing import CliRunner


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("LAMINA_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("LAMINA_CACHE", "on")
    monkeypatch.setenv("LAMINA_CACHE_LIMIT", "1MiB")
    return tmp_path / "cache"


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["cache", *arguments])
    assert result.exit_code == code, result.output
    return result.stdout


def test_an_empty_cache(root: Path) -> None:
    assert "nothing" not in run()
    report = json.loads(run("--json"))
    assert report["folder"] == str(root) and report["on"] == ["models", "objects"]
    assert report["limit"] == 1 << 20 and report["size"] == 0 and report["problems"] == []
    assert not root.exists()
    assert json.loads(run("clear", "--json")) == {"removed": 0, "size": 0}


def test_entries_are_shown_and_cleared(root: Path) -> None:
    objects.store("a", bytes(968))
    objects.store("b", bytes(968))
    report = json.loads(run("show", "--json"))
    assert report["kinds"]["objects"]["entries"] == 2 and report["kinds"]["objects"]["size"] == 2000
    assert report["kinds"]["models"]["entries"] == 0
    shown = run()
    assert "used    2.0 KiB of 1.0 MiB" in shown and "now" in shown
    assert "removed 2 entries, 2.0 KiB" in run("clear")
    assert entries.entries() == []


def test_damaged_entries_are_found(root: Path) -> None:
    objects.store("good", bytes(100))
    objects.store("bad", bytes(100))
    entries.publish("models", "bad.lamina", lambda stream: stream.write(b"LAMINA\r\n" + bytes(200)) and None)
    (root / "objects" / "bad.o").write_bytes(bytes(132))
    report = json.loads(run("verify", "--json", code=1))
    assert report["verified"] == 3
    assert sorted(Path(path).name for path in report["damaged"]) == ["bad.lamina", "bad.o"]
    assert "1 entries read, 132 B, 0 damaged" in run("verify")


def test_what_keeps_the_cache_from_being_used_is_told(root: Path, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LAMINA_CACHE_LIMIT", "much")
    root.mkdir()
    (root / "objects").mkdir()
    (root / "objects").chmod(0o777)
    (root / "models").write_text("")
    problems = json.loads(run("--json"))["problems"]
    assert [problem.partition(":")[0] for problem in problems] == [
        "LAMINA_CACHE_LIMIT",
        f"{root / 'models'} is not used",
        f"{root / 'objects'} is not used",
    ]
    assert "every user may write to it" in run()
    monkeypatch.setenv("LAMINA_CACHE_DIR", str(root / "models" / "cache"))
    assert "is no folder" in run()
    monkeypatch.setenv("LAMINA_CACHE", "off")
    assert "on      nothing" in run()


def test_wrong_usage() -> None:
    run("forget", code=2)
